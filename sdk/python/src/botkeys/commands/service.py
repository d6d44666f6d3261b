"""Calls of the service with a user's token, for one command."""

import asyncio
import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from botkeys.client.connection import Connection
from botkeys.client.errors import BotClientError, Refused, Unreachable
from botkeys.client.models import refusal
from botkeys.commands.connection_options import outbound, read_token, service_address
from botkeys.commands.endings import CommandError, Ending, UsageFault
from botkeys.commands.output import Output, pick, plain
from botkeys.commands.request_parts import with_query
from botkeys.transport.client import HttpAnswer, HttpTransport, TransportLimits

Json = dict[str, Any]

# Adding a key takes as long as its exchange does, up to 40 s with everything in between.
_LIMITS = TransportLimits(connect_timeout=5.0, read_timeout=45.0, total_timeout=60.0)
_PAGE = 200
_LATER = frozenset({408, 429, 502, 503, 504})
_REFUSALS = range(400, 500)
_HINTS = {
    401: "Get a new token of a user, and put it into the token file.",
    429: "Try again later.",
    503: "Try again later.",
}

_BAD_DATA = frozenset(
    {
        "credentials_swapped",
        "malformed_credentials",
        "passphrase_not_used",
        "passphrase_required",
        "passphrase_twice",
    }
)
"""Refusals of credentials that cannot be right, whatever the exchange would say."""
_ADVICE = {
    "key_assigned": "`botkeys bots release BOT` takes it from its bot.",
    "key_inactive": "`botkeys keys change KEY --active` does that.",
    "no_key": "`botkeys bots assign BOT KEY` does that.",
}
"""The command for what a refusal advises."""
_INSTEAD = {
    "key_already_added": "Your account already has this API key.",
    "key_assigned": "A key serves one bot at a time.",
    "key_incomplete": "The private half of this key was made by the service, and it awaits the "
    "API key that the exchange shows when its public key is registered. Give it with `botkeys keys "
    "replace KEY`, or delete the key.",
    "same_account_unproven": "The exchange was not asked, could not be reached or does not "
    "identify the account, so these credentials may belong to another one. If they belong to the "
    "same account, repeat the command with --same-account; otherwise add them as a new key.",
    "passphrase_required": "Keys of this exchange have a passphrase: enter it, or give the secret "
    "as secret:passphrase.",
    "passphrase_twice": "The passphrase stands within the secret and by itself: give it once.",
    "passphrase_not_used": "Keys of this exchange have no passphrase: leave it out.",
}
"""Sentences in place of ones that speak of requests and their members."""


class Service:
    """A service, and whom to call it as. Every method raises CommandError and nothing else."""

    def __init__(self, url: str | None, token_file: Path | None, output: Output) -> None:
        self._address = service_address(url)
        token = read_token(token_file, output.warn)
        self._runner = asyncio.Runner()
        self._transport = HttpTransport(_LIMITS, outbound=outbound())
        self._connection = Connection(
            self._address, token, self._transport, allow_insecure_http=False
        )

    def __enter__(self) -> Self:
        self._runner.__enter__()
        return self

    def __exit__(self, *failure: object) -> None:
        self._runner.run(self._transport.aclose())
        self._runner.close()

    def get(self, path: str) -> Json:
        return self.call("GET", path)

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Json:
        """Return the answer's document; an empty one if it has none."""
        document = _document(self._answer(method, path, body))
        if not isinstance(document, dict):
            raise _not_understood()
        return document

    def text(self, method: str, path: str, name: str) -> str:
        """Return one member of the answer, which must be text."""
        value = self.call(method, path).get(name)
        if not isinstance(value, str):
            raise _not_understood()
        return value

    def pages(self, path: str, query: Mapping[str, object] | None = None) -> list[Json]:
        """Return the items of all pages."""
        given = {name: value for name, value in (query or {}).items() if value is not None}
        items: list[Json] = []
        cursor: str | None = None
        while True:
            page = self.get(with_query(path, {**given, "limit": _PAGE, "cursor": cursor}))
            if not isinstance(page.get("items"), list):
                raise _not_understood()
            items += page["items"]
            before, cursor = cursor, page.get("next_cursor")
            if cursor is not None and (cursor == before or not isinstance(cursor, str)):
                raise _not_understood()
            if cursor is None:
                return items

    def find(self, kind: str, name_field: str, given: str) -> Json:
        """Return the key or bot with this id, or the only one with this exact label or name."""
        try:
            identity = uuid.UUID(given)
        except ValueError:
            items = self.pages(f"/v1/{kind}s")
            found = [item for item in items if pick(item, name_field) == given]
        else:
            found = [self.get(f"/v1/{kind}s/{identity}")]
        if len(found) == 1:
            if not isinstance(pick(found[0], "id"), str):
                raise _not_understood()
            return found[0]
        if not found:
            raise CommandError(
                f"There is no {kind} {plain(given)}. `botkeys {kind}s list` shows them.",
                ending=Ending.REFUSED,
                code="not_found",
            )
        ids = ", ".join(plain(pick(item, "id")) for item in found[:5])
        raise UsageFault(
            f"{len(found)} {kind}s are called {plain(given)}. Name one by its id: {ids}.",
            code="ambiguous_name",
        )

    def _answer(self, method: str, path: str, body: Mapping[str, Any] | None) -> HttpAnswer:
        headers = {} if method == "GET" else {"Idempotency-Key": str(uuid.uuid4())}
        answer: HttpAnswer | None = None
        try:
            answer = self._runner.run(
                self._connection.call(method, path, body=body, headers=headers, safe=True)
            )
            failure = None if answer.status < _REFUSALS.start else _refused(answer)
        except Refused as error:
            failure = (
                _not_understood(error.status)
                if error.code == f"http_{error.status}"
                else _as_command_error(error, {})
            )
        except Unreachable as error:
            failure = CommandError(
                f"{error} Is {self._address} right, and does the service run there?",
                ending=Ending.AWAY,
                code=error.code,
            )
        except BotClientError as error:
            failure = CommandError(str(error), ending=Ending.FAILED, code=error.code)
        # Outside the except blocks, whose frames hold what was sent.
        if failure is not None or answer is None:
            raise failure or _not_understood()
        return answer


def _document(answer: HttpAnswer) -> Any:
    if not answer.body:
        return {}
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return None


def _refused(answer: HttpAnswer) -> CommandError:
    problem = _document(answer)
    if isinstance(problem, dict) and isinstance(problem.get("code"), str):
        return _as_command_error(refusal(answer), problem)
    if answer.status in _LATER:  # of a proxy before the service
        return _as_command_error(refusal(answer), {})
    return _not_understood(answer.status)


def _as_command_error(error: Refused, problem: Mapping[str, Any]) -> CommandError:
    sentences = [_INSTEAD.get(error.code, error.detail), *_faults(problem)]
    if error.code in _ADVICE:
        sentences.append(_ADVICE[error.code])
    if problem.get("key_id"):
        sentences.append(f"Look with `botkeys keys show {plain(problem['key_id'])}`.")
    if error.retry_after is not None:
        sentences.append(f"Try again in {error.retry_after:.0f} seconds.")
    elif error.status in _HINTS:
        sentences.append(_HINTS[error.status])
    if error.status in _LATER:
        ending = Ending.AWAY
    elif error.code in _BAD_DATA:
        ending = Ending.BAD_DATA
    elif error.status in _REFUSALS:
        ending = Ending.REFUSED
    else:
        ending = Ending.FAILED
    members = {"status": error.status, "request_id": error.request_id, **problem}
    return CommandError(" ".join(sentences), ending=ending, code=error.code, members=members)


def _faults(problem: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a request, part by part."""
    listed = problem.get("errors")
    if not isinstance(listed, list):
        return []
    return [
        plain(f"{'.'.join(map(str, fault.get('loc', [])))}: {fault.get('msg')}.")
        for fault in listed[:5]
        if isinstance(fault, dict)
    ]


def _not_understood(status: int | None = None) -> CommandError:
    which = "" if status is None else f" (HTTP {status})"
    return CommandError(
        f"The answer{which} is not one of a Botkeys service. Is the address right?",
        ending=Ending.FAILED,
        code="malformed_answer",
    )
