"""Master key pairs, their registry in the database, and their rotation."""
