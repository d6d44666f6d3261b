"""What bots report of their trading, and what is read of it."""
