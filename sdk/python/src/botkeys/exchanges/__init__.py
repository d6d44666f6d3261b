"""The ten exchanges: what each offers, how it is called and how its answers are read."""
