"""What `botkeys operations watch` does if there is nothing to watch, or temporarily nothing."""

import asyncio
import io
from pathlib import Path
from uuid import uuid4

import orjson
import pytest
from rich.console import Console
from typer.testing import CliRunner

from app.cli import app
from app.commands.watch_operation import PATIENCE_SECONDS, Absence, watch
from app.settings import SettingsError
from botkeys.sealing.secret import Secret


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("ftp://localhost", "must begin with http"),
        ("localhost:8000", "must begin with http"),
        ("http://[", "must begin with http"),
        ("http://127.0.0.1:1", "The service at http://127.0.0.1:1 does not respond"),
    ],
)
async def test_an_address_without_a_service_is_reported_in_a_sentence(
    address: str, sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    screen = Console(file=io.StringIO())
    with pytest.raises(SettingsError, match=sentence):
        await watch(address, uuid4(), Secret("token"), screen, patience=0)
    assert not [record for record in caplog.records if record.name.startswith("stamina")]


def test_a_token_file_that_is_not_there_is_reported_in_a_sentence(tmp_path: Path) -> None:
    arguments = ["operations", "watch", str(uuid4()), "--token-file", str(tmp_path / "none")]
    assert isinstance(failure := CliRunner().invoke(app, arguments).exception, SettingsError)
    assert "none cannot be read" in str(failure)


class Screen(io.StringIO):
    """A terminal that signals when it shows that the service is unavailable."""

    def __init__(self) -> None:
        super().__init__()
        self.noticed = asyncio.Event()

    def write(self, text: str, /) -> int:
        if "does not respond" in text:
            self.noticed.set()
        return super().write(text)


async def test_a_service_that_is_away_is_waited_for_and_the_watch_goes_on() -> None:
    running = {"status": "running", "phase": "trades", "done": 1, "total": 2}
    document = {**running, "stalled": False, "receipt": None, "error": None}
    screen, seen, away = Screen(), asyncio.Event(), False

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if not away:
            seen.set()
            body = orjson.dumps(document)
            head = f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        console, token = Console(file=screen, width=200), Secret("token")
        watching = asyncio.create_task(
            watch(address, uuid4(), token, console, look_seconds=0.01, patience=3600)
        )
        await seen.wait()
        away = True
        await screen.noticed.wait()
        assert not watching.done()
        away, document["status"] = False, "succeeded"
        assert await watching

    assert screen.getvalue().count("Waiting for up to") == 1
    assert "responds again" in screen.getvalue()


def test_pauses_grow_while_it_is_away_and_start_small_the_next_time() -> None:
    absence = Absence("http://localhost", Console(file=io.StringIO()), 1, 3600)
    assert [absence.pause() for _ in range(6)] == [1, 2, 4, 8, 8, 8]
    absence.over()
    assert absence.pause() == 1


def test_the_limit_is_in_the_help() -> None:
    help_text = " ".join(CliRunner().invoke(app, ["operations", "watch", "--help"]).output.split())
    assert f"for up to {PATIENCE_SECONDS / 60:.0f} minutes" in help_text
