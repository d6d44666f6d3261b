"""How a call that leaves the service can fail.

TransportError
├── Unreachable      no connection, or it broke before the whole answer was here (retryable)
│   ├── TimedOut     …because the time was over (retryable)
│   └── CircuitOpen  not even asked: the host failed again and again a moment ago
├── Held             not asked: the host told us to wait longer than there is time
├── Crowded          not asked: the time was over in our own line before the host
├── Redirected       the host sent us elsewhere: never followed, a signature is for one path
├── Unsendable       not a request at all: an address or a header that HTTP cannot carry
└── AnswerTooLarge   more bytes than the limit, or an encoding that was not offered
"""

from typing import ClassVar


class TransportError(Exception):
    """`host` and `cause` (the name of the underlying error's class) are safe to log."""

    retryable: ClassVar[bool] = False

    def __init__(self, host: str, cause: str) -> None:
        self.host = host
        self.cause = cause
        super().__init__(f"{type(self).__name__} at {host}: {cause}")


class Unreachable(TransportError):
    retryable = True


class TimedOut(Unreachable):
    pass


class CircuitOpen(Unreachable):
    retryable = False


class Held(TransportError):
    """`seconds`: how much longer the host wants to be left alone."""

    def __init__(self, host: str, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(host, "asked to wait")


class Crowded(TransportError):
    """So many calls at once, and so many in a time, are all that we send to a host."""

    def __init__(self, host: str) -> None:
        super().__init__(host, "too many calls of our own")


class Redirected(TransportError):
    pass


class Unsendable(TransportError):
    pass


class AnswerTooLarge(TransportError):
    pass
