"""Deletions of trading data, and the long work that they start."""
