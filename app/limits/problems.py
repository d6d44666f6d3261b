"""What can be wrong with the server of shared limits, in words that hold nothing secret."""

import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Problem:
    """What the server does wrong, as a verb and its object, and what to do about it."""

    what: str
    remedy: str
    cause: str = ""

    def __str__(self) -> str:
        return f"{self.what} ({self.cause})" if self.cause else self.what


_REFUSED: Final = {
    "OOM": Problem(
        "refuses to write because its memory is full",
        "Raise its `maxmemory`, or give Botkeys a server of its own.",
    ),
    "READONLY": Problem(
        "refuses to write because it is a read-only replica",
        "Name its primary in BOTKEYS_LIMITS_URL.",
    ),
    "MISCONF": Problem(
        "refuses to write because it cannot save to its disk",
        "Make room on its disk, or turn its saving off: nothing of these limits need be saved.",
    ),
    "NOREPLICAS": Problem(
        "refuses to write because too few replicas follow it",
        "Start its replicas, or lower its `min-replicas-to-write`.",
    ),
}
"""Refusals of a write by the server's word for them."""
_WORDS: Final = {"OutOfMemoryError": "OOM", "ReadOnlyError": "READONLY"}
"""The words that the client removes from an error's text because it has a class for them."""
_WORD: Final = re.compile(rf"\b({'|'.join(_REFUSED)})\b")


def problem_of(error: Exception) -> Problem:
    """Return what is wrong, without the text of an error, which may hold address and login.

    What the server answers while a connection to its socket is opened is the cause of an error.
    """
    for cause in _causes(error):
        if "AuthenticationError" in _kinds(cause):
            return Problem("refuses the login", "Correct the login in BOTKEYS_LIMITS_URL.")
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Problem(
                "has a certificate that is not trusted",
                "Correct the certificate, or name its authority in BOTKEYS_CA_FILE.",
                cause.verify_message,
            )
    for answer in (error, error.__cause__):
        if answer is not None and "ResponseError" in _kinds(answer):
            return _refusal(answer)
    return Problem("does not answer", "Start it, or correct its address.", type(error).__name__)


def _refusal(answer: BaseException) -> Problem:
    """Return what the server refuses: old ones put their word for it in the midst of a text."""
    kinds = _kinds(answer)
    for kind, word in _WORDS.items():
        if kind in kinds:
            return _REFUSED[word]
    found = _WORD.search(str(answer))
    if found is not None:
        return _REFUSED[found[1]]
    return Problem(
        "refuses to count",
        "Allow its login EVAL, TIME, GET and SET on names that begin with `botkeys:limits:`.",
        type(answer).__name__,
    )


def _kinds(error: BaseException) -> set[str]:
    """Return the names of its classes: the client that has them is imported where it is used."""
    return {kind.__name__ for kind in type(error).__mro__}


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
