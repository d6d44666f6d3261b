"""`botkeys restored`: what to know and do after the database was recovered to an earlier moment."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

import orjson
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from app.db.engine import open_database
from app.db.failures import sqlstate
from app.db.models import Key, Restoration
from app.settings import Settings, SettingsError

_NOT_ALLOWED = "42501"
_MINUTE = 60
_ERRORS = 400
Report = Callable[[str], None]


async def record_restoration(
    settings: Settings, to: datetime, logs: Iterable[Path], report: Report
) -> None:
    """Let credentials entered from now on have versions above all that were ever given out.

    A sealed version cannot be raised: it is part of what the ciphertext is bound to, and nothing in
    the service opens that. So the numbers of *later* versions are raised. Raises SettingsError.
    """
    url = settings.require_direct_database()
    to = to.replace(tzinfo=UTC) if to.tzinfo is None else to
    if to > datetime.now(UTC):
        raise SettingsError("--to lies in the future; give the moment that was recovered.")
    lost = Counter[tuple[str, str]]()
    for log in logs:
        lost += changes_after(log, to)
    database = open_database(
        url.get_secret_value(), application_name="botkeys-restored", pool_size=None
    )
    try:
        async with database.sessions.begin() as session:
            # Minutes, so that it is above any count of replacements, needs no state that a recovery
            # takes away, and fits the 32 bits of a client in another language.
            now = await session.scalar(select(func.extract("epoch", func.clock_timestamp())))
            floor = int(now or 0) // _MINUTE
            row = insert(Restoration).values(version_floor=floor, restored_to=to)
            await session.execute(row.on_conflict_do_nothing())
            keys = await session.scalar(select(func.count()).select_from(Key))
    except DBAPIError as error:
        if sqlstate(error) != _NOT_ALLOWED:
            raise
        raise SettingsError(
            "This login may not record a recovery. Use the owner's login."
        ) from None
    finally:
        await database.close()
    report(
        f"Recorded the recovery to {to.isoformat()}. The next credentials of each of the {keys} "
        f"keys have a version above {floor}, which every bot accepts."
    )
    for (method, route), count in sorted(lost.items()):
        report(f"Lost, and answered with success before: {count} times {method} {route}")
    report(
        "Credentials that were replaced after that moment are the earlier ones again, and bots "
        "that opened the later ones refuse them: enter them again. `botkeys audit verify "
        "--against` with your anchors names the accounts whose log is shorter than it was."
    )


def changes_after(log: Path, moment: datetime) -> Counter[tuple[str, str]]:
    """Count the changes that processes answered with success after the moment, by route.

    `log` is standard output of `botkeys serve`; other lines are passed over. Raises SettingsError.
    """
    found = Counter[tuple[str, str]]()
    try:
        with log.open("rb") as lines:
            for line in lines:
                try:
                    entry = orjson.loads(line)
                    is_change = entry["event"] == "request" and entry["method"] != "GET"
                    at = datetime.fromisoformat(entry["at"])
                    if is_change and entry["status"] < _ERRORS and at > moment:
                        found[entry["method"], entry["route"]] += 1
                except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
                    continue
    except OSError as error:
        raise SettingsError(f"The log {log} cannot be read ({error.strerror}).") from None
    return found
