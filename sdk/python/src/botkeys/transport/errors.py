"""How an outgoing call can fail.

TransportError
├── Unreachable      no connection, or it broke before the whole answer arrived (retryable)
│   ├── TimedOut     …because the deadline passed (retryable)
│   ├── Untrusted    …because its certificate, or the proxy's, is not accepted
│   ├── ProxyFailed  …because the proxy before it opened no way (retryable)
│   │   └── ProxyRefused  …and will not
│   └── CircuitOpen  not sent: the host failed repeatedly a moment ago
├── Held             not sent: the host asked us to wait longer than the deadline allows
├── Crowded          not sent: the deadline passed in our own queue before the host
├── Redirected       the host redirected: never followed, since a signature is for one path
├── Unsendable       not a request: an address or a header that HTTP cannot carry
└── AnswerTooLarge   more bytes than the limit, or an encoding that was not offered
"""

from typing import ClassVar


class TransportError(Exception):
    """The base: `host` and `cause` (the class name of the underlying error) are safe to log.

    `explanation` says for people what to do about it, where that is known.
    """

    retryable: ClassVar[bool] = False

    def __init__(self, host: str, cause: str) -> None:
        self.host = host
        self.cause = cause
        self.explanation: str | None = None
        super().__init__(f"{type(self).__name__} at {host}: {cause}")


class Unreachable(TransportError):
    retryable = True


class TimedOut(Unreachable):
    pass


class Untrusted(Unreachable):
    """A certificate that is not accepted: `cause` names it and the reason."""

    retryable = False

    def __init__(self, host: str, cause: str) -> None:
        super().__init__(host, cause)
        self.explanation = cause


class ProxyFailed(Unreachable):
    """A proxy that opened no way to the host."""

    def __init__(self, host: str, cause: str) -> None:
        super().__init__(host, cause)
        self.explanation = f"the proxy of BOTKEYS_HTTPS_PROXY opens no way to {host}: {cause}"


class ProxyRefused(ProxyFailed):
    """A proxy that answered with 4xx: a wrong password, or a host that it does not serve."""

    retryable = False


class CircuitOpen(Unreachable):
    retryable = False


class Held(TransportError):
    """A host that asked us to stay away for another `seconds`."""

    def __init__(self, host: str, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(host, "asked to wait")


class Crowded(TransportError):
    """A full queue: our own limits on concurrency and rate for the host."""

    def __init__(self, host: str) -> None:
        super().__init__(host, "too many calls of our own")


class Redirected(TransportError):
    pass


class Unsendable(TransportError):
    pass


class AnswerTooLarge(TransportError):
    pass
