"""Liveness and readiness."""

from dataclasses import replace

from app.custody.keyfiles import KeyFolder, KeyKind
from app.custody.keyring import ReleasingKeyring
from app.custody.role_keys import RuntimeKeys
from app.main import use_context
from botkeys.sealing.boxes import SecretBytes
from tests.support.world import World


async def test_a_ready_service_says_what_it_checked(world: World) -> None:
    answer = await world.http.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "checks": {"database": "ok", "migrations": "ok", "master_key": "ok", "issuer": "ok"},
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
