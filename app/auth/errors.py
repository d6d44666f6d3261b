"""Errors of authentication. Each sentence is fixed and never contains any part of a token.

AppError
├── Unauthenticated          401 unauthenticated, with `reason` (a `TokenFault`)
├── SessionExpired           401 session_expired, with `reason` (a `SessionFault`)
├── MissingScope             403 missing_scope, with `required`
│   └── ActAsNotAllowed      the header X-Account-Id without the scope `act_as`
├── WrongTokenKind           403 wrong_token_kind, with `expected`
├── AccountClosing           403 account_closing, with `operation_id`
├── AccountHeaderRequired    400 account_header_required: `act_as` without the header
├── AccountHeaderMalformed   400 account_header_malformed
└── Unavailable
    └── IssuerUnavailable    503 unavailable
"""

from collections.abc import Iterable
from enum import StrEnum
from uuid import UUID

from app.auth.cookies import CLEARED
from app.errors import AppError, Unavailable

REALM = 'Bearer realm="botkeys"'


class TokenFault(StrEnum):
    """What is wrong with a token, as generally as still helps its owner."""

    MISSING = "missing"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    ALGORITHM = "algorithm"
    WRONG_TYPE = "wrong_type"
    UNKNOWN_KEY = "unknown_key"
    BAD_SIGNATURE = "bad_signature"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    WRONG_ISSUER = "wrong_issuer"
    WRONG_AUDIENCE = "wrong_audience"
    NO_EXPIRY = "no_expiry"
    LIVES_TOO_LONG = "lives_too_long"
    NO_ACCOUNT = "no_account"
    REVOKED = "revoked"
    ACCOUNT_CLOSED = "account_closed"
    NO_SESSION = "no_session"
    WRONG_NONCE = "wrong_nonce"


# These also appear in a quoted string of WWW-Authenticate: ASCII, no quotes, no backslash.
_SENTENCES = {
    TokenFault.MISSING: "Send a token in the header Authorization, as: Bearer <token>.",
    TokenFault.MALFORMED: "The token or its header is malformed. Send it exactly as issued.",
    TokenFault.TOO_LARGE: "The token is larger than 8 KiB.",
    TokenFault.ALGORITHM: "The token is signed with an algorithm that this service does not "
    "accept.",
    TokenFault.WRONG_TYPE: "The token is of a type (header typ) that this service does not accept.",
    TokenFault.UNKNOWN_KEY: "The token names a signing key that its issuer does not publish.",
    TokenFault.BAD_SIGNATURE: "The signature of the token is not valid.",
    TokenFault.EXPIRED: "The token has expired. Get a new one.",
    TokenFault.NOT_YET_VALID: "The token is not valid yet. Check the clock of the issuer.",
    TokenFault.WRONG_ISSUER: "The token comes from an issuer that this service does not accept.",
    TokenFault.WRONG_AUDIENCE: "The token was issued for another service.",
    TokenFault.NO_EXPIRY: "The token has no expiry time.",
    TokenFault.LIVES_TOO_LONG: "The token is valid for longer than this service accepts.",
    TokenFault.NO_ACCOUNT: "The token does not name an account in the claim that this service "
    "reads.",
    TokenFault.REVOKED: "The token is no longer valid, or never was. Get a new one.",
    TokenFault.ACCOUNT_CLOSED: "The account was closed after this token was issued.",
    TokenFault.WRONG_NONCE: "The token was issued for another sign-in.",
    TokenFault.NO_SESSION: "This browser is not signed in to the dashboard.",
}


class Unauthenticated(AppError):
    """No valid token. `REVOKED` marks a well-formed bot token that the database does not know."""

    status = 401
    code = "unauthenticated"
    title = "The caller is not authenticated"
    member_names = ("reason",)

    def __init__(self, fault: TokenFault) -> None:
        self.fault = fault
        super().__init__(_SENTENCES[fault], reason=fault.value)

    @property
    def www_authenticate(self) -> str:
        """Return the challenge of RFC 6750, section 3; without a token it has no error code."""
        if self.fault in (TokenFault.MISSING, TokenFault.NO_SESSION):
            return REALM
        return f'{REALM}, error="invalid_token", error_description="{self.detail}"'

    @property
    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": self.www_authenticate}


class SessionFault(StrEnum):
    """Why a browser is no longer signed in."""

    EXPIRED = "expired"
    IDLE = "idle"
    ENDED = "ended"
    UNKNOWN = "unknown"
    ACCOUNT_CLOSED = "account_closed"


_SESSION_SENTENCES = {
    SessionFault.EXPIRED: "You signed in too long ago. Sign in again.",
    SessionFault.IDLE: "Nothing was done in this session for too long. Sign in again.",
    SessionFault.ENDED: "This session was ended. Sign in again.",
    SessionFault.UNKNOWN: "This browser is not signed in any more. Sign in again.",
    SessionFault.ACCOUNT_CLOSED: "The account was closed after this session began.",
}


class SessionExpired(AppError):
    """The cookie of a session that has ended. The response makes the browser forget it."""

    status = 401
    code = "session_expired"
    title = "The session has ended"
    member_names = ("reason",)

    def __init__(self, fault: SessionFault) -> None:
        self.fault = fault
        super().__init__(_SESSION_SENTENCES[fault], reason=fault.value)

    @property
    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": REALM}

    @property
    def cookies(self) -> tuple[str, ...]:
        return CLEARED


class MissingScope(AppError):
    """A token without a scope it needs; `required` lists the missing scopes, space-separated."""

    status = 403
    code = "missing_scope"
    title = "The token lacks a scope"
    member_names = ("required",)

    def __init__(self, required: str | Iterable[str], detail: str | None = None) -> None:
        self.required = required if isinstance(required, str) else " ".join(sorted(required))
        sentence = detail or f"The token lacks the required scope: {self.required}."
        super().__init__(sentence, required=self.required)

    @property
    def www_authenticate(self) -> str:
        return f'{REALM}, error="insufficient_scope", scope="{self.required}"'

    @property
    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": self.www_authenticate}


class ActAsNotAllowed(MissingScope):
    def __init__(self) -> None:
        super().__init__(
            "act_as", "Only a token with the scope act_as may send the header X-Account-Id."
        )


class WrongTokenKind(AppError):
    """A token of the other kind; `expected` is `user` or `bot`."""

    status = 403
    code = "wrong_token_kind"
    title = "The token is of the wrong kind"
    member_names = ("expected",)

    def __init__(self, *, expected: str) -> None:
        detail = (
            "This address is for bots: send the bot's own token (bkb_...)."
            if expected == "bot"
            else "This address is for users: send a user's token, not a bot's."
        )
        super().__init__(detail, expected=expected)


class AccountClosing(AppError):
    status = 403
    code = "account_closing"
    title = "The account is being closed"
    member_names = ("operation_id",)
    detail = (
        "The account is being closed. Until it is closed, only the closing operation can be read, "
        "at /v1/operations/{operation_id}; afterwards a newer token starts an empty account."
    )

    def __init__(self, operation_id: UUID | None = None) -> None:
        super().__init__(operation_id=operation_id)


class AccountHeaderRequired(AppError):
    status = 400
    code = "account_header_required"
    title = "The account is not named"
    detail = "A token with the scope act_as must name the account in the header X-Account-Id."


class AccountHeaderMalformed(AppError):
    status = 400
    code = "account_header_malformed"
    title = "The account is not named correctly"
    detail = (
        "Send the header X-Account-Id once, with the account's name as UTF-8: 1 to 255 characters, "
        "no control characters, no comma, no leading or trailing white space."
    )


class IssuerUnavailable(Unavailable):
    detail = (
        "Tokens cannot be verified, because the issuer's keys cannot be fetched. Try again shortly."
    )
