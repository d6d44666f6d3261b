"""Makes folders as platforms mount them and reads each as a user of its own; prints the outcomes.

Runs in a mount namespace of its own, as root: `unshare --mount python mounted_folders.py FOLDER`.
"""

import json
import os
import shutil
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from app.custody.errors import KeyFileError
from app.custody.keyfiles import KeyFolder, KeyKind

USER = 10001
STRANGER = 12345
HMACS = (KeyKind.TOKEN_HMAC, KeyKind.AUDIT_HMAC)
TAKEN = "taken"
Fill = Callable[[Path], None]


def read_all(folder: KeyFolder) -> str:
    found = folder.role_violations("runtime")
    if found:
        return "; ".join(found)
    for kind in HMACS:
        folder.read_secret(kind)
    return TAKEN if sorted(folder.load_private_master_keys()) == [1] else "no key"


def outcome_as(user: int, folder: Path) -> str:
    """Return what a process of this user gets from the folder."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
            try:
                outcome = read_all(KeyFolder(folder))
            except KeyFileError as error:
                outcome = str(error)
            os.write(writing, outcome.encode())
        except BaseException:  # noqa: BLE001  # a fork must not go on as the test
            os.write(writing, traceback.format_exc().encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        outcome = pipe.read().decode()
    os.waitpid(child, 0)
    return outcome


class Workshop:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.chmod(0o755)
        keys = KeyFolder(folder / "made")
        keys.create_missing([KeyKind.MASTER, *HMACS])
        self.made = keys.path
        self.count = 0

    def place(self) -> Path:
        self.count += 1
        place = self.folder / str(self.count)
        place.mkdir()
        return place

    def plain(self, mode: int, *, owner: int = 0) -> Fill:
        def fill(place: Path) -> None:
            for path in self.made.iterdir():
                copied = place / path.name
                shutil.copyfile(path, copied)
                os.chown(copied, owner, USER)
                copied.chmod(mode)

        return fill

    def farm(self, *, hidden: str | None = None) -> Fill:
        """Return what fills a folder as Kubernetes fills a volume."""

        def fill(place: Path) -> None:
            dated = place / "..2026_11_29_05_00_00.123456789"
            dated.mkdir()
            self.plain(0o440)(dated)
            (place / "..data").symlink_to(dated.name)
            for path in self.made.iterdir():
                (place / path.name).symlink_to(f"..data/{path.name}")
            if hidden is not None:
                (dated / hidden).write_text("botkeys fingerprint-hmac 1\n")

        return fill

    def leading_out(self, place: Path) -> None:
        self.plain(0o444)(place)
        outside = self.place()
        self.plain(0o444)(outside)
        (place / "audit-hmac").unlink()
        (place / "audit-hmac").symlink_to(outside / "audit-hmac")

    def mounted(
        self,
        fill: Fill,
        mode: int,
        *,
        read_only: bool = True,
        owner: int = 0,
        reader: int = USER,
    ) -> str:
        place = self.place()
        mount("-t", "tmpfs", "-o", "size=1m", "botkeys-test", str(place))
        fill(place)
        os.chown(place, owner, USER)
        place.chmod(mode)
        if read_only:
            mount("-o", "remount,ro", str(place))
        return outcome_as(reader, place)

    def bound(self, fill: Fill, mode: int) -> str:
        """Return the outcome of a folder of the disk that is mounted read-only."""
        source, place = self.place(), self.place()
        fill(source)
        source.chmod(mode)
        mount("--bind", str(source), str(place))
        mount("-o", "remount,ro,bind", str(place))
        return outcome_as(USER, place)

    def ordinary(self, fill: Fill, mode: int, *, owner: int = 0) -> str:
        place = self.place()
        fill(place)
        os.chown(place, owner, USER)
        place.chmod(mode)
        return outcome_as(USER, place)


def mount(*arguments: str) -> None:
    subprocess.run(["/bin/mount", *arguments], check=True)  # noqa: S603  # our own words


def outcomes(workshop: Workshop) -> dict[str, str]:
    mounted, plain = workshop.mounted, workshop.plain
    return {
        "kubernetes": mounted(workshop.farm(), 0o1777),
        "kubernetes, a group's": mounted(workshop.farm(), 0o3777),
        "docker": mounted(plain(0o444), 0o755),
        "docker, a folder of the disk": workshop.bound(plain(0o444), 0o755),
        "systemd": mounted(plain(0o440), 0o550),
        "systemd, the user's": mounted(plain(0o400, owner=USER), 0o500, owner=USER),
        "in memory": mounted(plain(0o444), 0o755, read_only=False),
        "in memory, writable": mounted(plain(0o444), 0o1777, read_only=False),
        "in memory, the group's": mounted(plain(0o444), 0o770, read_only=False),
        "in memory, root's own": mounted(plain(0o444), 0o755, read_only=False, reader=0),
        "files to write": mounted(plain(0o666), 0o755),
        "the group's files to write": mounted(plain(0o460), 0o755),
        "a stranger's folder": mounted(plain(0o444), 0o755, owner=STRANGER),
        "a stranger's files": mounted(plain(0o444, owner=STRANGER), 0o755),
        "a link that leads out": mounted(workshop.leading_out, 0o755),
        "another role's key, hidden": mounted(workshop.farm(hidden="other"), 0o1777),
        "an ordinary folder": workshop.ordinary(plain(0o444), 0o755),
        "a folder that only root may open": workshop.ordinary(plain(0o400), 0o700),
        "an ordinary folder of links": workshop.ordinary(workshop.farm(), 0o700, owner=USER),
    }


if __name__ == "__main__":
    print(json.dumps(outcomes(Workshop(Path(sys.argv[1])))))  # noqa: T201  # the test reads it
