"""Botkeys from outside; `python -m examples.demo` (`make demo`) runs the whole story."""
