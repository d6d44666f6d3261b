"""Values that the tests of custody share. Nothing here is used elsewhere."""

import traceback
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from app.custody.keyfiles import KeyFolder
from app.custody.master_key import MasterPrivateKey
from botkeys.exchanges.model import Credentials
from botkeys.sealing.binding import Binding
from botkeys.sealing.secret import Secret
from tests.support.bindings import BINDING, BOT


@pytest.fixture
def binding() -> Binding:
    return BINDING


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
    """Return a function that renders an error's fullest traceback, without the test's own frame."""

    def show(error: BaseException) -> str:
        below = error.__traceback__.tb_next if error.__traceback__ else None
        shown = traceback.TracebackException(type(error), error, below, capture_locals=True)
        return "".join(shown.format())

    return show
