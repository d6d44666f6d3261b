"""Trading assets: which instruments a bot may trade with a key, and how."""
