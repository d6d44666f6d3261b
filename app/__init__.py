"""Botkeys keeps the exchange API keys of automated trading bots."""
