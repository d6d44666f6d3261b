"""Decimals as text."""

from decimal import Decimal


def plain(value: Decimal) -> str:
    """Return the decimal in plain digits: without an exponent and without trailing zeros."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
