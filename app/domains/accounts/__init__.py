"""Accounts: settings, what data they have, and whether an account is open or closed."""
