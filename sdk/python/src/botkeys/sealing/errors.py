"""What can go wrong with sealed values. No message holds key material or a library's text.

SealingError
├── UnknownSuite        a name of a suite that is not ours
├── InvalidPublicKey    a bot's one-time key that cannot be sealed to
└── CannotOpen          a wrong key, another binding, or altered bytes: the three look the same
"""


class SealingError(Exception):
    """The root of the tree above."""


class UnknownSuite(SealingError):
    def __init__(self) -> None:
        super().__init__("Unknown suite. Known are mlkem768-x25519 and x25519.")


class InvalidPublicKey(SealingError):
    """Says which check failed. The key itself is public, but is not repeated."""


class CannotOpen(SealingError):
    def __init__(self) -> None:
        super().__init__("This does not open with that key and binding.")
