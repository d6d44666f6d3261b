"""Assets of a key: what its bot may trade, with which leverage and margin mode."""
