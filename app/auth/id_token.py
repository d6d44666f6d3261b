"""Verification of ID tokens (OpenID Connect Core 1.0, section 3.1.3.7): who signed in just now."""

import hmac
from collections.abc import Mapping
from typing import Any

from app.auth.claims import claim_at
from app.auth.errors import TokenFault, Unauthenticated
from app.auth.principal import UserPrincipal, account_id, is_account_name
from app.auth.scopes import USER_SCOPES
from app.auth.verifier import TokenVerifier


class IdTokenVerifier:
    """A verifier of the ID tokens that one client gets.

    `tokens` has the client's id as its audience, and everything else as for access tokens.
    """

    def __init__(self, tokens: TokenVerifier, client_id: str, account_claim: str) -> None:
        self._tokens = tokens
        self._client_id = client_id
        self._account_claim = account_claim

    async def user(self, token: str, nonce: str) -> UserPrincipal:
        """Return the person; raise `Unauthenticated` or `IssuerUnavailable`.

        The person has every scope of users, whatever the token says: it was issued to sign in, not
        to be sent to an API.
        """
        payload = await self._tokens.payload(token)
        user = self._user(payload)
        sent = payload.get("nonce")
        if not isinstance(sent, str) or not hmac.compare_digest(sent.encode(), nonce.encode()):
            raise Unauthenticated(TokenFault.WRONG_NONCE)
        return user

    async def signed_in(self, token: str, longest: float) -> UserPrincipal:
        """Return who signed in at most `longest` seconds ago, though the token may have expired.

        Raises as `user` does.
        """
        return self._user(await self._tokens.payload_of_late(token, longest))

    def _user(self, payload: Mapping[str, Any]) -> UserPrincipal:
        self._check_recipient(payload)
        name = claim_at(payload, self._account_claim)
        if not is_account_name(name):
            raise Unauthenticated(TokenFault.NO_ACCOUNT)
        return UserPrincipal(
            account_id=account_id(payload["iss"], name),
            issuer=payload["iss"],
            subject=name,
            scopes=USER_SCOPES,
            token_id=None,
            issued_at=None,
            actor="user",
            acting_service=None,
        )

    def _check_recipient(self, payload: Mapping[str, Any]) -> None:
        """Check that the token was made for this client: alone, or as the authorized party."""
        audience = payload["aud"]
        alone = audience in (self._client_id, [self._client_id])
        party = payload.get("azp")
        if party != self._client_id and not (alone and party is None):
            raise Unauthenticated(TokenFault.WRONG_AUDIENCE)
