"""Derives the caller from a request's headers, raising errors in a fixed order."""

from app.auth.bot_token import ParsedBotToken, looks_like_bot_token
from app.auth.bot_token import parse as parse_bot_token
from app.auth.errors import (
    AccountHeaderMalformed,
    ActAsNotAllowed,
    TokenFault,
    Unauthenticated,
    WrongTokenKind,
)
from app.auth.headers import RawHeaders, read_account_header, read_bearer_token
from app.auth.principal import UserPrincipal
from app.auth.scopes import Scope
from app.auth.signed_token import looks_like_jwt
from app.auth.verifier import Admission, TokenVerifier, admit_all


async def authenticate_user(
    verifier: TokenVerifier, headers: RawHeaders, admit: Admission = admit_all
) -> UserPrincipal:
    """Return the user or service that calls a user's route.

    Raises, in this order: `Unauthenticated`, `WrongTokenKind` for a well-formed bot token,
    `IssuerUnavailable`, then the refusals that concern X-Account-Id. `admit` is called before a
    signature is verified, as by `TokenVerifier.verify`.
    """
    pairs = list(headers)
    token = read_bearer_token(pairs)
    if looks_like_bot_token(token):
        parse_bot_token(token)
        raise WrongTokenKind(expected="user")
    claims = await verifier.verify(token, admit)
    try:
        account = read_account_header(pairs)
    except AccountHeaderMalformed:
        if Scope.ACT_AS not in claims.scopes:
            raise ActAsNotAllowed from None
        raise
    return verifier.principal(claims, account)


def read_bot_token(headers: RawHeaders) -> ParsedBotToken:
    """Return the ids that the bot's token on a runtime route claims.

    The claim counts only after the token's hash was compared with that in the database. Raises
    `Unauthenticated`, and `WrongTokenKind` for anything in the form of a JWT.
    """
    token = read_bearer_token(headers)
    if looks_like_bot_token(token):
        return parse_bot_token(token)
    if looks_like_jwt(token):
        raise WrongTokenKind(expected="bot")
    raise Unauthenticated(TokenFault.MALFORMED)


def named_bot(headers: RawHeaders) -> dict[str, str]:
    """Return the ids that a bot's token claims, unproven; nothing if there is no such token."""
    try:
        claimed = parse_bot_token(read_bearer_token(headers))
    except Unauthenticated:
        return {}
    return {"account_id": str(claimed.account_id), "bot_id": str(claimed.bot_id)}
