"""Ingest of the trades, equity snapshots, signals and events that bots report."""
