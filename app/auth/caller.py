"""The authenticated caller of a request, with its address."""

from dataclasses import dataclass
from uuid import UUID

from app.auth.principal import BotPrincipal, UserPrincipal
from app.auth.scopes import Scope


@dataclass(frozen=True, slots=True)
class Caller:
    """The authenticated caller of a request.

    `address` is the network address it called from; forwarding headers count only from trusted
    proxies.
    """

    principal: UserPrincipal | BotPrincipal
    address: str
    request_id: str
    client_request_id: str | None = None
    """What the caller calls the request; `request_id` is ours."""

    @property
    def account_id(self) -> UUID:
        return self.principal.account_id

    @property
    def bot(self) -> BotPrincipal:
        """Return the calling bot; only routes for bots may use this."""
        if not isinstance(self.principal, BotPrincipal):
            raise TypeError("the caller of this route is not a bot")
        return self.principal

    @property
    def user(self) -> UserPrincipal:
        """Return the calling user or service; only routes for users may use this."""
        if not isinstance(self.principal, UserPrincipal):
            raise TypeError("the caller of this route is not a user")
        return self.principal

    @property
    def may_act(self) -> bool:
        """Return whether the caller may do anything at all; a user's token may have no scope."""
        if isinstance(self.principal, BotPrincipal):
            return True
        return bool(self.principal.scopes - {Scope.ACT_AS})

    @property
    def kind(self) -> str:
        return "bot" if isinstance(self.principal, BotPrincipal) else self.principal.actor

    @property
    def name(self) -> str:
        """Return the caller's name for the audit log."""
        if isinstance(self.principal, BotPrincipal):
            return str(self.principal.bot_id)
        return self.principal.acting_service or self.principal.subject
