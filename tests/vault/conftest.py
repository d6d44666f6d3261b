"""Values that the tests of the vault share. Nothing here is used outside them."""

import traceback
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from app.custody.keyfiles import KeyFolder
from app.custody.master_keys.pair import MasterPrivateKey
from botkeys.exchanges.model import Credentials, Environment
from botkeys.sealing.binding import Binding
from botkeys.sealing.secret import Secret

BOT = UUID("0195b1c0-0000-7000-8000-00000000b0b0")


@pytest.fixture
def binding() -> Binding:
    return Binding(
        account_id=UUID("5d3f1bb2-8f64-5b39-9a0e-1f0a6f3e9c11"),
        key_id=UUID("0195b1c0-0000-7000-8000-0000000000aa"),
        version=3,
        exchange="okx",
        environment=Environment.TESTNET,
    )


@pytest.fixture
def bot_id() -> UUID:
    return BOT


@pytest.fixture
def credentials() -> Credentials:
    return Credentials(
        api_key=Secret("PLANTED-api-key-0123456789"),
        api_secret=Secret("PLANTED-api-secret-0123456789"),
        api_passphrase=Secret("PLANTED-passphrase"),
    )


@pytest.fixture(scope="session")
def master() -> MasterPrivateKey:
    return MasterPrivateKey(1, bytes(range(32)))


@pytest.fixture
def folder(tmp_path: Path) -> KeyFolder:
    return KeyFolder(tmp_path / "keys")


@pytest.fixture
def with_locals() -> Callable[[BaseException], str]:
    """The fullest traceback there is of an error, but for the frame of the test itself."""

    def show(error: BaseException) -> str:
        below = error.__traceback__.tb_next if error.__traceback__ else None
        shown = traceback.TracebackException(type(error), error, below, capture_locals=True)
        return "".join(shown.format())

    return show
