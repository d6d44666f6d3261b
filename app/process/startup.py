"""Opens everything that a process needs, and refuses to start with less or with too much."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol, TypeVar

import structlog
from pydantic import SecretStr

from app.api.pool_metrics import add_pool_metrics
from app.api.shares import Shares
from app.api.streaming import StreamLimits
from app.api.telemetry import Metrics
from app.api.write_limiter import AccountWriteLimiter
from app.auth.development_issuer import DevelopmentIssuer
from app.auth.remote_keys import RemoteKeys, is_trustworthy
from app.auth.verifier import TokenVerifier
from app.context import Context
from app.custody.errors import KeyFileMissing
from app.custody.keyfiles import KeyFolder, KeyKind
from app.custody.keyring import ReleasingKeyring, SealingKeyring
from app.custody.master_keys.holder import MasterKeyHolder
from app.custody.role_keys import ApiKeys, RuntimeKeys
from app.custody.webhook_keys import WebhookKeys
from app.custody.wrapping.wrappers import Wrappers
from app.db.engine import Database, driver_url, open_database
from app.db.replica import Replica
from app.db.tracing import trace_statements
from app.domains.accounts.status import AccountStatusCache
from app.domains.audit.refusals import RefusalLog
from app.domains.bots.config_row_loader import ConfigRowLoader
from app.domains.bots.token_repository import TokenHashLoader
from app.domains.catalogue.refresher import CatalogueRefresher, Intervals
from app.domains.events.stream import EventStreams
from app.domains.keys.pair_generation import PairGenerator
from app.domains.runtime.config.cache import ConfigCache
from app.domains.runtime.heartbeat.pace import HeartbeatPace
from app.domains.runtime.heartbeat.writer import HeartbeatWriter
from app.domains.runtime.release.at_once import ReleaseBatches
from app.domains.runtime.stream.publisher import ConfigPublisher
from app.kit.logging import configure_logging
from app.kit.service_links import service_links
from app.kit.tracing import Traces
from app.limits.policy import RequestRates
from app.limits.requests import RequestLimits
from app.limits.shared import SharedStore
from app.process.closure_watch import watched_closures
from app.process.dashboard import id_token_verifier, open_code_flow, require_dashboard_settings
from app.process.outbound import outbound_of
from app.process.tracing import name_exchanges, open_traces
from app.settings import PREFIX, Mode, Role, Settings, SettingsError, secret_files
from botkeys.exchanges.hosts import HostOverrides, layered
from botkeys.exchanges.registry import Exchanges, simulated_hosts
from botkeys.transport.client import HttpTransport

if TYPE_CHECKING:
    from app.kit.span_recorder import SpanRecorder

KEY_CHECKS_AT_ONCE = 4
"""Checks of one account's keys that call exchanges at the same time; half of what a host is sent at
once.
"""

log = structlog.get_logger("botkeys.start")


def start_logging(level: str) -> None:
    """Configure logging, and log which variables are ignored as Kubernetes' service links."""
    configure_logging(level)
    links = service_links(os.environ, PREFIX)
    if links:
        log.info(
            "service_links_ignored",
            variables=links,
            detail="Kubernetes sets these for the services of the namespace; they are no settings. "
            "enableServiceLinks: false in the pod's specification leaves them out.",
        )


def open_settings_database(
    settings: Settings,
    application_name: str,
    traces: Traces | None = None,
    *,
    same_plans: bool = False,
) -> Database:
    """Open the pool for requests; raise `SettingsError` if no database is configured."""
    url, direct = settings.require_database(), settings.direct_database_url
    pooler = direct is not None and direct.get_secret_value() != url.get_secret_value()
    return _open_pool(settings, url, application_name, traces, pooler=pooler, same_plans=same_plans)


def _open_pool(
    settings: Settings,
    url: SecretStr,
    application_name: str,
    traces: Traces | None,
    *,
    pooler: bool = False,
    same_plans: bool = False,
) -> Database:
    database = open_database(
        url.get_secret_value(),
        application_name=application_name,
        pool_size=settings.database_pool_size,
        pool_overflow=settings.database_pool_overflow,
        pool_timeout=settings.database_pool_timeout,
        statement_timeout=settings.database_statement_timeout,
        pooler=pooler,
        same_plans=same_plans,
    )
    if traces is not None:
        trace_statements(database.engine, traces)
    return database


def _replica(
    settings: Settings,
    role: Role,
    database: Database,
    metrics: Metrics,
    stack: AsyncExitStack,
    traces: Traces | None,
) -> Replica | None:
    """Open the pool of the standby that answers what users count, if there is one."""
    url = settings.replica_database_url
    if url is None or role is Role.RUNTIME:
        return None
    standby = _open_pool(settings, url, f"botkeys-{role}", traces)
    stack.push_async_callback(standby.close)
    return Replica(database, standby, lambda server: metrics.dear_reads.labels(server).inc())


def prepare_key_folder(settings: Settings, role: Role) -> KeyFolder:
    """Return the folder with this role's keys.

    Only development creates missing keys. In production a process does not start if keys are
    missing, or if it could read keys that its role must not hold.
    """
    folder = KeyFolder(settings.keys_folder, Wrappers(settings).unwrap)
    kinds = {KeyKind.MASTER, KeyKind.AUDIT_HMAC}
    if role in {Role.ALL, Role.API}:
        kinds |= {KeyKind.FINGERPRINT_HMAC, KeyKind.WEBHOOK}
    if role in {Role.ALL, Role.RUNTIME}:
        kinds.add(KeyKind.TOKEN_HMAC)
    if settings.mode is Mode.DEVELOPMENT and role is Role.ALL:
        folder.create_missing(kinds)
    violations = folder.role_violations(
        role.value,
        development=settings.mode is Mode.DEVELOPMENT,
        others=secret_files(os.environ),
    )
    if violations:
        raise SettingsError(
            f"A process with the role {role} must not be able to read {', '.join(violations)} in "
            f"{folder.path}. Give it its own folder (docs/deployment.md)."
        )
    return folder


def require_trustworthy_issuer(settings: Settings) -> None:
    """Raise `SettingsError` unless the issuer's keys are fetched from where nobody can alter them.

    An issuer whose keys have an address of their own is a name alone.
    """
    if settings.oidc_issuer is not None and not settings.oidc_issuer.strip():
        raise SettingsError("BOTKEYS_OIDC_ISSUER is empty. Set it to the `iss` of users' tokens.")
    variable, address = "BOTKEYS_OIDC_ISSUER", settings.oidc_issuer
    if settings.oidc_jwks_url is not None:
        variable, address = "BOTKEYS_OIDC_JWKS_URL", settings.oidc_jwks_url
    if address is not None and not is_trustworthy(address):
        raise SettingsError(
            f"{variable} must be an address like https://issuer.example, without login and "
            "fragment, or http:// on this machine: anybody in between could put keys of their own "
            "in the place of the issuer's."
        )


def _issuer_keys(
    settings: Settings, transport: HttpTransport, stack: AsyncExitStack
) -> RemoteKeys | None:
    if settings.oidc_issuer is None:
        return None
    require_trustworthy_issuer(settings)
    keys = RemoteKeys(transport, issuer=settings.oidc_issuer, jwks_url=settings.oidc_jwks_url)
    stack.push_async_callback(keys.close)
    return keys


def _verifier(settings: Settings, keys: RemoteKeys | None) -> TokenVerifier:
    if settings.oidc_issuer is not None and keys is not None:
        return TokenVerifier(
            settings.oidc_issuer,
            settings.oidc_audience,
            settings.oidc_algorithms,
            keys,
            account_claim=settings.oidc_account_claim,
            leeway=settings.oidc_leeway,
            types=settings.oidc_token_types,
            longest_life=settings.oidc_longest_token_life,
        )
    if settings.mode is Mode.PRODUCTION:
        raise SettingsError(
            "BOTKEYS_OIDC_ISSUER is not set, but production mode has no issuer of its own."
        )
    issuer = DevelopmentIssuer(settings.keys_folder)
    return TokenVerifier(issuer.issuer, issuer.audience, issuer.algorithms, issuer.keys)


def intervals(settings: Settings) -> Intervals:
    return Intervals(
        prices=timedelta(seconds=settings.prices_interval),
        instruments=timedelta(seconds=settings.instruments_interval),
    )


def stream_limits(settings: Settings) -> StreamLimits:
    return StreamLimits(
        reread=settings.stream_reread,
        lifetime=settings.stream_lifetime,
        keep_alive=settings.stream_keep_alive,
        maximum=settings.streams_per_process,
        of_account=settings.streams_per_account,
    )


def _request_limits(
    settings: Settings, metrics: Metrics, store: SharedStore | None
) -> RequestLimits:
    rates = RequestRates(
        of_account=settings.requests_per_account,
        of_bot=settings.requests_per_bot,
        of_unproven_address=settings.unproven_requests_per_address,
        burst=settings.request_burst,
    )
    return RequestLimits(
        rates,
        key_checks_per_minute=settings.key_checks_per_minute,
        store=store,
        count=lambda limit: metrics.rate_limited.labels(limit).inc(),
    )


async def _shared_store(settings: Settings, stack: AsyncExitStack) -> SharedStore | None:
    if settings.limits_url is None:
        return None
    store = SharedStore(settings.limits_url.get_secret_value(), settings.ca_file)
    stack.push_async_callback(store.close)
    await store.open()
    return store


def _metrics(
    database: Database, config_publisher: ConfigPublisher, event_streams: EventStreams
) -> Metrics:
    metrics = Metrics()
    add_pool_metrics(metrics.registry, database.engine)
    metrics.streams.set_function(lambda: config_publisher.count)
    metrics.event_streams.set_function(lambda: event_streams.quota.count)
    return metrics


async def _exchange_hosts(settings: Settings, stack: AsyncExitStack) -> HostOverrides:
    """Return the hosts that replace the built-in ones: all of them if exchanges are simulated."""
    if not settings.simulated:
        return settings.exchange_hosts
    # Imported here: production never loads the simulator.
    from app.simulator import Simulator  # noqa: PLC0415

    registered = settings.simulated_keys_file
    simulator = await stack.enter_async_context(Simulator(registered=registered))
    return layered(simulated_hosts(simulator.hosts), settings.exchange_hosts)


@asynccontextmanager
async def open_exchanges(
    settings: Settings,
    transport: HttpTransport,
    hosts: HostOverrides | None = None,
    traces: "SpanRecorder | None" = None,
) -> AsyncIterator[Exchanges]:
    """Open the adapters of all exchanges, with the given hosts or our own simulator's."""
    async with AsyncExitStack() as stack:
        if hosts is None:
            hosts = await _exchange_hosts(settings, stack)
        try:
            exchanges = Exchanges(transport, hosts=hosts, check_seconds=settings.key_check_timeout)
        except ValueError as error:
            raise SettingsError(f"BOTKEYS_EXCHANGE_HOSTS: {error}") from None
        name_exchanges(traces, exchanges)
        yield exchanges


def webhook_keys(folder: KeyFolder) -> WebhookKeys | None:
    """Return the key of webhooks; `None` in an installation from before there were any."""
    try:
        return WebhookKeys(folder.read_secret(KeyKind.WEBHOOK))
    except KeyFileMissing:
        return None


def _keys_of(folder: KeyFolder, role: Role) -> tuple[ApiKeys | None, RuntimeKeys | None]:
    api = runtime = None
    if role in {Role.ALL, Role.API}:
        fingerprint = folder.read_secret(KeyKind.FINGERPRINT_HMAC)
        api = ApiKeys(SealingKeyring(folder), fingerprint, webhook_keys(folder))
    if role in {Role.ALL, Role.RUNTIME}:
        runtime = RuntimeKeys(ReleasingKeyring(folder), folder.read_secret(KeyKind.TOKEN_HMAC))
    return api, runtime


class _Closing(Protocol):
    async def close(self) -> None: ...


_Closes = TypeVar("_Closes", bound=_Closing)


def _closed_with(stack: AsyncExitStack, resource: _Closes) -> _Closes:
    """Close the resource with the stack, and return it."""
    stack.push_async_callback(resource.close)
    return resource


@asynccontextmanager
async def open_context(
    settings: Settings,
    role: Role,
    *,
    database: Database | None = None,
    hosts: HostOverrides | None = None,
) -> AsyncIterator[Context]:
    """Open everything, and close it at the end; `database` and `hosts` override the settings.

    Raises `SettingsError`, and `SealingError` for unusable keys.
    """
    require_dashboard_settings(settings, role)
    folder = prepare_key_folder(settings, role)
    api, runtime = _keys_of(folder, role)
    audit = folder.read_secret(KeyKind.AUDIT_HMAC)
    if role is Role.ALL:
        log.warning(
            "role_all",
            detail="One process holds both the keys that seal and the keys that open. In "
            "production, run the roles api and runtime as separate processes.",
        )
    async with AsyncExitStack() as stack:
        outbound = outbound_of(settings)
        traces = await stack.enter_async_context(open_traces(settings, f"botkeys-{role}"))
        transport = await stack.enter_async_context(
            HttpTransport(outbound=outbound, observe=None if traces is None else traces.call)
        )
        issuer_keys = _issuer_keys(settings, transport, stack)
        verifier = _verifier(settings, issuer_keys)
        id_tokens = id_token_verifier(settings, issuer_keys)
        exchanges = await stack.enter_async_context(
            open_exchanges(settings, transport, hosts, traces)
        )
        direct = settings.direct_database_url if database is None else None
        owned = database is None
        if database is None:
            # What bots ask for is found by keys alone, whatever their values are.
            database = open_settings_database(
                settings, f"botkeys-{role}", traces, same_plans=role is Role.RUNTIME
            )
            stack.push_async_callback(database.close)
        if runtime is not None:
            holder = MasterKeyHolder(database, runtime.releasing)
            stack.push_async_callback(holder.close)
            await holder.start()
            if owned:
                holder.keep_announcing()
        catalogues = CatalogueRefresher(database, exchanges, intervals(settings))
        stack.push_async_callback(catalogues.close)
        config_cache = ConfigCache(exchanges, refuse_withdrawal=settings.refuse_withdrawal)
        listening_url = (
            database.engine.url if direct is None else driver_url(direct.get_secret_value())
        )
        config_publisher = ConfigPublisher(
            database.autocommit,
            config_cache,
            stream_limits(settings),
            listening_url,
        )
        stack.push_async_callback(config_publisher.close)
        account_statuses = AccountStatusCache(database.autocommit)
        if owned:
            await stack.enter_async_context(watched_closures(account_statuses, listening_url))
        event_streams = EventStreams(database.autocommit)
        stack.push_async_callback(event_streams.close)
        metrics = _metrics(database, config_publisher, event_streams)
        lease = timedelta(seconds=settings.heartbeat_lease)
        pace = HeartbeatPace(settings.heartbeats_per_second, lease)
        heartbeat_writer = HeartbeatWriter(database, metrics, pace)
        stack.push_async_callback(heartbeat_writer.close)
        store = await _shared_store(settings, stack)
        loader = _closed_with(stack, ConfigRowLoader(database.autocommit))
        batches = _closed_with(stack, ReleaseBatches(database.autocommit))
        pairs = PairGenerator()
        stack.callback(pairs.close)
        refusals = RefusalLog(database.sessions, audit)
        stack.push_async_callback(refusals.close)
        yield Context(
            settings=settings,
            role=role,
            database=database,
            replica=_replica(settings, role, database, metrics, stack, traces),
            verifier=verifier,
            exchanges=exchanges,
            audit=audit,
            metrics=metrics,
            limits=_request_limits(settings, metrics, store),
            catalogues=catalogues,
            config_publisher=config_publisher,
            heartbeat_writer=heartbeat_writer,
            config_rows=loader,
            token_hashes=_closed_with(stack, TokenHashLoader(database.autocommit)),
            release_batches=batches,
            config_cache=config_cache,
            account_statuses=account_statuses,
            refusals=refusals,
            write_limiter=AccountWriteLimiter(max(1, settings.database_pool_size // 2)),
            key_checks=AccountWriteLimiter(KEY_CHECKS_AT_ONCE),
            shares=Shares.of_pool(settings.database_pool_size, settings.database_dear_timeout),
            pairs=pairs,
            code_flow=await open_code_flow(settings, role, id_tokens, outbound, stack, traces),
            traces=traces,
            id_tokens=id_tokens,
            event_streams=event_streams,
            api=api,
            runtime=runtime,
        )
