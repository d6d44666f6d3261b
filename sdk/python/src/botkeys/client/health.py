"""Whether the exchange still accepts the credentials, and what they permit: only the bot can check.

The service holds no key that opens them. So the bot asks the exchange, through the adapters that
also check a key when it is added, and sends the result.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, final
from uuid import UUID

from botkeys.client.config_feed import ConfigFeed
from botkeys.client.credentials import ReleasedCredentials
from botkeys.client.errors import Forgotten
from botkeys.client.keyring import Keyring
from botkeys.client.models import BotConfig
from botkeys.client.timing import Pace, jittered
from botkeys.decimals import plain
from botkeys.exchanges.adapter import ExchangeAdapter
from botkeys.exchanges.errors import (
    BadPayload,
    ClockSkew,
    CredentialsRefused,
    ExchangeError,
    NoEndpoint,
    Refused,
    Unreadable,
    unclear_reason,
)
from botkeys.exchanges.hosts import HostOverrides
from botkeys.exchanges.model import (
    ContractType,
    CredentialReport,
    Credentials,
    Endpoints,
    Environment,
    PermissionAnswer,
    Permissions,
    RefusalReason,
    UnclearReason,
)
from botkeys.exchanges.registry import ADAPTERS, Exchanges
from botkeys.transport.client import HttpTransport

MOST_SYMBOLS = 3_000
MOST_GROUPS = 100

Clock = Callable[[], datetime]
CredentialCheck = Callable[
    [ReleasedCredentials, ContractType, Endpoints], Awaitable[CredentialReport]
]
"""A check at the exchange's current address. Raises ExchangeError."""


@dataclass(frozen=True, slots=True)
class CredentialHealth:
    """The exchange's answer about one version of the credentials at `checked_at`.

    With a `reason` they were rejected; `possible` are the causes that it does not distinguish. With
    `unclear` it neither accepted nor rejected them. `exchange_code` is its own code for either.
    """

    key_id: UUID
    version: int
    checked_at: datetime
    reason: RefusalReason | None = None
    possible: tuple[RefusalReason, ...] = ()
    permissions: Permissions | None = None
    expires_at: datetime | None = None
    unclear: UnclearReason | None = None
    exchange_code: str | None = None
    contract_type: ContractType | None = None
    max_leverage: Mapping[str, Decimal] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the member `credentials` of a heartbeat."""
        document: dict[str, Any] = {
            "key_id": str(self.key_id),
            "version": self.version,
            "checked_at": self.checked_at.isoformat(),
        }
        if self.exchange_code is not None:
            document["exchange_code"] = self.exchange_code
        if self.reason is not None:
            document |= {"status": "rejected", "reason": self.reason}
            if self.possible:
                document["possible"] = list(self.possible)
            return document
        if self.unclear is not None:
            return document | {"status": "unknown", "reason": self.unclear}
        document["status"] = "ok"
        if self.permissions is not None:
            expiry = None if self.expires_at is None else self.expires_at.isoformat()
            # Unknown permissions are left out: an earlier check may have found them.
            known = {
                name: answer
                for name, answer in asdict(self.permissions).items()
                if answer != PermissionAnswer.UNKNOWN
            }
            document |= {"permissions": known, "expires_at": expiry}
        if self.max_leverage and self.contract_type is not None:
            document["max_leverages"] = {
                "contract_type": self.contract_type,
                "groups": _groups(self.max_leverage),
            }
        return document


def _groups(maxima: Mapping[str, Decimal]) -> list[dict[str, Any]]:
    """Return the symbols by their maximum, as many as a heartbeat may name."""
    groups: dict[str, list[str]] = {}
    for symbol in sorted(maxima)[:MOST_SYMBOLS]:
        groups.setdefault(plain(maxima[symbol]), []).append(symbol)
    return [
        {"max_leverage": maximum, "symbols": symbols}
        for maximum, symbols in sorted(groups.items())[:MOST_GROUPS]
    ]


@final
class HealthCheck:
    """Checks soon after credentials were opened, then daily. Reports what the exchange answered."""

    def __init__(
        self,
        keyring: Keyring,
        feed: ConfigFeed,
        pace: Pace,
        *,
        check: CredentialCheck,
        clock: Clock,
        report: Callable[[CredentialHealth], None],
    ) -> None:
        self._keyring = keyring
        self._feed = feed
        self._pace = pace
        self._check = check
        self._clock = clock
        self._report_health = report

    async def run(self) -> None:
        while True:
            await self._keyring.opened.wait()
            await asyncio.sleep(jittered(self._pace.first_check))
            while (held := self._keyring.held) is not None:
                answered = await self._look(held)
                pause = jittered(self._pace.check if answered else self._pace.check_again)
                await self._wait_while_held(held, pause)

    async def _look(self, held: ReleasedCredentials) -> bool:
        """Return whether the check was conclusive. An outage or a wrong clock proves nothing."""
        config = await self._config_of(held)
        kind = None if config is None or config.key is None else config.key.contract_type
        if config is None or kind not in set(ContractType):
            return False
        try:
            report = await self._check(held, ContractType(kind), config.endpoints or held.endpoints)
        except ClockSkew:
            return False
        except CredentialsRefused as refused:
            health = CredentialHealth(
                held.key_id,
                held.version,
                self._clock(),
                reason=refused.reason,
                possible=refused.possible,
                exchange_code=refused.code,
            )
        except Unreadable:  # of somebody in between, as far as anybody can tell
            return False
        except (BadPayload, Refused) as answer:
            health = CredentialHealth(
                held.key_id,
                held.version,
                self._clock(),
                unclear=unclear_reason(answer),
                exchange_code=answer.code,
            )
        except (ExchangeError, Forgotten):
            return False
        else:
            health = CredentialHealth(
                held.key_id,
                held.version,
                self._clock(),
                permissions=report.permissions,
                expires_at=report.expires_at,
                contract_type=ContractType(kind),
                max_leverage=report.max_leverage,
            )
        if held.forgotten:
            return False
        self._report_health(health)
        return health.unclear is None

    async def _config_of(self, held: ReleasedCredentials) -> BotConfig | None:
        async for config in self._feed.changes():
            return config if config.key is not None and config.key.id == held.key_id else None
        return None

    async def _wait_while_held(self, held: ReleasedCredentials, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await held.dropped()
        except TimeoutError:
            pass


def exchange_check(http: Callable[[], HttpTransport]) -> CredentialCheck:
    """Return a check that uses the exchange's adapter."""

    async def check(
        held: ReleasedCredentials, contract_type: ContractType, endpoints: Endpoints
    ) -> CredentialReport:
        adapter, region = find_adapter(
            http(), held.exchange, held.environment, contract_type, endpoints
        )
        credentials = Credentials(held.api_key, held.api_secret, held.api_passphrase)
        return await adapter.check_credentials(credentials, held.environment, region, contract_type)

    return check


def find_adapter(
    http: HttpTransport,
    exchange: str,
    environment: Environment,
    contract_type: ContractType,
    endpoints: Endpoints,
) -> tuple[ExchangeAdapter, str | None]:
    """Return the adapter and the region to which this address belongs.

    An address that is not the exchange's own is a private sandbox or the simulator, and stands for
    all of the exchange's hosts. Raises NoEndpoint without an address, for an exchange that is
    unknown here, and for an address that would expose the credentials in transit.
    """
    if endpoints.rest is None or exchange not in ADAPTERS:
        raise NoEndpoint(exchange)
    known = Exchanges(http).adapter(exchange)
    for region in (None, *sorted(ADAPTERS[exchange].regions)):
        if known.endpoints(environment, region, contract_type).rest == endpoints.rest:
            return known, region
    hosts: HostOverrides = {
        exchange: {environment: ADAPTERS[exchange].simulated(environment, endpoints.rest)}
    }
    try:
        return Exchanges(http, hosts=hosts).adapter(exchange), None
    except ValueError:
        raise NoEndpoint(exchange) from None
