"""`botkeys master-key wrap` and `rewrap`: replace private key files by wrapped ones."""

import os
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from app.custody.errors import KeyFileMissing
from app.custody.keyfiles import KeyFolder, Wrap
from app.custody.wrapping.wrapped import How, SeedBinding, WrappedSeed, WrapperFailed, Wrapping
from app.custody.wrapping.wrappers import Wrappers
from app.settings import Settings
from botkeys.sealing.boxes import SecretBytes

Report = Callable[[str], None]

_REGION_OF_ARN = re.compile(r"arn:[a-z-]+:kms:([a-z0-9-]+):")


class NotWrapped(Exception):
    """Nothing was changed; the message says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """What the options of a command say about the wrapper."""

    how: How
    key: str | None = None
    mount: str = "transit"
    region: str | None = None

    def wrapping(self) -> Wrapping:
        """Return what the files will name; raise `NotWrapped`."""
        names: tuple[str, ...] = ()
        if self.how is not How.COMMAND and self.key is None:
            raise NotWrapped(f"{self.how} needs the wrapper's key: name it with --key.")
        if self.how is How.VAULT_TRANSIT:
            names = (self.mount, self.key or "")
        elif self.how is How.AWS_KMS:
            names = (self._region(), self.key or "")
        wrapping = Wrapping.parse(" ".join((self.how, *names)))
        if wrapping is None:
            raise NotWrapped(f"These are no names of {self.how}: {' '.join(names)}")
        return wrapping

    def _region(self) -> str:
        of_key = _REGION_OF_ARN.match(self.key or "")
        region = self.region or (of_key[1] if of_key else None)
        region = region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        if not region:
            raise NotWrapped("aws-kms needs a region: name it with --region, or a key's whole ARN.")
        return region


def wrapping_with(settings: Settings, target: Target) -> Wrap:
    """Return what wraps new seeds for this target; it raises `NotWrapped`."""
    wrappers, wrapping = Wrappers(settings), target.wrapping()
    return _wrap(wrappers, wrapping)


def _wrap(wrappers: Wrappers, wrapping: Wrapping) -> Wrap:
    def wrap(seed: SecretBytes, binding: SeedBinding) -> WrappedSeed:
        try:
            return wrappers.wrap(seed, wrapping, binding)
        except WrapperFailed as error:
            raise NotWrapped(f"{error} Nothing was changed.") from None

    return wrap


def wrap_master_keys(
    settings: Settings,
    directory: Path | None,
    versions: Collection[int],
    target: Target,
    report: Report,
) -> None:
    """Wrap the private keys of these versions, by default all that are in clear.

    Raises `NotWrapped` and KeyFileError.
    """
    wrappers = Wrappers(settings)
    folder = KeyFolder(directory or settings.keys_folder, wrappers.unwrap)
    found = folder.wrappings()
    _require(folder, found, versions)
    chosen = [v for v in sorted(versions or found) if found[v] is None]
    for version in sorted(set(versions) - set(chosen)):
        report(f"master-{version:04}.private is wrapped already: `rewrap` wraps it again.")
    if not chosen:
        report(f"No private master key in {folder.path} is in clear: there is nothing to do.")
        return
    wrapping = target.wrapping()
    folder.rewrap(chosen, _wrap(wrappers, wrapping))
    for version in chosen:
        report(f"master-{version:04}.private is wrapped ({wrapping.text}).")
    report(
        "Other copies of these files, and what this disk held, still have the seeds in clear. Wrap "
        "or remove the copies; what no longer can be removed, such as old backups, becomes "
        "worthless with a new key: `botkeys master-key create --wrap-with`, then `rotate`."
    )


def rewrap_master_keys(
    settings: Settings,
    directory: Path | None,
    versions: Collection[int],
    target: Target | None,
    report: Report,
) -> None:
    """Wrap wrapped keys again, with the newest version of their wrapper's key or another wrapper.

    Raises `NotWrapped` and KeyFileError.
    """
    wrappers = Wrappers(settings)
    folder = KeyFolder(directory or settings.keys_folder, wrappers.unwrap)
    found = folder.wrappings()
    _require(folder, found, versions)
    other = None if target is None else target.wrapping()
    done = 0
    for version in sorted(versions or found):
        now = found[version]
        if now is None:
            report(f"master-{version:04}.private is in clear: `wrap` wraps it.")
            continue
        folder.rewrap([version], _wrap(wrappers, other or now))
        report(f"master-{version:04}.private is wrapped again ({(other or now).text}).")
        done += 1
    if not done:
        report(f"No private master key in {folder.path} is wrapped: there is nothing to do.")


def _require(folder: KeyFolder, found: Collection[int], versions: Collection[int]) -> None:
    if not found:
        raise KeyFileMissing(folder.path, "contains no private master key (master-0001.private).")
    for version in versions:
        if version not in found:
            raise KeyFileMissing(
                folder.path, f"contains no private master key {version}. Nothing was changed."
            )
