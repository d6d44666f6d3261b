"""The set-up that the Makefile runs before anything is installed."""

import subprocess
import sys
from pathlib import Path

import pytest

from scripts import set_up
from scripts.set_up import Failed, Progress, discard_halves


def installed(site: Path, name: str, *, size: int = 4, record: bool = True) -> Path:
    information = site / f"{name}-1.0.dist-info"
    information.mkdir(parents=True)
    (site / f"{name}.py").write_text("1234")
    if record:
        (information / "RECORD").write_text(f"{name}.py,sha256=x,{size}\n{name}.pyc,,\n")
    return information


def test_what_an_interrupted_set_up_left_is_installed_again(tmp_path: Path) -> None:
    whole = installed(tmp_path, "whole")
    halves = [
        installed(tmp_path, "cut", size=9),
        installed(tmp_path, "unrecorded", record=False),
        installed(tmp_path, "gone"),
        tmp_path / "~aside",
    ]
    (tmp_path / "gone.py").unlink()
    halves[-1].mkdir()

    discard_halves(tmp_path)

    assert whole.exists()
    assert not any(half.exists() for half in halves)


def pip(script: str) -> list[str]:
    return ["/bin/sh", "-c", script]


def test_a_long_installation_says_what_it_does(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(set_up, "_QUIET_SECONDS", 0.0)
    says = (
        "Requirement already satisfied: idna>=2 in ./.venv",
        "Collecting alembic==1.20.1 (from -r a.lock)",
        "Processing /some/wheels/annotated_types-0.8.0-py3-none-any.whl (from -r a.lock)",
        "Collecting alembic>=1",
        "Installing collected packages: alembic",
    )
    set_up._pip(pip("\n".join(f"echo '{line}'" for line in says)), 9, Progress())

    lines = [line.split("s  ", 1)[1] for line in capfd.readouterr().err.splitlines()]
    assert list(dict.fromkeys(lines)) == [
        "fetching idna, 1 of 9",
        "fetching alembic, 2 of 9",
        "fetching annotated-types, 3 of 9",
        "fetching alembic, 3 of 9",
        "unpacking",
    ]


@pytest.mark.parametrize(
    ("complaint", "sentence"),
    [
        ("No matching distribution found for x==1", "cannot be reached"),
        ("THESE PACKAGES DO NOT MATCH THE HASHES FROM", "another file than the lock file pins"),
        ("anything else", "pip failed"),
    ],
)
def test_a_failed_installation_is_a_sentence(
    complaint: str, sentence: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Failed, match=sentence):
        set_up._pip(pip(f"echo 'ERROR: {complaint}'; exit 1"), 9, Progress())

    assert complaint in capfd.readouterr().err


def test_the_set_up_needs_nothing_but_the_standard_library() -> None:
    """Python's own flags for this: no site packages, no environment, no folder of the script."""
    command = [sys.executable, "-I", "-S", set_up.__file__, "neither"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # our own

    assert "KeyError: 'neither'" in done.stderr
