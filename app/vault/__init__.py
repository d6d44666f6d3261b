"""Sealing, releasing and the keys for both. Imports no database and no web framework.

What opens credentials is not here: it is in `botkeys.client`, which runs inside the bot.
"""
