"""What is wrong with the keys of a process. Nothing here writes."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.custody.master_keys.registry import missing, strangers, version_to_seal_to
from app.custody.role_keys import ApiKeys, RuntimeKeys


def key_file_fault(api: ApiKeys | None, runtime: RuntimeKeys | None) -> str | None:
    """Return the name of the error that the folder's last change caused, if it caused one."""
    if api is not None:
        _ = api.sealing.fingerprints  # looks at the folder
        if api.sealing.problem is not None:
            return type(api.sealing.problem).__name__
    if runtime is not None:
        _ = runtime.releasing.fingerprints
        if runtime.releasing.problem is not None:
            return type(runtime.releasing.problem).__name__
    return None


async def registry_fault(
    session: AsyncSession, api: ApiKeys | None, runtime: RuntimeKeys | None
) -> str | None:
    """Compare the keys held with the registry and with those in use; return what is wrong."""
    if runtime is not None:
        held = runtime.releasing.fingerprints
        for version in await strangers(session, held):
            return f"version {version} is not the key that had this version before"
        for version in await missing(session, held):
            return (
                f"version {version} is in use, but this process does not hold "
                f"master-{version:04}.private"
            )
    if api is not None and await version_to_seal_to(session, api.sealing.fingerprints) is None:
        return "no runtime process has registered a public key of this process"
    return None
