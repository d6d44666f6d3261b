"""A bot's configuration document and its cache."""
