"""Heartbeats, which renew a bot's presence and report its key's health."""
