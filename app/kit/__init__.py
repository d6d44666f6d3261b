"""Helpers that any project could use; nothing here imports the rest of the service."""
