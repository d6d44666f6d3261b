"""Bots that fetch their credentials."""

import base64

import httpx
import pytest

from botkeys.sealing.suites import PrivateKey, SuiteName
from tests.support.world import Bot


class Asking:
    """Requests releases with a one-time key of its own."""

    def __init__(self, suite: SuiteName = SuiteName.X25519) -> None:
        self.suite = suite
        self.one_time_key = PrivateKey.generate(suite)

    @property
    def body(self) -> dict[str, str]:
        raw = self.one_time_key.public.raw
        return {
            "suite": str(self.suite),
            "public_key": base64.urlsafe_b64encode(raw).rstrip(b"=").decode(),
        }

    async def ask(self, bot: Bot) -> httpx.Response:
        return await bot.post("/v1/runtime/credentials", self.body)


@pytest.fixture
def asking() -> Asking:
    return Asking()
