"""Seals credentials to a master key that a runtime process can open."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.custody.errors import NoRegisteredMasterKey
from app.custody.keyring import SealingKeyring
from app.custody.master_keys.choice import choose_sealer
from app.custody.sealing import Sealed, Sealer
from app.domains.keys.errors import SealingUnavailable
from botkeys.exchanges.model import Credentials
from botkeys.sealing.binding import Binding
from botkeys.sealing.secret import Secret


class CredentialSealer:
    """What seals in one request."""

    def __init__(self, *, session: AsyncSession, keyring: SealingKeyring) -> None:
        self._session = session
        self._keyring = keyring

    async def require(self) -> None:
        """Raise `SealingUnavailable` before anything is done that sealing would have to follow."""
        await self._chosen()

    async def seal(self, credentials: Credentials, binding: Binding) -> Sealed:
        return (await self._chosen()).seal(credentials, binding)

    async def seal_private_half(self, private_half: Secret, binding: Binding) -> Sealed:
        return (await self._chosen()).seal_private_half(private_half, binding)

    async def seal_api_key(self, api_key: Secret, binding: Binding) -> Sealed:
        return (await self._chosen()).seal_api_key(api_key, binding)

    async def _chosen(self) -> Sealer:
        """Ask each time: a key may be registered or withdrawn while an exchange is called."""
        try:
            return await choose_sealer(self._session, self._keyring)
        except NoRegisteredMasterKey:
            raise SealingUnavailable from None
