"""The interface of an exchange adapter. A caller needs no other knowledge of an exchange."""

from collections.abc import Sequence
from typing import Protocol

from botkeys.exchanges.model import (
    ContractType,
    CredentialReport,
    Credentials,
    Endpoints,
    Environment,
    Instrument,
    Ticker,
)
from botkeys.transport.deadline import Deadline


class ExchangeAdapter(Protocol):
    """One exchange. Stateless except for its transport and clock; safe to share between tasks.

    Every method raises `ExchangeError` and nothing else.
    """

    def endpoints(
        self, environment: Environment, region: str | None, contract_type: ContractType
    ) -> Endpoints: ...

    def tells_withdrawal(self, environment: Environment, region: str | None) -> bool:
        """Return whether a check that the exchange answers finds out if a key can withdraw.

        The same for both contract types: a key's permissions do not depend on what it trades.
        """

    async def instruments(
        self, environment: Environment, region: str | None, contract_type: ContractType
    ) -> Sequence[Instrument]:
        """Return all perpetuals and dated contracts open for trading, following every page."""

    async def tickers(
        self, environment: Environment, region: str | None, contract_type: ContractType
    ) -> Sequence[Ticker]: ...

    async def check_credentials(
        self,
        credentials: Credentials,
        environment: Environment,
        region: str | None,
        contract_type: ContractType,
        deadline: Deadline | None = None,
    ) -> CredentialReport:
        """Check the credentials with signed calls before the deadline; return what they permit."""
