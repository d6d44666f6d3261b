"""Builds a release: both distributions, the npm package, the bill of materials and the notices of
licences. docs/benchmarks.md says how it is measured before.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.results import KEPT
from scripts.lock import read_lock
from scripts.notices import notices
from scripts.sbom import SDK, SERVER, bill_of_materials

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements/production.lock"
BUNDLED = ROOT / "app/api/static/swagger-ui"
TYPESCRIPT = ROOT / "sdk/typescript"


def version() -> str:
    """Return the version of the release; raise `ValueError` if the distributions differ."""
    versions = {
        tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]["version"]
        for folder in (ROOT, ROOT / "sdk/python")
    }
    versions.add(json.loads((TYPESCRIPT / "package.json").read_text("utf-8"))["version"])
    if len(versions) != 1:
        raise ValueError(f"{SERVER}, {SDK} and the npm package have different versions")
    return str(versions.pop())


def swagger_ui_version() -> str:
    """Return the version that lies in the server's package, as its README names it."""
    found = re.match(r"Swagger UI (\S+) ", (BUNDLED / "README.md").read_text("utf-8"))
    if found is None:
        raise ValueError("the README of Swagger UI does not begin with its version")
    return found[1]


def moment() -> datetime:
    """Return SOURCE_DATE_EPOCH, by which builds are repeated, or else now."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    return datetime.now(UTC) if given is None else datetime.fromtimestamp(int(given), UTC)


def write_papers(folder: Path) -> None:
    """Write the bill of materials and the notices into the folder."""
    pins = read_lock(LOCK)
    bill = bill_of_materials(pins, version(), moment(), swagger_ui=swagger_ui_version())
    (folder / f"{SERVER}-{version()}.cdx.json").write_text(bill, "utf-8")
    (folder / "THIRD-PARTY-NOTICES.txt").write_text(notices(pins, BUNDLED), "utf-8")


def build(folder: Path) -> None:
    """Build both wheels without a network, and leave no build folder behind."""
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--no-cache-dir")
    subprocess.run(  # noqa: S603  # our own sources
        [sys.executable, "-m", "pip", "wheel", *options, "-w", folder, ROOT / "sdk/python", ROOT],
        check=True,
        cwd=ROOT,
    )
    for left in (ROOT / "build", ROOT / "sdk/python/build"):
        shutil.rmtree(left, ignore_errors=True)


def can_build_npm_package() -> bool:
    """Return whether `make clients` installed the compiler here."""
    return (TYPESCRIPT / ".installed").exists() and shutil.which("npm") is not None


def build_npm_package(folder: Path) -> None:
    """Compile and pack the TypeScript client."""
    quiet = ("npm", "--silent", "--prefix", TYPESCRIPT)
    subprocess.run([*quiet, "run", "build"], check=True)  # noqa: S603  # our own sources
    pack = ("npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", folder.resolve())
    subprocess.run(pack, check=True, cwd=TYPESCRIPT, stdout=subprocess.DEVNULL)  # noqa: S603
    shutil.rmtree(TYPESCRIPT / "dist")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "dist")
    folder: Path = parser.parse_args().folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    build(folder)
    if can_build_npm_package():
        build_npm_package(folder)
    else:
        print("No npm package: `make clients` needs Node 20 and its npm", file=sys.stderr)
    write_papers(folder)
    if not (KEPT / f"{version()}.json").exists():
        print(f"Not measured: `make bench`, then `benchmarks keep {version()}`", file=sys.stderr)
    for path in sorted(folder.iterdir()):
        print(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


if __name__ == "__main__":
    main()
