"""How many requests a caller may send: by account, by bot, and by address before it is proven."""
