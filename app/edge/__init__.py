"""The edge: where a request is proved, bounded, made one transaction, and answered."""
