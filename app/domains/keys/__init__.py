"""Exchange API keys: adding, checking, replacing and deleting them."""
