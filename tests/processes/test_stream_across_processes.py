"""A change made through one process reaches a bot that is connected to another."""

import asyncio
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx

from examples.issuer import Issuer
from tests.processes.logins import Logins
from tests.processes.production import installed, is_ready
from tests.processes.running import PATIENCE
from tests.processes.trading import sent, unchecked_key
from tests.support.world import Json


def configs(lines: Iterator[str]) -> Iterator[Json]:
    for line in lines:
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


def noted(stream: Iterator[Json], versions: list[str]) -> Iterator[Json]:
    """Yield what a stream sends, and note the version of each."""
    for config in stream:
        versions.append(config["version"])
        yield config


def test_a_change_through_one_process_reaches_a_bot_at_another_and_both_stop_at_once(
    tmp_path: Path, production_logins: Logins, oidc: Issuer, exchange_hosts: str
) -> None:
    database = asyncio.run(production_logins.migrated())
    with installed(tmp_path, production_logins, database, oidc, exchange_hosts) as installation:
        # So long that only a notification can arrive in time.
        started = [installation.serve(role, stream_reread=3600) for role in ("api", "runtime")]
        for process, address in started:
            assert is_ready(process, address), process.text
        (_, api_address), (serving, runtime_address) = started
        with (
            installation.http(api_address) as api,
            installation.http(runtime_address) as runtime,
            httpx.Client(base_url=runtime_address, timeout=PATIENCE, trust_env=False) as http,
        ):
            key = sent(api.post("/v1/keys", json=unchecked_key(1)), 201)
            bot = sent(api.post("/v1/bots", json={"name": "Grid BTC"}), 201)
            token = sent(runtime.post(f"/v1/bots/{bot['id']}/token"), 201)["token"]
            headers = {"Authorization": f"Bearer {token}"}
            with http.stream("GET", "/v1/runtime/stream", headers=headers) as answer:
                seen: list[str] = []
                stream = noted(configs(answer.iter_lines()), seen)
                assert next(stream)["key"] is None
                sent(api.put(f"/v1/bots/{bot['id']}/key", json={"key_id": key["id"]}), 200)
                assert any((config["key"] or {}).get("id") == key["id"] for config in stream)
                sent(api.patch(f"/v1/bots/{bot['id']}", json={"paused": True}), 200)
                assert any("bot_paused" in config["blocked_by"] for config in stream)

                assert "\nbotkeys_streams 1.0\n" in runtime.get("/metrics").text
                serving.send(signal.SIGTERM)
                assert serving.wait() == 0
                # What the exchange has stated about the key meanwhile is a version of its own.
                assert not any("bot_paused" not in config["blocked_by"] for config in stream)
                assert len(seen) == len(set(seen))
        # If nothing ended the open stream, the server would wait for it, and log that.
        assert "graceful shutdown" not in serving.stdout
        assert serving.is_clean
        assert serving.stderr == ""
