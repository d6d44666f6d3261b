"""Bots: registration, tokens, key assignment and the rules of opening positions."""
