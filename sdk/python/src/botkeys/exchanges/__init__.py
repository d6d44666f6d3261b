"""Internal: the ten exchanges, what each offers, how it is called, how its answers are read."""
