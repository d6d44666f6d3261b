"""`/readyz` with the logins of production: what each lacks or has too much, and whose it is."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from app.db.engine import Database
from app.db.granted import GRANTS
from app.db.rights import LoginRights
from app.main import use_context
from app.process.worker_start import UnusableDatabase, require_usable
from app.worker.loop import purge_tasks
from app.worker.operations import WorkerVitals, operations_app
from tests.support.split import Process, Split
from tests.support.world import served

PURGE = LoginRights(("botkeys_purge",))


async def checks(process: Process, database: Database | None = None) -> tuple[int, Any]:
    """Return the answer of a process that has just started, and so looks itself."""
    context = process.context
    use_context(process.app, replace(context, database=database or context.database))
    answer = await process.http.get("/readyz")
    use_context(process.app, context)
    return answer.status_code, answer.json()["checks"]


@asynccontextmanager
async def without(split: Split, right: str, role: str) -> AsyncIterator[None]:
    statements = [line for line in GRANTS if f" ON {right.partition(' ON ')[2]} TO {role}" in line]
    assert statements, right
    await split.write(f"REVOKE {right} FROM {role}")
    try:
        yield
    finally:
        await split.write(*statements)


def worker(database: Database, role: str = "botkeys_purge") -> WorkerVitals:
    gauges = [gauges for task in purge_tasks(database) for gauges in task.gauges]
    return WorkerVitals(database, LoginRights((role,)), gauges, statement_seconds=10)


async def worker_checks(database: Database, role: str = "botkeys_purge") -> tuple[int, Any]:
    async with served(operations_app(worker(database, role))) as http:
        answer = await http.get("/readyz")
    return answer.status_code, answer.json()["checks"]


async def test_each_login_of_the_documentation_is_in_order(split: Split) -> None:
    for process in (split.api, split.runtime):
        status, found = await checks(process)
        assert (status, set(found.values())) == (200, {"ok"}), found
    for name in sorted(set(split.databases) - {"api", "runtime"}):
        status, found = await worker_checks(split.databases[name], f"botkeys_{name}")
        assert (status, set(found.values())) == (200, {"ok"}), (name, found)


@pytest.mark.parametrize(
    ("role", "right"),
    [
        ("api", "SELECT ON TABLE trades"),
        ("api", "EXECUTE ON FUNCTION sum_amounts(jsonb)"),
        ("runtime", "UPDATE (last_release_at) ON TABLE keys"),
        ("purge", "SELECT ON TABLE alembic_version"),
        ("purge", "SELECT (created_at) ON TABLE operations"),
    ],
)
async def test_a_right_that_is_missing_is_named(split: Split, role: str, right: str) -> None:
    async def asked() -> tuple[int, Any]:
        if role == "purge":
            return await worker_checks(split.databases[role])
        return await checks(split.api if role == "api" else split.runtime)

    async with without(split, right, f"botkeys_{role}"):
        status, found = await asked()
        assert status == 503
        assert found["database"] == "ok"
        assert f"such as {right}: run" in found["grants"]
    status, found = await asked()
    assert (status, found["grants"]) == (200, "ok")


@pytest.mark.parametrize(("role", "other"), [("api", "runtime"), ("runtime", "api")])
async def test_the_login_of_another_process_is_named(split: Split, role: str, other: str) -> None:
    process = split.api if role == "api" else split.runtime
    status, found = await checks(process, split.databases[other])
    assert status == 503
    assert found["grants"] == (
        f"the login lacks the rights of botkeys_{role}; it has those of botkeys_{other}"
    )
    assert found["migrations"] == "ok"


async def test_a_login_without_bounds_serves_and_is_remarked_on(split: Split) -> None:
    status, found = await checks(split.api, split.superuser)
    assert status == 200
    assert found["grants"] == "the login owns the database, or is a superuser"
    status, found = await worker_checks(split.superuser)
    assert (status, found["grants"]) == (200, "the login owns the database, or is a superuser")


async def test_a_later_release_may_have_replaced_a_right(split: Split) -> None:
    async with without(split, "SELECT ON TABLE trades", "botkeys_api"):
        (before,) = await versions(split)
        await split.write("UPDATE alembic_version SET version_num = '9999'")
        try:
            status, found = await checks(split.api)
            assert (status, found["migrations"]) == (200, "ok")
            assert "such as SELECT ON TABLE trades" in found["grants"]
            await require_usable(split.databases["purge"], replace(PURGE))
        finally:
            await split.write("UPDATE alembic_version SET version_num = :at", at=before)


async def versions(split: Split) -> list[str]:
    async with split.superuser.sessions() as session:
        return list(await session.scalars(text("SELECT version_num FROM alembic_version")))


async def test_runtime_compares_the_master_keys_in_use_with_those_it_holds(split: Split) -> None:
    await split.add_key("alice", 1)
    assert (await checks(split.runtime))[0] == 200
    await split.write("UPDATE key_credentials SET master_key_version = 7")

    status, found = await checks(split.runtime)

    assert status == 503
    assert found["master_key"] == (
        "version 7 is in use, but this process does not hold master-0007.private"
    )
    assert (await checks(split.api))[0] == 200, "api opens nothing"


async def test_a_worker_does_not_begin_on_a_database_that_is_not_migrated(split: Split) -> None:
    database = split.databases["purge"]
    (before,) = await versions(split)
    await require_usable(database, replace(PURGE))
    await split.write("UPDATE alembic_version SET version_num = '0001'")
    try:
        with pytest.raises(UnusableDatabase, match=r"at migration 0001.*Run `botkeys migrate`"):
            await require_usable(database, replace(PURGE))
        status, found = await worker_checks(database)
        assert (status, found["migrations"]) == (503, "not at head")
    finally:
        await split.write("UPDATE alembic_version SET version_num = :at", at=before)


async def test_a_worker_does_not_begin_with_another_s_login(split: Split) -> None:
    with pytest.raises(UnusableDatabase, match="lacks the rights of botkeys_purge; it has those"):
        await require_usable(split.databases["runtime"], replace(PURGE))


async def test_a_worker_whose_login_lacks_a_right_begins_and_says_so(split: Split) -> None:
    database = split.databases["purge"]
    async with without(split, "EXECUTE ON FUNCTION make_audit_months()", "botkeys_purge"):
        await require_usable(database, replace(PURGE))
        assert (await worker_checks(database))[0] == 503
