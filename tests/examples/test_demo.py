"""The demo as a newcomer runs it: a program with an exit status."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.simulator import credentials
from examples.service import KEY_FILES, PARTS
from tests.processes.production import HELD
from tests.support.logins import documented_logins

_ROOT = Path(__file__).resolve().parents[2]
_SECONDS = 300
"""Time allowed for what takes half a minute on an idle machine."""
pytestmark = pytest.mark.timeout(_SECONDS + 20)

NO_COMMAND = """
from pathlib import Path
from examples import service
service.BOTKEYS = Path("/bin/false")
"""
NO_KEYS = """
from examples import service
service.KEY_FILES["runtime"] = ()
"""
REFUSING_EXCHANGE = """
from examples import chapters
async def refuse(*_):
    return "1"
chapters.place_order = refuse
"""
A_LEAK = """
from examples import chapters
search = chapters.search_secrets
async def search_for_label_too(scene):
    scene.planted["label"] = chapters.LABEL
    await search(scene)
chapters.search_secrets = search_for_label_too
"""


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start the demo with its temporary files in `folder` and a setting that it must ignore."""
    return subprocess.Popen(  # noqa: S603  # our own program
        [sys.executable, *(arguments or ("-m", "examples.demo"))],
        cwd=_ROOT,
        env={**os.environ, "TMPDIR": str(folder), "BOTKEYS_DATABASE_URL": "postgresql://elsewhere"},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_the_demo_installs_what_is_documented() -> None:
    assert {role: (f"botkeys_{role}",) for role in PARTS} == documented_logins()
    assert KEY_FILES == HELD


def test_the_demo_happens_from_start_to_end_tells_no_secret_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    process = start(tmp_path)
    story, _ = process.communicate(timeout=_SECONDS)

    assert process.returncode == 0, story
    assert "All 22 steps happened" in story
    assert list(tmp_path.iterdir()) == []
    used = [
        text
        for exchange, variant in (("binance", "trade"), ("okx", "trade"), ("okx", "withdraw"))
        for text in credentials()[exchange]["testnet"][variant].values()
    ]
    assert [text for text in used if text in story] == []


@pytest.mark.parametrize(
    ("sabotage", "step", "reason"),
    [
        (NO_COMMAND, "1. Start everything", "botkeys migrate ended with status 1"),
        pytest.param(
            NO_KEYS,
            "1. Start everything",
            "botkeys serve --role runtime ended by itself",
            marks=pytest.mark.torture,  # short: a command fails
        ),
        pytest.param(
            REFUSING_EXCHANGE,
            "9. The bot opens its key and trades",
            "this does not hold: the exchange accepts the order",
            marks=pytest.mark.torture,  # short: a command fails
        ),
        pytest.param(
            A_LEAK,
            "22. A search for every secret that was used",
            "label in the database, keys still in it",
            marks=pytest.mark.torture,  # short: test_search_for_secrets.py
        ),
    ],
    ids=["a command fails", "a role lacks its keys", "the exchange says no", "something leaks"],
)
def test_a_step_that_does_not_happen_fails_the_demo_by_its_name(
    tmp_path: Path, sabotage: str, step: str, reason: str
) -> None:
    process = start(tmp_path, "-c", f"{sabotage}\nfrom examples import demo\ndemo.main()")
    story, _ = process.communicate(timeout=_SECONDS)

    assert process.returncode == 1, story
    last = story.strip().splitlines()[-1]
    assert f"Step “{step}” failed" in last
    assert reason in last
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "moment",
    ["   $ botkeys migrate", pytest.param("2.", marks=pytest.mark.torture)],
    ids=["starting", "running"],
)
def test_ctrl_c_stops_the_service_and_removes_its_folder(tmp_path: Path, moment: str) -> None:
    process = start(tmp_path)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(moment):
            break

    process.send_signal(signal.SIGINT)
    story, _ = process.communicate(timeout=_SECONDS)

    assert process.returncode == 130, story
    assert "failed: stopped" in story
    assert list(tmp_path.iterdir()) == []
