"""The programs of docs/webhooks.md verify what the service signs, and nothing else."""

import json
import re
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from app.custody.webhook_keys import WebhookKeys
from app.domains.webhooks.sender import SendError
from botkeys.sealing.boxes import SecretBytes
from scripts.check_references import ROOT

KEYS = WebhookKeys(SecretBytes(bytes(range(32))))
PLACE = UUID(int=1), UUID(int=2)
BODY = b'{"type":"bot.offline"}'


def program(number: int) -> str:
    page = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
    programs: list[str] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    return programs[number]


def signed(*versions: int, at: float | None = None) -> dict[str, str]:
    """Return the headers of a message that the secrets of these versions signed."""
    moment = str(int(time.time() if at is None else at))
    content = f"m1.{moment}.".encode() + BODY
    signatures = [one for version in versions for one in KEYS.signatures(*PLACE, version, content)]
    return {
        "webhook-id": "m1",
        "webhook-timestamp": moment,
        "webhook-signature": " ".join(signatures),
    }


def by_secret(version: int, body: bytes, headers: dict[str, str]) -> Any:
    names: dict[str, Any] = {
        "secret": KEYS.secret(*PLACE, version).reveal(),
        "body": body,
        "headers": headers,
    }
    exec(program(0), names)  # noqa: S102  # our own page
    return names["event"]


def by_public_key(version: int, body: bytes, headers: dict[str, str]) -> Any:
    names: dict[str, Any] = {}
    exec(program(1), names)  # noqa: S102  # our own page
    genuine: Callable[..., bool] = names["is_genuine"]
    if not genuine(KEYS.public_key(*PLACE, version), body, headers):
        raise WebhookVerificationError("not genuine")
    return json.loads(body)


@pytest.mark.parametrize("verify", [by_secret, by_public_key])
def test_a_message_is_verified_with_either_secret_during_a_rotation(
    verify: Callable[..., Any],
) -> None:
    """Rule R85."""
    for version in (1, 2):
        assert verify(version, BODY, signed(2, 1)) == {"type": "bot.offline"}
    for wrong in ((3, BODY, signed(2, 1)), (1, BODY, signed(2)), (2, BODY + b" ", signed(2, 1))):
        with pytest.raises(WebhookVerificationError):
            verify(*wrong)


def test_the_page_says_what_each_error_means() -> None:
    page = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \| [A-Z]", page, re.MULTILINE)) >= set(SendError)


def test_an_old_message_is_refused() -> None:
    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(KEYS.secret(*PLACE, 1).reveal()).verify(BODY, signed(1, at=time.time() - 301))
