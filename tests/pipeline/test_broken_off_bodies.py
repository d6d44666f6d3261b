"""A caller that goes while its body is read was refused nothing, and is accused of nothing."""

import json
from typing import Any

import pytest

from tests.support.world import Person, World


class BrokenOff:
    """A request whose caller goes after a part of the body, without a network in between."""

    def __init__(self, caller: Person, method: str, path: str) -> None:
        self.status: int | None = None
        self._sent = [{"type": "http.request", "body": b"{", "more_body": True}]
        self.scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "scheme": "http",
            "server": ("botkeys.test", 80),
            "client": ("127.0.0.1", 1),
            "root_path": "",
            "headers": [
                (b"authorization", f"Bearer {caller.token}".encode()),
                (b"content-type", b"application/json"),
                (b"content-length", b"100"),
            ],
        }

    async def receive(self) -> Any:
        return self._sent.pop() if self._sent else {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.status = message.get("status", self.status)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/runtime/credentials"),
        ("POST", "/v1/keys"),
        ("PATCH", "/v1/bots/{bot}"),
        ("PUT", "/v1/keys/{key}/credentials"),
        ("POST", "/v1/webhooks"),
    ],
)
async def test_a_body_that_breaks_off_is_no_refusal(world: World, method: str, path: str) -> None:
    user = world.user()
    bot, _, key = await user.ready_bot()
    caller: Person = bot if "/runtime/" in path else user
    before = await _recorded(user)

    broken = BrokenOff(caller, method, path.format(bot=bot.id, key=key["id"]))
    await world.app(broken.scope, broken.receive, broken.send)

    assert broken.status in (400, 422)
    assert await _recorded(user) == before


async def _recorded(user: Person) -> str:
    logs = [await user.get(path) for path in ("/v1/audit-events", "/v1/events")]
    return json.dumps([answer.json()["items"] for answer in logs])
