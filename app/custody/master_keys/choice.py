"""The choice of the master key that the role `api` seals to."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.custody.errors import NoRegisteredMasterKey
from app.custody.keyring import SealingKeyring
from app.custody.master_keys.registry import version_to_seal_to
from app.custody.sealing import Sealer


async def choose_sealer(session: AsyncSession, keyring: SealingKeyring) -> Sealer:
    """Return the sealer to use now; raise NoRegisteredMasterKey, so that nothing is sealed blind.

    A file says which key it is only by its content: its fingerprint must be the one that a runtime
    process has registered for the version.
    """
    sealers = keyring.sealers()
    version = await version_to_seal_to(
        session, {version: sealer.fingerprint for version, sealer in sealers.items()}
    )
    if version is None:
        raise NoRegisteredMasterKey(sorted(sealers))
    return sealers[version]
