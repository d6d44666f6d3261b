"""The files that an import understands, one module each."""
