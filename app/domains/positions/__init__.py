"""Positions: what bots report, what the owner sees, and which changes are allowed."""
