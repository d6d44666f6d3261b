"""The room on the disk of the data folder."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from app.commands.doctor.blocking import in_thread
from app.commands.doctor.finding import Finding, fault, ok, warning
from app.commands.doctor.part import Subject

NAME = "disk"
_LITTLE = 2 * 1024**3
_TOO_LITTLE = 256 * 1024**2


async def look(subject: Subject) -> AsyncIterator[Finding]:
    if not subject.embedded:
        return
    folder = subject.settings.data_dir.absolute()
    yield judged(await in_thread(lambda: shutil.disk_usage(_existing(folder)).free), folder)


def judged(free: int, folder: Path) -> Finding:
    """Return the finding for so many free bytes."""
    sentence = f"{free / 1024**3:,.1f} GiB are free for {folder}."
    if free < _TOO_LITTLE:
        return fault(NAME, sentence, "Make room: a database on a full disk takes no writes.")
    if free < _LITTLE:
        return warning(NAME, sentence, "Make room before the database has filled it.")
    return ok(NAME, sentence)


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())
