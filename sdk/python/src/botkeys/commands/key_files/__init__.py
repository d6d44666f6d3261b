"""Internal: files with exchange keys, as other programs write them."""
