"""A look into the database of a running service, with PostgreSQL's own programs."""

import asyncio
from asyncio.subprocess import PIPE
from pathlib import Path

from app.db.embedded import EmbeddedPostgres
from app.db.embedded.binaries import find_binaries
from examples.story import StepFailed


async def dump(data: Path) -> bytes:
    """Return the whole database as `pg_dump` writes it, and the roles."""
    parts = [
        await _output(data, "pg_dump", "--dbname"),
        await _output(data, "pg_dumpall", "--globals-only", "--dbname"),
    ]
    return b"".join(parts)


async def _output(data: Path, program: str, *arguments: str) -> bytes:
    """Return a program's output; the last argument is its option for the database's address."""
    postgres = EmbeddedPostgres(data / "postgres")
    folder = find_binaries(for_another_user=False).folder
    process = await asyncio.create_subprocess_exec(
        folder / program, *arguments, postgres.url("postgres"), stdout=PIPE
    )
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise StepFailed(f"{program} ended with status {process.returncode}")
    return output
