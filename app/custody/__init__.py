"""Custody of secrets: sealing and releasing credentials, master keys and bot tokens."""
