"""Opens what people need to sign in to the dashboard with an issuer."""

from contextlib import AsyncExitStack

from app.auth.code_flow import Client, CodeFlow
from app.auth.id_token import IdTokenVerifier
from app.auth.issuer_metadata import LONGEST_ANSWER, MetadataSource
from app.auth.remote_keys import RemoteKeys
from app.auth.verifier import TokenVerifier
from app.kit.tracing import Traces
from app.settings import PREFIX, Mode, Role, Settings, SettingsError
from botkeys.sealing.secret import Secret
from botkeys.transport.client import HttpTransport, TransportLimits
from botkeys.transport.outbound import Outbound

NEEDED = ("oidc_issuer", "dashboard_client_id", "dashboard_client_secret", "public_url")
"""The settings without which nobody could sign in to a dashboard in production."""

NEEDED_AT_RUNTIME = ("oidc_issuer", "dashboard_client_id", "public_url")
"""Those without which `runtime` could not know a session that somebody signed in to."""

_ID_TOKEN_TYPES = ("JWT",)
_LIMITS = TransportLimits(attempts=2, max_answer_bytes=LONGEST_ANSWER)


def require_dashboard_settings(settings: Settings, role: Role) -> None:
    """Raise `SettingsError` if a dashboard in production could sign nobody in, or not safely."""
    if settings.mode is not Mode.PRODUCTION or not settings.serves_dashboard:
        return
    needed = NEEDED_AT_RUNTIME if role is Role.RUNTIME else NEEDED
    missing = [PREFIX + name.upper() for name in needed if not getattr(settings, name)]
    if missing:
        raise SettingsError(
            f"BOTKEYS_DASHBOARD is true, so {', '.join(missing)} must be set: people sign in to "
            "the dashboard with your issuer (docs/deployment.md)."
        )
    if not settings.page_url.startswith("https://"):
        raise SettingsError(
            "BOTKEYS_PUBLIC_URL must begin with https:// in production: a session's cookie must "
            "not travel in plain text."
        )


def id_token_verifier(settings: Settings, keys: RemoteKeys | None) -> IdTokenVerifier | None:
    """Return the verifier of the dashboard's ID tokens; `None` without dashboard or issuer."""
    issuer, client_id = settings.oidc_issuer, settings.dashboard_client_id
    if not settings.serves_dashboard or keys is None or issuer is None or client_id is None:
        return None
    tokens = TokenVerifier(
        issuer,
        client_id,
        settings.oidc_algorithms,
        keys,
        account_claim=settings.oidc_account_claim,
        leeway=settings.oidc_leeway,
        types=_ID_TOKEN_TYPES,
        longest_life=settings.oidc_longest_token_life,
    )
    return IdTokenVerifier(tokens, client_id, settings.oidc_account_claim)


async def open_code_flow(
    settings: Settings,
    role: Role,
    id_tokens: IdTokenVerifier | None,
    outbound: Outbound,
    stack: AsyncExitStack,
    traces: Traces | None = None,
) -> CodeFlow | None:
    """Return the sign-in with the issuer; `None` if there is none, or another role's.

    It has a transport of its own: calls for strangers delay no fetch of the issuer's keys.
    """
    issuer, client_id = settings.oidc_issuer, settings.dashboard_client_id
    secret = settings.dashboard_client_secret
    if role is Role.RUNTIME or id_tokens is None:
        return None
    if issuer is None or client_id is None or secret is None:
        return None
    observe = None if traces is None else traces.call
    transport = await stack.enter_async_context(
        HttpTransport(_LIMITS, outbound=outbound, observe=observe)
    )
    client = Client(
        issuer=issuer,
        client_id=client_id,
        client_secret=Secret(secret.get_secret_value()),
        scopes=settings.dashboard_scopes,
        page_url=settings.page_url,
    )
    return CodeFlow(client, MetadataSource(transport, issuer), id_tokens, transport)
