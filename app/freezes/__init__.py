"""Freezes: stop new positions at once, of an account, an exchange or a key."""
