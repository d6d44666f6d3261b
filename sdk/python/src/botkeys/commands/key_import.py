"""Sends the keys of a file to the service, one by one, and lists what became of each."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botkeys.commands.endings import BadData, CommandError, Ending
from botkeys.commands.entered_credentials import read_bounded
from botkeys.commands.key_files.entries import Assumptions, Found, KeyEntry
from botkeys.commands.key_files.formats import read_entries
from botkeys.commands.key_views import market_members
from botkeys.commands.output import Output, plain, table
from botkeys.commands.service import Service

if TYPE_CHECKING:
    from rich.console import Console

_LARGEST_FILE = 1_048_576
_MOST_ENTRIES = 1000
_SHOWN = 4
_OF_EVERY_KEY = frozenset({401, 403})
_ALREADY = "key_already_added"
Json = dict[str, Any]


class Fate(StrEnum):
    """What became of an entry."""

    PLANNED = "planned"
    ADDED = "added"
    ALREADY_THERE = "already_there"
    REFUSED = "refused"
    UNUSABLE = "unusable"
    NOT_TRIED = "not_tried"


_WRONG = frozenset({Fate.REFUSED, Fate.UNUSABLE})


def run(
    file: Path,
    format_name: str | None,
    assumed: Assumptions,
    connection: tuple[str | None, Path | None],
    output: Output,
    *,
    verify: bool,
    dry_run: bool,
    yes: bool,
) -> int:
    """Import a file, show the result, and return the exit status."""
    content = read_bounded(file, output.warn, largest=_LARGEST_FILE)
    found_format, entries = read_entries(content, format_name, assumed)
    if not entries:
        raise BadData("The file holds no keys.", code="no_keys")
    if len(entries) > _MOST_ENTRIES:
        raise BadData(f"The file holds more than {_MOST_ENTRIES} keys.", code="too_many_keys")
    rows = [_row(entry) for entry in entries]
    ending = Ending.DONE
    if not dry_run:
        with Service(*connection, output) as service:
            usable = sum(isinstance(entry, KeyEntry) for entry in entries)
            if usable and not yes:
                output.show_beforehand(lambda console: _render(console, found_format, rows))
                output.confirm(f"Send {usable} of {len(entries)} keys?", yes=yes)
            ending = _send(service, entries, rows, verify=verify)
    if ending is Ending.DONE and any(row["status"] in _WRONG for row in rows):
        ending = Ending.BAD_DATA
    document = {
        "format": found_format,
        "items": rows,
        "counts": dict(Counter(str(row["status"]) for row in rows)),
    }
    output.document(document, lambda console: _render(console, found_format, rows))
    return ending


def _row(entry: Found) -> Json:
    unknown = dict.fromkeys(("exchange", "environment", "region", "contract_type"))
    row: Json = {"name": entry.name, "label": None, **unknown, "masked_key": None}
    row |= {"status": Fate.UNUSABLE, "key_id": None, "code": None, "detail": None}
    if not isinstance(entry, KeyEntry):
        return {**row, "code": "unusable", "detail": entry.why}
    return {
        **row,
        "label": entry.label,
        **asdict(entry.market),
        "masked_key": _masked(entry.credentials.api_key.reveal().strip()),
        "status": Fate.PLANNED,
    }


def _masked(api_key: str) -> str:
    if len(api_key) < 4 * _SHOWN:
        return "…"
    return f"{api_key[:_SHOWN]}…{api_key[-_SHOWN:]}"


def _send(
    service: Service, entries: Sequence[Found], rows: Sequence[Json], *, verify: bool
) -> Ending:
    """Send what can be sent, and note in each row what became of it.

    Stops once the service is away or refuses the token: what was not tried can be sent again, since
    a key that is already there is not added twice.
    """
    ending = Ending.DONE
    for entry, row in zip(entries, rows, strict=True):
        if not isinstance(entry, KeyEntry):
            continue
        if ending is not Ending.DONE:
            row["status"] = Fate.NOT_TRIED
            continue
        error = _send_one(service, entry, row, verify=verify)
        if error is None:
            continue
        row |= {"status": Fate.REFUSED, "code": error.code, "detail": str(error)}
        if error.code == _ALREADY:
            row |= {"status": Fate.ALREADY_THERE, "key_id": error.members.get("key_id")}
        elif error.ending is Ending.AWAY or error.members.get("status") in _OF_EVERY_KEY:
            row["status"] = Fate.NOT_TRIED
            ending = error.ending
    return ending


def _send_one(service: Service, entry: KeyEntry, row: Json, *, verify: bool) -> CommandError | None:
    body = {
        "label": entry.label,
        **market_members(entry.market),
        **entry.credentials.body(),
        "active": entry.active,
        "verify": verify,
    }
    try:
        added = service.call("POST", "/v1/keys", body)
    except CommandError as error:
        return error
    row |= {"status": Fate.ADDED, "key_id": added.get("id")}
    return None


def _render(console: "Console", found_format: str, rows: Sequence[Mapping[str, Any]]) -> None:
    console.print(f"A file of {plain(found_format)}:")
    shown = [
        (
            row["name"],
            row["exchange"],
            row["environment"],
            row["region"],
            row["contract_type"],
            row["masked_key"],
            str(row["status"]).replace("_", " "),
            row["detail"],
        )
        for row in rows
    ]
    columns = ("name", "exchange", "environment", "region", "type", "key", "result", "why")
    table(console, columns, shown, "The file holds no keys.")
