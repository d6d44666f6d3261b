"""Values that the tests of sealed formats share."""

from uuid import UUID

import pytest

from botkeys.sealing.binding import Binding
from tests.support.bindings import BINDING, BOT


@pytest.fixture
def binding() -> Binding:
    return BINDING


@pytest.fixture
def bot_id() -> UUID:
    return BOT
