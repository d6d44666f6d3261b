"""The TypeScript package, built once for all workers, and installed from its archive."""

import fcntl
import json
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "sdk/typescript"
INSTALLED = PACKAGE / "node_modules"
PROGRAMS = Path(__file__).parent / "programs"
PATIENCE = 300
"""Seconds for what takes a few on an idle machine."""

_COPIED = ("LICENSE", "README.md", "package.json", "src", "test", "tsconfig.json")
_PROJECT = {
    "extends": "./node_modules/botkeys-options.json",
    "compilerOptions": {
        "rootDir": ".",
        "outDir": "compiled",
        "declaration": False,
        # What a page shows is the beginning of something.
        "noUnusedLocals": False,
        "noUnusedParameters": False,
    },
    "include": ["*.ts"],
}
_BLOCK = re.compile(r"^```ts\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Built:
    """`package` has what was built, `project` a bot's project that has it installed, `packed` the
    names of all files in the archive.
    """

    package: Path
    project: Path
    packed: tuple[str, ...]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Return the package; the worker that comes first builds it."""
    if not (PACKAGE / ".installed").exists() or shutil.which("node") is None:
        pytest.skip("the compiler is not installed: `make clients` needs Node 20 and its npm")
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared / "typescript"
    with (shared / "typescript.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "packed.json").exists():
            shutil.rmtree(folder, ignore_errors=True)
            names = _build(folder / "package", folder / "project")
            (folder / "packed.json").write_text(json.dumps(names))
    packed = json.loads((folder / "packed.json").read_text())
    return Built(folder / "package", folder / "project", tuple(packed))


def run(*command: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """Return what the command printed; fail the test with it unless the command succeeds."""
    path = os.pathsep.join([str(INSTALLED / ".bin"), os.environ["PATH"]])
    done = subprocess.run(  # noqa: S603  # our own programs
        command,
        cwd=cwd,
        env={**os.environ, "PATH": path, "NO_PROXY": "127.0.0.1", **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, f"{command[0]} failed:\n{done.stdout}"
    return done.stdout


def blocks(page: Path) -> list[str]:
    """Return the TypeScript that a page shows."""
    return _BLOCK.findall(page.read_text("utf-8"))


def _build(package: Path, project: Path) -> list[str]:
    """Compile and pack the package, install it into a project, and compile that; return the names
    of what was packed.
    """
    package.mkdir(parents=True)
    for name in _COPIED:
        if (PACKAGE / name).is_dir():
            shutil.copytree(PACKAGE / name, package / name)
        else:
            shutil.copy(PACKAGE / name, package)
    (package / "node_modules").symlink_to(INSTALLED)
    run("tsc", "-p", package, cwd=package)
    run("npm", "pack", "--ignore-scripts", "--silent", cwd=package)

    modules = project / "node_modules"
    modules.mkdir(parents=True)
    for name in ("@noble", "@types", "undici-types"):
        (modules / name).symlink_to(INSTALLED / name)
    (archive,) = package.glob("*.tgz")
    with tarfile.open(archive) as tar:
        names = sorted(member.name.removeprefix("package/") for member in tar.getmembers())
        tar.extractall(modules, filter="data")
    (modules / "package").rename(modules / "botkeys")
    shutil.copy(PACKAGE / "tsconfig.json", modules / "botkeys-options.json")

    (project / "package.json").write_text('{"type": "module"}')
    (project / "tsconfig.json").write_text(json.dumps(_PROJECT))
    shutil.copy(PROGRAMS / "sdk.ts", project)
    for page, stem in ((ROOT / "docs/bots.md", "bots"), (PACKAGE / "README.md", "readme")):
        for number, block in enumerate(blocks(page)):
            (project / f"{stem}_{number}.ts").write_text(block)
    run("tsc", "-p", project, cwd=project)
    return names
