"""`botkeys run`: starts an unmodified program with its bot's credentials, and stays with it."""
