"""Import of a user's history: trades from a file, staged, then stored by a worker."""
