"""SQL over the tables of all owners, inside one snapshot. Nothing here writes."""
