"""Accounts: settings, usage, and whether an account is open or closed."""
