"""A binding for tests of sealed formats, and the bot that a release is bound to."""

from uuid import UUID

from botkeys.exchanges.model import Environment
from botkeys.sealing.binding import Binding

BOT = UUID("0195b1c0-0000-7000-8000-00000000b0b0")
BINDING = Binding(
    account_id=UUID("5d3f1bb2-8f64-5b39-9a0e-1f0a6f3e9c11"),
    key_id=UUID("0195b1c0-0000-7000-8000-0000000000aa"),
    version=3,
    exchange="okx",
    environment=Environment.TESTNET,
)
