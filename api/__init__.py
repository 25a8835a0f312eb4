"""The read API: indexed facts, each with the block it is true as of. Its role can only SELECT."""
