"""Botkeys from outside: `python -m examples.demo` tells the whole story (`make demo`)."""
