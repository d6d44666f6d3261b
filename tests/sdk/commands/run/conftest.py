import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.sdk.commands.run.runs import Run, started
from tests.sdk.commands.run.serving import ServedService, serving

SECRETS = ("PLANTED-api-key", "PLANTED-api-secret", "PLANTED-passphrase")


@pytest.fixture(scope="module")
def shared_service() -> Iterator[ServedService]:
    with serving() as served:
        yield served


@pytest.fixture
def served(shared_service: ServedService) -> ServedService:
    shared_service.reset()
    return shared_service


@pytest.fixture
def memory() -> Iterator[Path]:
    """Return a folder in memory of this test's own."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


@dataclass
class Starter:
    """Starts `botkeys run` against the service, with the variables that a shell would have."""

    variables: dict[str, str]
    folder: Path
    _stack: ExitStack
    _count: int = 0

    def __call__(self, options: str, *command: str, terminal: str | None = None) -> Run:
        self._count += 1
        arguments: Sequence[str] = ("run", *options.split(), "--", *command)
        output = self.folder / f"run{self._count}"
        return self._stack.enter_context(started(arguments, self.variables, output, terminal))


@pytest.fixture
def start(served: ServedService, memory: Path, tmp_path: Path) -> Iterator[Starter]:
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "XDG_RUNTIME_DIR": str(memory),
        "BOTKEYS_URL": served.url,
        "BOTKEYS_TOKEN": served.service.token.reveal(),
    }
    with ExitStack() as stack:
        yield Starter(variables, tmp_path, stack)
