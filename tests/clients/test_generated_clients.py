"""Clients generated from the committed document compile and talk to the running service."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.clients.toolchain import (
    DOCUMENT,
    HERE,
    PROGRAMS,
    PYTHON,
    ROOT,
    calling,
    generate,
    needs_clients,
    needs_generator,
    needs_go,
    run,
    typescript_project,
)
from tests.support.world import World

MYPY = (ROOT / ".venv/bin/mypy", "--config-file", HERE / "mypy.ini")


@needs_clients
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "ruleset", ["spectral-quick.yaml", pytest.param("spectral.yaml", marks=pytest.mark.torture)]
)
async def test_spectral_finds_nothing(tmp_path: Path, ruleset: str) -> None:
    found = await run(
        *("spectral", "lint", DOCUMENT, "--ruleset", HERE / ruleset),
        *("--fail-severity", "hint", "--quiet"),
        cwd=tmp_path,
    )
    assert "No results" in found or not found.strip()


@needs_clients
@pytest.mark.timeout(300)
async def test_redocly_finds_nothing(tmp_path: Path) -> None:
    found = await run(
        *("redocly", "lint", DOCUMENT, "--config", HERE / "redocly.yaml", "--format", "json"),
        cwd=tmp_path,
    )
    assert '"problems": []' in found


@needs_clients
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("program", "generator"),
    [
        ("openapi_fetch", ("openapi-typescript", DOCUMENT, "-o", "generated/schema.ts")),
        pytest.param("hey_api", ("openapi-ts", "-i", DOCUMENT), marks=pytest.mark.torture),
    ],
)
async def test_a_typescript_client_compiles_and_makes_a_round_trip(
    busy_world: World, tmp_path: Path, program: str, generator: Sequence[str | Path]
) -> None:
    typescript_project(tmp_path, f"{program}.ts", "openapi-ts.config.mjs")
    printed = await run(*generator, cwd=tmp_path)
    assert "warn" not in printed.lower()
    await run("tsc", "-p", tmp_path, cwd=tmp_path)

    async with calling(busy_world) as env:
        await run("node", f"compiled/{program}.js", cwd=tmp_path, env=env)


@needs_clients
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "type_checked", [False, pytest.param(True, marks=pytest.mark.torture)], ids=["as is", "checked"]
)
async def test_the_client_of_openapi_python_client_type_checks_and_makes_a_round_trip(
    busy_world: World, tmp_path: Path, type_checked: bool
) -> None:
    shutil.copy(PROGRAMS / "openapi_python_client.py", tmp_path / "program.py")
    printed = await run(
        *("openapi-python-client", "generate", "--path", DOCUMENT, "--meta", "none"),
        *("--output-path", "botkeys_api"),
        cwd=tmp_path,
    )
    # It knows no bodies but JSON, forms and bytes: its clients import JSON.
    found = re.findall(r"^(?:WARNING|ERROR|Unable) .*|^Unsupported .*", printed, re.MULTILINE)
    assert found == [
        line
        for media_type in ("application/x-ndjson", "text/csv")
        for line in (
            "WARNING parsing POST /v1/trades/import within trading_data.",
            f"Unsupported content type {media_type}",
        )
    ]
    if type_checked:
        await run(
            *(*MYPY, "--python-executable", PYTHON / "python", "botkeys_api", "program.py"),
            cwd=tmp_path,
        )

    async with calling(busy_world) as env:
        await run(PYTHON / "python", "program.py", cwd=tmp_path, env=env)


@needs_clients
@needs_generator
@needs_go
@pytest.mark.torture
@pytest.mark.timeout(600)
async def test_the_go_client_of_openapi_generator_vets_and_makes_a_round_trip(
    busy_world: World, tmp_path: Path
) -> None:
    await generate("go", tmp_path / "client", "--global-property", "apiTests=false")
    program = tmp_path / "client/program"
    program.mkdir()
    shutil.copy(PROGRAMS / "round_trip.go", program / "main.go")
    go = {"GOFLAGS": "-mod=mod", "GOPROXY": "off"}
    await run("go", "vet", ".", "./program", cwd=tmp_path / "client", env=go)

    async with calling(busy_world) as env:
        await run("go", "run", "./program", cwd=tmp_path / "client", env=go | env)


@needs_clients
@needs_generator
@pytest.mark.torture
@pytest.mark.timeout(600)
async def test_the_typescript_client_of_openapi_generator_compiles_and_makes_a_round_trip(
    busy_world: World, tmp_path: Path
) -> None:
    typescript_project(tmp_path, "typescript_fetch.ts")
    extension = "--additional-properties=importFileExtension=.js"
    await generate("typescript-fetch", tmp_path / "generated/fetch", extension)
    await run("tsc", "-p", tmp_path, cwd=tmp_path)

    async with calling(busy_world) as env:
        await run("node", "compiled/typescript_fetch.js", cwd=tmp_path, env=env)


@needs_clients
@needs_generator
@pytest.mark.torture
@pytest.mark.timeout(600)
async def test_the_python_client_of_openapi_generator_type_checks_and_makes_a_round_trip(
    busy_world: World, tmp_path: Path
) -> None:
    await generate("python", tmp_path / "client")
    shutil.copy(PROGRAMS / "openapi_generator.py", tmp_path / "client/program.py")
    await run(
        *(*MYPY, "--python-executable", PYTHON / "python", "openapi_client", "program.py"),
        cwd=tmp_path / "client",
    )

    async with calling(busy_world) as env:
        await run(PYTHON / "python", "program.py", cwd=tmp_path / "client", env=env)
