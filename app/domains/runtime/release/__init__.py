"""Release of a key's credentials, sealed to a bot's one-time key."""
