"""The proved caller of a request, and where it came from."""

from dataclasses import dataclass
from uuid import UUID

from app.auth.principal import BotPrincipal, UserPrincipal


@dataclass(frozen=True, slots=True)
class Caller:
    """`address` is the network address it came from, as far as proxies are believed."""

    principal: UserPrincipal | BotPrincipal
    address: str
    request_id: str

    @property
    def account_id(self) -> UUID:
        return self.principal.account_id

    @property
    def bot(self) -> BotPrincipal:
        """The calling bot. Only routes for bots ask."""
        if not isinstance(self.principal, BotPrincipal):
            raise TypeError("the caller of this route is not a bot")
        return self.principal

    @property
    def user(self) -> UserPrincipal:
        """The calling user or service. Only routes for users ask."""
        if not isinstance(self.principal, UserPrincipal):
            raise TypeError("the caller of this route is not a user")
        return self.principal

    @property
    def kind(self) -> str:
        return "bot" if isinstance(self.principal, BotPrincipal) else self.principal.actor

    @property
    def name(self) -> str:
        """Who this is, for the audit log."""
        if isinstance(self.principal, BotPrincipal):
            return str(self.principal.bot_id)
        return self.principal.acting_service or self.principal.subject
