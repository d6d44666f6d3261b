"""The generators and linters, where `make clients` put them, and the service that they call."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.api.streaming import StreamLimits
from tests.support.streaming import streaming
from tests.support.world import World

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
DOCUMENT = ROOT / "openapi/openapi.json"
PROGRAMS = HERE / "programs"
NODE = HERE / "node_modules/.bin"
PYTHON = HERE / ".venv/bin"
PATIENCE = 300
"""Seconds for what takes some on an idle machine."""

needs_clients = pytest.mark.skipif(
    not (HERE / ".installed").exists() or shutil.which("node") is None,
    reason="the generators are not installed: `make clients` needs Node 20 and its npm",
)
_GENERATOR = next(HERE.glob(".venv/lib/*/site-packages/openapi_generator_cli/*.jar"), None)
needs_generator = pytest.mark.skipif(
    _GENERATOR is None or shutil.which("java") is None,
    reason="OpenAPI Generator is not installed: `make generator` needs Java 11 or later",
)
needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="there is no Go here")
_OF_THE_GENERATOR = (
    "OpenAPI 3.1 support is still in beta",
    "Failed to get the schema name: null",  # of a document with a single schema too
    "From (reserved word) cannot be used",  # a query parameter may be called `from`
)
"""Warnings of OpenAPI Generator that no document of version 3.1 with such a parameter avoids."""


_QUIET = {
    "NO_PROXY": "127.0.0.1",
    "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true",
    "REDOCLY_TELEMETRY": "off",
}
"""Nothing is sent but to the service."""


async def run(*command: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """Return what the command printed; fail the test with it unless the command succeeds."""
    path = os.pathsep.join([str(NODE), str(PYTHON), os.environ["PATH"]])
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env={**os.environ, "PATH": path, **_QUIET, **(env or {})},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            printed = (await process.communicate())[0].decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, f"{command[0]} failed:\n{printed}"
    return printed


async def generate(kind: str, to: Path, *options: str) -> None:
    """Run OpenAPI Generator; fail the test on any warning about the document."""
    printed = await run(
        *("java", "-jar", str(_GENERATOR), "generate"),
        *("-i", DOCUMENT, "-g", kind, "-o", to),
        *("--git-user-id", "botkeys", "--git-repo-id", "client", *options),
        cwd=HERE,
    )
    warnings = [line for line in printed.splitlines() if " WARN " in line or " ERROR " in line]
    ours = [line for line in warnings if not any(text in line for text in _OF_THE_GENERATOR)]
    assert ours == []


def typescript_project(folder: Path, *programs: str) -> None:
    """Lay out a project with these programs, beside which their clients will be generated."""
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "node_modules").symlink_to(HERE / "node_modules", target_is_directory=True)
    for name in ("tsconfig.json", *programs):
        shutil.copy(PROGRAMS / name, folder)


@asynccontextmanager
async def calling(world: World) -> AsyncIterator[dict[str, str]]:
    """Serve the world behind a socket; yield what a program needs to make its round trip."""
    async with streaming(world, StreamLimits()) as served:
        yield {
            "BASE_URL": str(served.http.base_url).rstrip("/"),
            "TOKEN": world.user().token,
            "KEY": json.dumps(world.new_key()),
        }
