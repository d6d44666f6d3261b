"""The orders that rest at the exchange, as bots count them."""
