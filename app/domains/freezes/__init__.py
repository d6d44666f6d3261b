"""Freezes, which stop new positions of an account, an exchange or a key."""
