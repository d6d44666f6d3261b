"""The dashboard: its page, and how people sign in to it."""
