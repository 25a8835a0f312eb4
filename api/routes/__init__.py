"""HTTP in, schemas out: each endpoint opens one snapshot, reads, and renders."""
