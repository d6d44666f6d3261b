"""`make install` as a newcomer runs it: stopped half-way, and without a package index."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.processes.conftest import Run
from tests.processes.running import ROOT, Running, environment, eventually, free_port

pytestmark = pytest.mark.torture

NEEDED = ("Makefile", "README.md", "LICENSE", "pyproject.toml", "alembic.ini")
FOLDERS = ("app", "migrations", "requirements", "scripts", "sdk/python", "examples")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Provide a copy of what the set-up and the service read, in which nothing is installed."""
    left_out = shutil.ignore_patterns("node_modules", "__pycache__", "*.egg-info", ".installed")
    for name in NEEDED:
        shutil.copy(ROOT / name, tmp_path / name)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=left_out)
    return tmp_path


def kill(process: Running) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.timeout(900)
def test_a_killed_set_up_continues_and_suffices_for_the_service(run: Run, clone: Path) -> None:
    env = environment(data_dir=clone / "data", port=free_port())
    killed = run("make", "install", env=env, cwd=clone)
    assert killed.says("installing what the service needs", 120)
    assert eventually(lambda: any(clone.glob(".venv/lib/*/site-packages/click-*.dist-info")), 300)
    kill(killed)
    stopped = run("make", "install", env=env, cwd=clone)
    assert stopped.says("continuing a set-up that was interrupted", 120)
    stopped.ctrl_c()
    assert stopped.wait() != 0
    assert stopped.is_clean, stopped.text

    service = run("make", "-j2", "run", "install", env=env, cwd=clone)
    assert service.says("Botkeys is running.", 600), service.text
    service.ctrl_c()
    service.wait()
    assert service.is_clean, service.text

    done = run(".venv/bin/python", "-m", "pip", "check", env=env, cwd=clone)
    assert done.wait() == 0, done.text
    again = run("make", "install", env=env, cwd=clone)
    assert again.wait() == 0
    assert "Nothing to be done" in again.stdout


@pytest.mark.timeout(300)
def test_a_package_index_that_cannot_be_reached_is_a_sentence(clone: Path) -> None:
    nowhere = {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": f"http://127.0.0.1:{free_port()}/simple",
        "PIP_FIND_LINKS": "",
        "PIP_RETRIES": "0",
    }
    done = subprocess.run(
        ["make", "install"],  # noqa: S607  # our own Makefile
        cwd=clone,
        env={**environment(), **nowhere},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "Botkeys is not set up: pip did not find a package" in done.stderr
    assert "Traceback" not in done.stderr
