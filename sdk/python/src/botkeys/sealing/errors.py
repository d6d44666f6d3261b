"""What can go wrong with sealed values. No message holds key material or a library's text.

SealingError
├── UnknownSuite        not the name of one of our suites
├── InvalidPublicKey    a bot's one-time key that cannot be sealed to
└── CannotOpen          a wrong key, another binding, or altered bytes: indistinguishable
"""


class SealingError(Exception):
    """The root of the tree above."""


class UnknownSuite(SealingError):
    def __init__(self) -> None:
        super().__init__("Unknown suite. Known are mlkem768-x25519 and x25519.")


class InvalidPublicKey(SealingError):
    """A failed check, which the message names. It does not repeat the key, public as that is."""


class CannotOpen(SealingError):
    def __init__(self) -> None:
        super().__init__("This does not open with that key and binding.")
