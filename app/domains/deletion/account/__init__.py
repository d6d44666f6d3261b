"""Closing an account and deleting everything that belongs to it."""
