"""What a user sees of the releases of a key."""
