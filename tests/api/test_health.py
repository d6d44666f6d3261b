"""Liveness and readiness."""

import asyncio
import re
from dataclasses import replace
from typing import Any
from uuid import uuid4

from app.api.health import Vitals
from app.custody.keyfiles import KeyFolder, KeyKind
from app.custody.keyring import ReleasingKeyring
from app.custody.role_keys import RuntimeKeys
from app.db.rights import LoginRights
from app.main import create_app, create_operations_app, use_context
from app.settings import Role
from botkeys.sealing.boxes import SecretBytes
from tests.support.world import World, served


async def test_a_ready_service_says_what_it_checked(world: World) -> None:
    answer = await world.http.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "checks": dict.fromkeys(("database", "migrations", "grants", "master_key", "issuer"), "ok"),
    }


async def test_a_master_key_file_that_holds_another_key_is_found(world: World) -> None:
    await world.http.get("/readyz")

    # As if the files had been replaced by those of another installation.
    replaced = KeyFolder(world.context.settings.data_dir / "others")
    replaced.create_missing([KeyKind.MASTER])
    runtime = RuntimeKeys(ReleasingKeyring(replaced), SecretBytes(bytes(32)))
    use_context(world.app, replace(world.context, api=None, runtime=runtime))
    answer = await world.http.get("/readyz")

    assert answer.status_code == 503
    assert (
        answer.json()["checks"]["master_key"]
        == "version 1 is not the key that had this version before"
    )


async def test_metrics_count_requests_by_route_and_hold_no_ids(world: World) -> None:
    user = world.user()
    key = await user.add_key()
    await user.get(f"/v1/keys/{key['id']}")

    text_of_metrics = (await world.http.get("/metrics")).text

    assert 'route="/v1/keys/{key_id}"' in text_of_metrics
    assert key["id"] not in text_of_metrics


async def test_callers_do_not_invent_metrics(world: World) -> None:
    """R51: method and route are labels that routes have, whatever is sent."""
    await world.http.get("/v1/keys")
    await world.http.get("/metrics")
    for number in range(1_000):
        method = f"M{number}" if number % 2 else ("PROPFIND", "HEAD", "TRACE")[number % 3]
        path = (f"/v1/keys/{uuid4()}", f"/nowhere/{number}", "/v1/keys", f"/static/{number}")
        await world.http.request(method, path[number % 4])
        if number == 100:
            before = (await world.http.get("/metrics")).text
    after = (await world.http.get("/metrics")).text

    assert 'method="other"' in after
    assert not {"M1", "PROPFIND"} & set(re.findall(r'method="([^"]*)"', after))
    assert len(after) < len(before) * 1.1


async def test_readiness_is_looked_up_once_for_all_who_ask(world: World) -> None:
    """R51."""
    looked = 0

    async def reached_issuer() -> bool:
        nonlocal looked
        looked += 1
        return True

    context = world.context
    world.app.state.vitals = Vitals(
        context.database,
        context.metrics,
        context.api,
        context.runtime,
        reached_issuer,
        LoginRights(()),
    )
    answers = await asyncio.gather(*(world.http.get("/readyz") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert looked == 1


async def test_no_failure_of_a_check_is_an_internal_error(world: World) -> None:
    """R51: whatever the driver raises."""

    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise ZeroDivisionError(name)

    world.app.state.vitals.database = Broken()
    answer = await world.http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["database"] == "unreachable"


async def test_the_document_is_made_once_and_has_a_tag(world: World) -> None:
    first = await world.http.get("/openapi.json")
    again = await world.http.get("/openapi.json", headers={"If-None-Match": first.headers["etag"]})
    assert first.json()["openapi"] == "3.1.0"
    assert (again.status_code, again.content) == (304, b"")


async def test_the_page_of_the_document_has_no_inline_script(world: World) -> None:
    page = await world.http.get("/docs")
    policy = page.headers["content-security-policy"]
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", page.text, re.DOTALL)
    assert "script-src 'self';" in policy
    assert scripts
    for attributes, content in scripts:
        assert content == ""
        source = re.fullmatch(r' src="(/[^"]+)"', attributes)
        assert source is not None
        assert (await world.http.get(source[1])).status_code == 200
    assert not re.search(r"\son\w+=", page.text)


async def test_what_is_for_operators_can_have_a_port_of_its_own(world: World) -> None:
    """R51: it is then nowhere else."""
    settings = world.context.settings.model_copy(update={"operations_port": 9})
    public = create_app(settings)
    operations = create_operations_app(settings, Role.ALL)
    for app in (public, operations):
        use_context(app, world.context)
    async with served(public) as of_callers, served(operations) as of_operators:
        for path in ("/metrics", "/readyz", "/docs", "/openapi.json", "/static/docs.js"):
            assert (await of_callers.get(path)).status_code == 404
            assert (await of_operators.get(path)).status_code == 200
        for http in (of_callers, of_operators):
            assert (await http.get("/livez")).status_code == 200
        assert (await of_operators.get("/v1/keys")).status_code == 404
        described = (await of_operators.get("/openapi.json")).json()
    assert described == (await world.http.get("/openapi.json")).json()
