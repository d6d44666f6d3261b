"""The catalogue of exchanges, instruments and prices, refreshed in the background."""
