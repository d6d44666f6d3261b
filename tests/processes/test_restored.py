"""After a recovery to an earlier moment, `botkeys restored` makes later versions acceptable."""

import asyncio
import json
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from app.db.engine import open_database
from tests.processes.conftest import Run
from tests.processes.logins import OWNER, Logins
from tests.processes.running import BOTKEYS, environment

LINES = [
    {"method": "POST", "route": "/v1/runtime/credentials", "status": 200, "at": "14:05:01"},
    {"method": "POST", "route": "/v1/runtime/credentials", "status": 200, "at": "14:04:59"},
    {"method": "POST", "route": "/v1/runtime/credentials", "status": 429, "at": "14:05:02"},
    {"method": "GET", "route": "/v1/keys", "status": 200, "at": "14:05:03"},
    {"method": "PUT", "route": "/v1/keys/{key_id}/credentials", "status": 200, "at": "14:06:00"},
]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    lines = [
        json.dumps({**line, "event": "request", "at": f"2020-11-28T{line['at']}Z"})
        for line in LINES
    ]
    path = tmp_path / "serve.log"
    path.write_text("\n".join([*lines, "not JSON", "[]", '{"event": "swept"}', ""]))
    return path


async def floor(url: str) -> int:
    database = open_database(url, application_name="botkeys-tests", pool_size=None)
    async with database.sessions() as session:
        found: int = await session.scalar(text("SELECT max(version_floor) FROM restorations"))
    await database.close()
    return found


def test_a_recovery_is_recorded_and_what_was_lost_is_counted(
    run: Run, production_logins: Logins, log: Path
) -> None:
    database = asyncio.run(production_logins.migrated())
    url = production_logins.url(OWNER, database)

    def restored(*arguments: str | Path, login: str = OWNER) -> tuple[int, str]:
        process = run(
            BOTKEYS,
            "restored",
            *arguments,
            env=environment(database_url=production_logins.url(login, database)),
        )
        return process.wait(), process.text

    before = int(time.time()) // 60
    status, output = restored("--to", "2020-11-28T14:05:00", "--log", log)
    assert status == 0, output
    assert "1 times POST /v1/runtime/credentials" in output
    assert "1 times PUT /v1/keys/{key_id}/credentials" in output
    assert "GET" not in output
    assert before <= asyncio.run(floor(url)) <= int(time.time()) // 60

    assert restored("--to", "2999-01-01T00:00:00") == (
        1,
        "botkeys: --to lies in the future; give the moment that was recovered.\n",
    )
    status, output = restored("--to", "2020-01-01T00:00:00", "--log", log.parent / "none")
    assert status == 1
    assert "cannot be read" in output
    status, output = restored("--to", "2020-01-01T00:00:00", login="api")
    assert status == 1
    assert "Use the owner's login" in output
