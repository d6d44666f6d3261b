"""Stands in for an exchange whose adapter this version does not have: it knows no host.

Keys of such an exchange are kept like all others; their verification is `unreachable` with the
reason `no_endpoint`, which is the truth, and their catalogue is unknown.
"""

from collections.abc import Sequence

from app.exchanges.errors import NoEndpoint
from app.exchanges.model import CredentialReport, Endpoints, Instrument, Ticker


class AbsentAdapter:
    """Whatever the environment, region or contract type: the answer is the same."""

    def __init__(self, exchange: str) -> None:
        self.exchange = exchange

    def endpoints(self, *_: object, **__: object) -> Endpoints:
        return Endpoints(rest=None, websocket=None)

    async def instruments(self, *_: object, **__: object) -> Sequence[Instrument]:
        raise NoEndpoint(self.exchange)

    async def tickers(self, *_: object, **__: object) -> Sequence[Ticker]:
        raise NoEndpoint(self.exchange)

    async def check_credentials(self, *_: object, **__: object) -> CredentialReport:
        raise NoEndpoint(self.exchange)
