"""Deletion of trading data: marks hide rows at once, the purge removes them later."""
