"""Background work: refreshing the catalogue, expiry, purging, rollups and housekeeping."""
