"""`botkeys master-key rotate` and `status`: seals all data keys to the newest master key."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.custody.errors import KeyFileError, KeyFileMissing, MasterKeyConflict
from app.custody.keyfiles import KeyFolder
from app.custody.master_key import MasterPrivateKey
from app.custody.master_keys.registry import registered, running_holders
from app.custody.master_keys.rotation import counts_by_version, reseal_batch
from app.custody.release import Releaser
from app.custody.wrapping.wrappers import Wrappers
from app.db.engine import Database, open_database
from app.settings import Settings

_PAUSE_SECONDS = 0.05
_RESEALING = (
    ("key_credentials", "sealed_data_key", "SELECT"),
    ("key_credentials", "sealed_data_key", "UPDATE"),
    ("key_credentials", "master_key_version", "UPDATE"),
    ("keys", "exchange", "SELECT"),
)
Report = Callable[[str], None]


class RotationRefused(Exception):
    """The rotation would leave credentials that a process cannot open; nothing was changed."""


class RotationIncomplete(Exception):
    """Some data keys cannot be opened and stay unchanged."""

    def __init__(self, count: int) -> None:
        super().__init__(
            f"{count} data keys cannot be opened with the master key that they name: they were "
            "altered, or sealed elsewhere. They are unchanged; keep that master key."
        )


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a rotation will do: `older` counts the data keys to seal to `target`, by version."""

    target: int
    fingerprint: str
    older: Mapping[int, int]


def _open_database(settings: Settings) -> Database:
    url = settings.require_direct_database()
    return open_database(
        url.get_secret_value(), application_name="botkeys-master-key", pool_size=None
    )


async def rotate_master_key(settings: Settings, report: Report) -> None:
    """Seal everything to the newest master key in the folder, if that harms no running process.

    It makes no key, and begins only after looking at the rights of the login, the private halves in
    the folder, and those of every running runtime process. It looks again before each batch. The
    next run finishes what a killed run began; concurrent runs share the work. Raises
    `RotationRefused`, `RotationIncomplete` and SealingError.
    """
    folder = KeyFolder(settings.keys_folder, Wrappers(settings).unwrap)
    database = _open_database(settings)
    try:
        async with database.sessions() as session:
            await _require_rights(session)
        keys = folder.load_private_master_keys()
        if not keys:
            raise KeyFileMissing(
                folder.path, "contains no private master key (master-0001.private)."
            )
        async with database.sessions() as session:
            plan = await _plan(session, keys)
            if plan.older:
                await _require_everywhere(session, plan)
        unopenable = 0
        if plan.older:
            _announce(plan, report)
            unopenable = await _reseal_all(database, Releaser(keys), plan, report)
        else:
            report(
                f"Every data key is sealed to master key {plan.target}, the newest in "
                f"{folder.path}: there is nothing to do. `botkeys master-key create` makes the "
                "next one."
            )
        await _report_versions(database, report)
    finally:
        await database.close()
    if unopenable:
        raise RotationIncomplete(unopenable)


async def _require_rights(session: AsyncSession) -> None:
    for table, column, right in _RESEALING:
        if not await session.scalar(select(func.has_column_privilege(table, column, right))):
            raise RotationRefused(
                f"This login may not {right} {table}.{column}. Use the login of runtime (a member "
                "of botkeys_runtime). Nothing was changed."
            )


async def _plan(session: AsyncSession, keys: Mapping[int, MasterPrivateKey]) -> _Plan:
    used = await counts_by_version(session)
    target = max(keys)
    absent = sorted(set(used) - set(keys))
    if absent:
        names = ", ".join(f"master-{version:04}.private" for version in absent)
        raise RotationRefused(
            f"Data keys are sealed to master keys that are not here: {names}. Copy them into this "
            "folder first. Nothing was changed."
        )
    fingerprint = keys[target].fingerprint
    if (await registered(session)).get(target, fingerprint) != fingerprint:
        raise MasterKeyConflict([target])
    older = {version: count for version, count in used.items() if version < target}
    return _Plan(target, fingerprint, older)


async def _require_everywhere(session: AsyncSession, plan: _Plan) -> None:
    """Raise `RotationRefused` unless every runtime process that runs holds the target."""
    holders = await running_holders(session)
    if not holders:
        raise RotationRefused(
            "No runtime process is running, so none can confirm that it holds master key "
            f"{plan.target}. Start runtime first. Nothing was changed."
        )
    lacking = [holder.process for holder in holders if plan.target not in holder.versions]
    if lacking:
        raise RotationRefused(
            f"These runtime processes do not hold master key {plan.target} and could release "
            f"nothing that is sealed to it: {', '.join(lacking)}. Copy master-{plan.target:04}"
            ".private into their folders; they pick it up within seconds."
        )


def _announce(plan: _Plan, report: Report) -> None:
    counted = ", ".join(f"{count} of master key {version}" for version, count in plan.older.items())
    report(
        f"Sealing data keys to master key {plan.target} (fingerprint {plan.fingerprint}), which "
        f"every running runtime process holds: {counted}."
    )


async def _reseal_all(database: Database, releaser: Releaser, plan: _Plan, report: Report) -> int:
    """Seal all data keys to the target; return the number of data keys that cannot be opened."""
    total = 0
    while True:
        unopenable, after = 0, None
        while True:
            async with database.sessions.begin() as session:
                await _require_everywhere(session, plan)
                batch = await reseal_batch(session, releaser, plan.target, after)
            total += batch.resealed
            unopenable += batch.unopenable
            if batch.resealed:
                report(f"{total} data keys sealed to master key {plan.target}.")
            if batch.last is None:
                break
            after = batch.last
        async with database.sessions() as session:
            used = await counts_by_version(session)
        if sum(count for version, count in used.items() if version < plan.target) <= unopenable:
            return unopenable
        await asyncio.sleep(_PAUSE_SECONDS)  # another run holds locks on the rest


async def report_master_keys(settings: Settings, report: Report) -> None:
    """Report how each key is wrapped, how many data keys it has, and which process holds it.

    Without a database, only what the folder says.
    """
    _report_wrappings(settings, report)
    if settings.direct_database_url is None and settings.database_url is None:
        report("BOTKEYS_DATABASE_URL is not set: data keys and processes are not counted.")
        return
    database = _open_database(settings)
    try:
        await _report_versions(database, report)
        async with database.sessions() as session:
            for holder in await running_holders(session):
                held = ", ".join(str(version) for version in sorted(holder.versions))
                report(f"Runtime process {holder.process} holds {held or 'none'}.")
    finally:
        await database.close()


def _report_wrappings(settings: Settings, report: Report) -> None:
    folder = KeyFolder(settings.keys_folder)
    try:
        found = folder.wrappings()
    except KeyFileError as error:
        report(str(error))
        return
    if not found:
        report(f"No private master key is in {folder.path}.")
    for version, wrapping in found.items():
        how = "in clear" if wrapping is None else f"wrapped ({wrapping.text})"
        report(f"master-{version:04}.private is {how}.")


async def _report_versions(database: Database, report: Report) -> None:
    async with database.sessions() as session:
        used = await counts_by_version(session)
    for version, count in used.items():
        report(f"Master key {version}: {count} data keys.")
    if len(used) <= 1:
        newest = max(used, default=0)
        report(
            f"Master keys older than {newest} are unused: once every process with the role api has "
            f"master-{newest:04}.public, their files can be removed."
            if newest > 1
            else "No older master key is in use."
        )
