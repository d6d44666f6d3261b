"""Everything that a process holds open, created once at start and passed to what needs it."""

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from app.api.shares import Share, Shares
from app.api.telemetry import Metrics
from app.api.write_limiter import AccountWriteLimiter
from app.auth.code_flow import CodeFlow
from app.auth.id_token import IdTokenVerifier
from app.auth.verifier import TokenVerifier
from app.custody.role_keys import ApiKeys, RuntimeKeys
from app.db.engine import Database
from app.db.replica import Replica
from app.domains.accounts.status import AccountStatusCache
from app.domains.audit.refusals import RefusalLog
from app.domains.bots.config_row_loader import ConfigRowLoader
from app.domains.bots.token_repository import TokenHashLoader
from app.domains.catalogue.refresher import CatalogueRefresher
from app.domains.events.refusals import RefusalWindow
from app.domains.events.stream import EventStreams
from app.domains.history.exports import ExportQuota
from app.domains.imports.quota import ImportQuota
from app.domains.keys.pair_generation import PairGenerator
from app.domains.operations.progress_stream import OperationStreamQuota
from app.domains.runtime.config.cache import ConfigCache
from app.domains.runtime.heartbeat.writer import HeartbeatWriter
from app.domains.runtime.release.at_once import ReleaseBatches
from app.domains.runtime.stream.publisher import ConfigPublisher
from app.kit.tracing import Traces
from app.limits.requests import RequestLimits
from app.settings import Role, Settings
from botkeys.exchanges.registry import Exchanges
from botkeys.sealing.boxes import SecretBytes


@dataclass(frozen=True, slots=True)
class Context:
    """The open resources of a process. `api` and `runtime` are `None` without that role.

    `code_flow` and `id_tokens` are `None` unless people sign in to the dashboard with an issuer.
    """

    settings: Settings
    role: Role
    database: Database
    verifier: TokenVerifier
    exchanges: Exchanges
    audit: SecretBytes
    metrics: Metrics
    limits: RequestLimits
    catalogues: CatalogueRefresher
    config_publisher: ConfigPublisher
    heartbeat_writer: HeartbeatWriter
    config_rows: ConfigRowLoader
    token_hashes: TokenHashLoader
    release_batches: ReleaseBatches
    config_cache: ConfigCache
    account_statuses: AccountStatusCache
    refusals: RefusalLog
    write_limiter: AccountWriteLimiter
    key_checks: AccountWriteLimiter
    shares: Shares
    pairs: PairGenerator
    event_streams: EventStreams
    exports: ExportQuota = field(default_factory=ExportQuota)
    imports: ImportQuota = field(default_factory=ImportQuota)
    opening_refusals: RefusalWindow = field(default_factory=RefusalWindow)
    release_turns: Share = field(default_factory=lambda: Share(1))
    operations: OperationStreamQuota = field(default_factory=OperationStreamQuota)
    code_flow: CodeFlow | None = None
    id_tokens: IdTokenVerifier | None = None
    api: ApiKeys | None = None
    runtime: RuntimeKeys | None = None
    traces: Traces | None = None
    replica: Replica | None = None


async def context_of(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


CurrentContext = Annotated[Context, Depends(context_of)]
"""For `deps.py` only: services receive the parts that they need."""
