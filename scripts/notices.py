"""The licences of all that ships, with their texts, from the metadata of the installed packages."""

import re
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution
from pathlib import Path

from scripts.lock import Pin
from scripts.sbom import installed, licence_of

_TEXT = re.compile(r"(?:^|/)(?:licen[cs]e|copying|notice|authors)[^/]*$", re.IGNORECASE)
_RULE = "=" * 80


class NoLicence(Exception):
    """What a pinned package is licensed under cannot be found."""


def notices(pins: Iterable[Pin], bundled: Path) -> str:
    """Return one section for each package and for what lies in `bundled` (Swagger UI).

    A package that is not installed on this machine, because it is for another system or another
    version of Python, is listed with its marker. Raises `NoLicence`.
    """
    sections = ["Botkeys contains or needs the following software under the licences given here.\n"]
    for pin in pins:
        package = installed(pin.name)
        if package is not None and package.version != pin.version:
            raise NoLicence(f"{pin.name} is installed as {package.version}, not as pinned")
        if package is not None:
            sections.append(_section(pin, package))
        elif pin.marker is not None:
            sections.append(_head(pin, f"installed only where {pin.marker}"))
        else:
            raise NoLicence(f"{pin.name} is pinned for all systems but not installed")
    texts = [path for path in sorted(bundled.iterdir()) if re.search("LICENSE|NOTICE", path.name)]
    bodies = "\n".join(path.read_text("utf-8").strip() + "\n" for path in texts)
    sections.append(f"{_RULE}\nSwagger UI (in the server's package)\n{_RULE}\n\n{bodies}")
    return "\n".join(sections)


def _head(pin: Pin, licence: str) -> str:
    return f"{_RULE}\n{pin.name} {pin.version}: {licence}\n{_RULE}\n"


def _section(pin: Pin, package: Distribution) -> str:
    licence, texts = licence_of(package), list(_texts(package))
    if licence is None and not texts:
        raise NoLicence(f"{pin.name} {pin.version} names no licence")
    return "\n".join([_head(pin, licence or "see its text"), *texts])


def _texts(package: Distribution) -> Iterator[str]:
    for file in package.files or ():
        if ".dist-info/" in str(file) and _TEXT.search(str(file)):
            yield Path(str(package.locate_file(file))).read_text("utf-8", "replace").strip() + "\n"
