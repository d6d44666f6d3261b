"""Makes `.venv/` and installs what a target of the Makefile needs, with a line for each step.

python scripts/set_up.py run     what the service, the story and the measurements need
python scripts/set_up.py tools   what checks and tests need on top

It runs before anything is installed, so the standard library has to do. Interrupted at any time, it
continues at the next start: what pip fetched is in its cache, and half an installed package is
installed again.
"""

import csv
import fcntl
import os
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[1]
LOCKS = {
    "run": ("requirements/build.lock", "requirements/run.lock"),
    "tools": ("requirements/development.lock",),
}
STAMPS = {"run": (".installed",), "tools": (".installed", ".tools")}
"""The files in `.venv/` that say what is installed; the Makefile compares their times."""

PROJECTS = ("pyproject.toml", "sdk/python/pyproject.toml")
_TITLES = {"run": "what the service needs", "tools": "what checks and tests need"}
_PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--progress-bar=off")
_EDITABLE = ("--no-deps", "--no-build-isolation", "--no-index", "-e", "sdk/python", "-e", ".")
_MADE = ".made"
_INSTALLING = ".installing"
_QUIET_SECONDS = 5.0

_FETCHED = re.compile(r"(?:Collecting|Processing|Requirement already satisfied:) (?P<what>\S+)")
_PIN = re.compile(r"^[a-z0-9][a-z0-9-]*==", re.MULTILINE)


class Failed(Exception):
    """A set-up that cannot go on; the text is a sentence for the developer."""


class Progress:
    """Lines on standard error: one for each step, and the state of a long one now and then."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._shown = self._start

    def step(self, text: str) -> None:
        self._shown = time.monotonic()
        print(f"{self._shown - self._start:5.0f} s  {text}", file=sys.stderr, flush=True)

    def state(self, text: str) -> None:
        """Show the text, unless a line was shown a moment ago."""
        if time.monotonic() - self._shown >= _QUIET_SECONDS:
            self.step(text)


def main(what: str) -> int:
    """Set up and return the status of the process."""
    try:
        with _alone():
            if not _is_current(what):
                set_up(what, ROOT / ".venv", Progress())
    except Failed as failure:
        print(f"Botkeys is not set up: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("The set-up stopped; the next start continues it.", file=sys.stderr)
        return 130
    return 0


def set_up(what: str, folder: Path, progress: Progress) -> None:
    python = folder / "bin" / "python"
    if not _is_whole(folder):
        progress.step(f"making {folder.name}")
        _make(folder)
    if (folder / _INSTALLING).exists():
        progress.step("continuing a set-up that was interrupted")
        for site in folder.glob("lib/python*/site-packages"):
            discard_halves(site)
    (folder / _INSTALLING).touch()
    locks = LOCKS[what]
    number = sum(len(_PIN.findall((ROOT / lock).read_text("utf-8"))) for lock in locks)
    progress.step(f"installing {_TITLES[what]}: {number} packages")
    files = [option for lock in locks for option in ("-r", lock)]
    _pip([str(python), *_PIP, "--require-hashes", *files], number, progress)
    progress.step("installing the service itself")
    _pip([str(python), *_PIP, *_EDITABLE], 2, progress)
    (folder / _INSTALLING).unlink()
    for stamp in STAMPS[what]:
        (folder / stamp).touch()
    progress.step("set up")


@contextmanager
def _alone() -> Iterator[None]:
    """Wait for another set-up of the same folder, as of another target of `make -j`."""
    root = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(root, fcntl.LOCK_EX)
        yield
    finally:
        os.close(root)


def _is_current(what: str) -> bool:
    needed = max((ROOT / name).stat().st_mtime for name in (*LOCKS[what], *PROJECTS))
    stamps = [ROOT / ".venv" / name for name in STAMPS[what]]
    return all(stamp.exists() and stamp.stat().st_mtime > needed for stamp in stamps)


def _is_whole(folder: Path) -> bool:
    """Return whether the environment was made to its end and its interpreter still runs."""
    if not any((folder / name).exists() for name in (_MADE, *STAMPS["tools"])):
        return False
    python = folder / "bin" / "python"
    return python.exists() and not subprocess.run([python, "-c", ""], check=False).returncode  # noqa: S603  # the environment's own


def _make(folder: Path) -> None:
    making = [sys.executable, "-m", "venv", "--clear", str(folder)]
    if subprocess.run(making, check=False).returncode:  # noqa: S603  # our own interpreter
        raise Failed(
            f"{sys.executable} cannot make virtual environments: install its venv module, or name "
            "another Python with PYTHON=…."
        )
    (folder / _MADE).touch()


def discard_halves(site: Path) -> None:
    """Forget each package of which a file is missing or short, so that pip installs it again."""
    for left in site.glob("~*"):  # what pip set aside while it replaced a package
        shutil.rmtree(left, ignore_errors=True)
    for information in site.glob("*.dist-info"):
        if not _is_installed(site, information / "RECORD"):
            shutil.rmtree(information)


def _is_installed(site: Path, record: Path) -> bool:
    try:
        with record.open(newline="", encoding="utf-8") as rows:
            listed = [(site / name, size) for name, _, size in csv.reader(rows)]
        return all(path.stat().st_size == int(size) for path, size in listed if size)
    except (OSError, ValueError):
        return False


def _pip(command: Sequence[str], number: int, progress: Progress) -> None:
    """Run pip, and show how far it is; raise Failed with what it complained about."""
    seen: set[str] = set()
    doing = "asking the package index"
    complaints: list[str] = []
    with subprocess.Popen(  # noqa: S603  # the environment's own pip
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as pip:
        try:
            for line in _lines(pip):
                if found := _FETCHED.match(line):
                    name = _name(found["what"])
                    seen.add(name)
                    doing = f"fetching {name}, {len(seen)} of {number}"
                elif line.startswith("Installing collected packages"):
                    doing = "unpacking"
                elif line.startswith("WARNING: Retrying"):
                    doing = "the package index does not answer, trying again"
                elif line.startswith(("ERROR:", "error:")):
                    complaints.append(line)
                progress.state(doing)
        except KeyboardInterrupt:
            pip.terminate()
            raise
    if pip.returncode:
        _explain(complaints)


def _name(what: str) -> str:
    """Return the package's name in a requirement or in the path of a wheel."""
    return re.split(r"-[0-9]|[^A-Za-z0-9._-]", Path(what).name)[0].replace("_", "-").lower()


def _lines(pip: subprocess.Popen[bytes]) -> Iterator[str]:
    """Yield pip's lines, and an empty one each second in which there is none."""
    assert pip.stdout is not None  # noqa: S101  # it was started with a pipe
    left = b""
    while True:
        if not select.select([pip.stdout], [], [], 1.0)[0]:
            yield ""
            continue
        read = os.read(pip.stdout.fileno(), 1 << 16)
        if not read:
            break
        *lines, left = (left + read).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace").strip()
    yield left.decode(errors="replace").strip()


def _explain(complaints: Sequence[str]) -> NoReturn:
    for line in complaints:
        print(line, file=sys.stderr)
    text = "\n".join(complaints)
    if "DO NOT MATCH THE HASHES" in text:
        raise Failed(
            "the package index delivered another file than the lock file pins, which was not "
            "installed."
        )
    if "No matching distribution" in text:
        raise Failed(
            "pip did not find a package, because its index does not have it or cannot be reached. "
            "`pip config list` shows the index. The next start continues."
        )
    raise Failed("pip failed. The next start continues.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
