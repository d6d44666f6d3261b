"""Internal: what the command `botkeys` runs. A command imports what it needs when it runs."""
