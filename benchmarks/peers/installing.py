"""Installs peers, each from its own lock file into an environment of its own."""

import hashlib
import subprocess
import sys
from pathlib import Path

LOCKS = Path(__file__).parent
ENVIRONMENTS = Path(__file__).parents[2] / ".venv-peers"


def environment(name: str) -> Path:
    return ENVIRONMENTS / name


def python_of(name: str) -> Path:
    return environment(name) / "bin/python"


def install(name: str) -> str:
    """Install a peer unless it is; return why that is not possible, or nothing."""
    return install_from(LOCKS / f"{name}.lock", environment(name), sys.executable)


def install_from(lock: Path, folder: Path, python: str) -> str:
    """Install what a lock file pins into an environment, unless it is; return why it failed."""
    stamp, content = folder / ".installed", hashlib.sha256(lock.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == content:
        return ""
    pip = (python, "-m", "pip", "--python", folder / "bin/python", "install")
    options = ("--quiet", "--disable-pip-version-check", "--require-hashes", "-r", lock)
    making = (python, "-m", "venv", "--clear", "--without-pip", folder)
    for command in (making, (*pip, *options)):
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            errors = [
                line for line in done.stderr.splitlines() if line.startswith(("ERROR", "    "))
            ]
            last = (errors or done.stderr.splitlines() or ["no reason given"])[-1]
            return f"pip could not install {lock.name}: {last.removeprefix('ERROR: ')[:200]}"
    stamp.write_text(content)
    return ""
