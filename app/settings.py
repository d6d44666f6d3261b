"""Every setting of the service, read from `BOTKEYS_*` environment variables and nowhere else."""

import difflib
import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as UnreadableSetting
from pydantic_settings.sources import EnvSettingsSource, PydanticBaseSettingsSource

from app.kit.addresses import networks
from app.kit.origins import origin_fault, origins
from app.kit.outbound_guard import Allowed
from app.kit.secret_files import SecretFileUnusable, read_secret_file
from app.kit.service_links import is_service_link, service_links, without
from botkeys.addresses import is_loopback
from botkeys.exchanges.hosts import beyond_this_machine
from botkeys.transport.outbound import no_proxy_fault, proxy_fault
from botkeys.variables import VARIABLES

PREFIX = "BOTKEYS_"


class Mode(StrEnum):
    DEVELOPMENT = "development"
    PRODUCTION = "production"


class Role(StrEnum):
    """The routes that a process serves, and so the keys that it may hold."""

    ALL = "all"
    API = "api"
    RUNTIME = "runtime"


class Work(StrEnum):
    """The tasks that a worker runs, and so the rights that its login needs."""

    ALL = "all"
    CATALOGUE = "catalogue"
    PURGE = "purge"
    WEBHOOKS = "webhooks"


class SettingsError(Exception):
    """The configuration is invalid; the message names variable and reason, never the value."""


def _words(value: Any) -> Any:
    """Split a list written as words with commas or spaces between them."""
    if isinstance(value, str):
        return tuple(value.replace(",", " ").split())
    return value


def _postgresql(url: SecretStr | None) -> SecretStr | None:
    if url is not None and not url.get_secret_value().startswith(("postgresql://", "postgres://")):
        raise ValueError("must be a postgresql:// URL")
    return url


def _shared_store(url: SecretStr | None) -> SecretStr | None:
    if url is not None and not url.get_secret_value().startswith(SHARED_STORE_SCHEMES):
        raise ValueError(f"must be a URL that starts with {', '.join(SHARED_STORE_SCHEMES)}")
    return url


def _host(host: str) -> str:
    if not host or not host.isascii() or not host.isprintable() or " " in host:
        raise ValueError("must be an address or the name of a host, such as 127.0.0.1 or 0.0.0.0")
    return host


def _not_empty(path: Any) -> Any:
    """Refuse an empty path, which would be the folder that a command happens to run in."""
    if path == "":
        raise ValueError("is empty. Name a path, or unset it")
    return path


def _exceptions(words: tuple[str, ...]) -> tuple[str, ...]:
    Allowed.of(words)
    return words


def _proxy(url: SecretStr | None) -> SecretStr | None:
    if url is not None and (fault := proxy_fault(url.get_secret_value())):
        raise ValueError(fault)
    return url


def _direct_hosts(words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        if fault := no_proxy_fault(word):
            raise ValueError(fault)
    return words


def _vault_address(address: str | None) -> str | None:
    if address is None:
        return None
    parts = urlsplit(address)
    local = parts.scheme == "http" and is_loopback(parts.hostname or "")
    if not (parts.hostname and (parts.scheme == "https" or local)):
        raise ValueError("must be an https:// address, or http:// of this machine")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("must be an address alone: no user, query or fragment")
    return address


VaultAddress = Annotated[str | None, AfterValidator(_vault_address)]
SHARED_STORE_SCHEMES = ("redis://", "rediss://", "unix://")
SharedStoreUrl = Annotated[SecretStr | None, AfterValidator(_shared_store)]
FilePath = Annotated[Path, BeforeValidator(_not_empty)]
Host = Annotated[str, AfterValidator(_host)]
DatabaseUrl = Annotated[SecretStr | None, AfterValidator(_postgresql)]
ProxyUrl = Annotated[SecretStr | None, AfterValidator(_proxy)]
Words = Annotated[tuple[str, ...], NoDecode]
Origins = Annotated[tuple[str, ...], NoDecode, AfterValidator(origins)]
DirectHosts = Annotated[tuple[str, ...], NoDecode, AfterValidator(_direct_hosts)]
Networks = Annotated[tuple[str, ...], NoDecode, AfterValidator(networks)]
Exceptions = Annotated[tuple[str, ...], NoDecode, AfterValidator(_exceptions)]

LISTS = (
    "oidc_algorithms",
    "oidc_token_types",
    "dashboard_scopes",
    "cors_origins",
    "outbound_addresses",
    "no_proxy",
    "webhook_allow",
    "trusted_proxies",
)
"""The settings that are lists of words."""

_ASYMMETRIC = {
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
}


class Settings(BaseSettings):
    """The settings with their defaults. Each is set by the variable `BOTKEYS_<NAME>`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        allow_inf_nan=False,
    )

    mode: Mode = Field(
        Mode.PRODUCTION,
        description="`development` has its own token issuer, simulated exchanges and an embedded "
        "database; `production` has none of these and refuses to start without its keys.",
    )
    host: Host = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on.")
    connections: int = Field(
        65_536,
        ge=16,
        description="Connections that one process holds open; further ones get 503. The process "
        "keeps this below its limit of open files, with a reserve for database and exchanges.",
    )
    connections_per_address: int = Field(
        2_000,
        ge=1,
        description="Connections from one address (with IPv6 from one /64 network), at most half "
        "of all; further ones get 429. Connections from trusted proxies are not counted.",
    )
    request_head_timeout: float = Field(
        10, gt=0, description="Seconds in which the head of a request must arrive."
    )
    request_body_timeout: float = Field(
        30, gt=0, description="Seconds that may pass between two pieces of a request's body."
    )
    keep_alive_timeout: float = Field(
        5,
        gt=0,
        description="Seconds that a connection stays open for another request. Behind a proxy, "
        "longer than the proxy keeps an idle connection.",
    )
    operations_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="Port for operators: `/metrics`, `/readyz`, `/docs` and `/openapi.json` are "
        "served there and no longer on `BOTKEYS_PORT`; `/livez` is on both. A worker serves "
        "`/livez`, `/readyz` and `/metrics` there, and nothing without it.",
    )
    operations_host: Host = Field(
        "127.0.0.1", description="Address to listen on with `BOTKEYS_OPERATIONS_PORT`."
    )
    data_dir: FilePath = Field(
        Path(".botkeys"), description="Folder for the embedded database and the development keys."
    )
    keys_dir: FilePath | None = Field(
        None,
        description="Folder with this process's key files; defaults to `keys` in the data folder.",
    )

    unwrap_command: str | None = Field(
        None,
        description="Program that unwraps master keys of the kind `command`: a JSON list of "
        "arguments or words, run without a shell. It reads the wrapped bytes and writes the 32 "
        "bytes of the seed, within 10 s.",
    )
    wrap_command: str | None = Field(
        None,
        description="Its counterpart for `botkeys master-key wrap --with command`: it reads the "
        "seed and writes the wrapped bytes.",
    )
    vault_addr: VaultAddress = Field(
        None,
        description="Address of the OpenBao or Vault that unwraps master keys of the kind "
        "`vault-transit`: https, trusted by `BOTKEYS_CA_FILE` too, or this machine. It is called "
        "directly, not by a proxy.",
    )
    vault_namespace: str | None = Field(None, description="Namespace there, if there are any.")
    vault_token: SecretStr | None = Field(None, description="Token for it.")
    vault_role: str | None = Field(
        None, description="Instead of a token: role of its Kubernetes authentication."
    )
    vault_jwt_path: Path = Field(
        Path("/var/run/secrets/kubernetes.io/serviceaccount/token"),
        description="File with the service account's token for `BOTKEYS_VAULT_ROLE`.",
    )
    vault_role_id: str | None = Field(
        None, description="Instead of a token: role id of its AppRole authentication."
    )
    vault_secret_id: SecretStr | None = Field(
        None, description="Secret id that belongs to `BOTKEYS_VAULT_ROLE_ID`."
    )
    vault_auth_mount: str | None = Field(
        None,
        description="Path of that authentication method; by default `kubernetes` or `approle`.",
    )

    database_url: DatabaseUrl = Field(
        None,
        description="PostgreSQL 15 or later, for requests; may go through a transaction pooler. In "
        "development processes default to the embedded server; commands that need a database need "
        "its address.",
    )
    direct_database_url: DatabaseUrl = Field(
        None,
        description="The same database without a pooler, for migrations and change notifications; "
        "defaults to `BOTKEYS_DATABASE_URL`.",
    )
    replica_database_url: DatabaseUrl = Field(
        None,
        description="A standby of the database, for analytics, totals and counts of users. It is "
        "read when it has applied all that was committed before the request, and the primary is "
        "read otherwise. Not for a database that Citus distributes.",
    )
    database_tls: Literal["verify-full", "any"] = Field(
        "verify-full",
        description="`verify-full`: in production, a database address over TCP must have "
        "`sslmode=verify-full`, so that nobody in between can pose as the server. `any` accepts "
        "the address as it is, for a network or a local pooler that is trusted.",
    )
    database_pool_size: int = Field(
        20,
        ge=1,
        le=500,
        description="Connections that one process opens on demand and keeps open. One account uses "
        "at most half of them for writes, half for its bots, a quarter for reads and a tenth for "
        "counts and analytics; what exceeds a share waits.",
    )
    database_pool_overflow: int = Field(
        0,
        ge=0,
        le=500,
        description="Additional connections under load. Each is closed after use, and opening one "
        "takes longer than most requests.",
    )
    database_pool_timeout: float = Field(
        5,
        gt=0,
        description="Seconds that a request waits for a connection before it fails with 503.",
    )
    database_statement_timeout: float = Field(
        10,
        gt=0,
        description="Seconds after which PostgreSQL cancels a statement; the request then fails "
        "with 503.",
    )

    database_dear_timeout: float = Field(
        8,
        gt=0,
        description="Seconds that a request for counts or analytics may take in all; it then fails "
        "with 503.",
    )

    oidc_issuer: str | None = Field(
        None, description="Issuer of users' tokens, exactly as in their `iss` claim."
    )
    oidc_audience: str = Field("botkeys", description="Audience that tokens must name.")
    oidc_jwks_url: str | None = Field(
        None, description="URL of the issuer's keys (JWKS); by default discovered from the issuer."
    )
    oidc_algorithms: Words = Field(
        ("RS256", "ES256", "EdDSA"), description="Accepted signature algorithms, all asymmetric."
    )
    oidc_account_claim: str = Field("sub", description="Claim that names the account.")
    oidc_token_types: Words = Field(
        ("JWT", "at+jwt"),
        min_length=1,
        description="Accepted values of tokens' header `typ`; `JWT` also stands for a token "
        "without it. Set `at+jwt` alone if the issuer marks access tokens by RFC 9068, so that its "
        "ID tokens are refused.",
    )
    oidc_longest_token_life: int = Field(
        86_400,
        ge=60,
        description="Longest accepted life of a token in seconds: from `iat`, or from now without "
        "it, to `exp`.",
    )
    oidc_leeway: int = Field(
        30, ge=0, le=300, description="Seconds that the issuer's clock may be off."
    )

    dashboard: bool | None = Field(
        None,
        description="Whether the role api serves the dashboard at `/` and the sign-in at `/auth/`; "
        "`true` by default in development, `false` in production. Set it alike for the roles api "
        "and runtime.",
    )
    public_url: str | None = Field(
        None,
        description="Where browsers reach the dashboard: scheme, host and port, as in "
        "`https://botkeys.example.com`. Production needs https; development defaults to this "
        "machine and `BOTKEYS_PORT`.",
    )
    dashboard_client_id: str | None = Field(
        None,
        description="The dashboard's client id at the issuer, which must allow the redirect URI "
        "`<BOTKEYS_PUBLIC_URL>/auth/callback`.",
    )
    dashboard_client_secret: SecretStr | None = Field(
        None, description="The dashboard's client secret at the issuer."
    )
    dashboard_scopes: Words = Field(
        ("openid",),
        description="Scopes that the sign-in asks the issuer for; `openid` is always among them. "
        "More are needed where `BOTKEYS_OIDC_ACCOUNT_CLAIM` is not in every ID token.",
    )
    dashboard_session_lifetime: int = Field(
        86_400,
        ge=60,
        le=2_592_000,
        description="Seconds after a sign-in that its session ends, however much it is used.",
    )
    dashboard_session_idle: int = Field(
        14_400,
        ge=60,
        le=2_592_000,
        description="Seconds without a request after which a session ends. A page with a live "
        "stream makes one at least every `BOTKEYS_STREAM_LIFETIME`.",
    )

    exchanges: Literal["simulated", "real"] | None = Field(
        None,
        description="`simulated` calls only the built-in simulator; it is the default in "
        "development and not available in production. `real` is the default in production.",
    )
    exchange_hosts: dict[str, dict[str, dict[str, str | None]]] = Field(
        default_factory=dict,
        description="Hosts that replace the built-in or simulated ones, as JSON: "
        '`{"binance": {"testnet": {"rest_linear": "https://…"}}}`; see docs/exchanges.md. While '
        "exchanges are simulated, loopback addresses only.",
    )
    outbound_addresses: Networks = Field(
        (),
        description="Addresses and networks (CIDR) from which this service calls exchanges, so "
        "that users can restrict their keys to them; shown by `GET /v1/exchanges`.",
    )
    ca_file: FilePath | None = Field(
        None,
        description="PEM file with certificates of private authorities that issuer, exchanges, "
        "webhooks, `rediss://` and Vault are trusted by, besides the public ones. Read once, at "
        "the start.",
    )
    https_proxy: ProxyUrl = Field(
        None,
        description="`http://` or `https://` proxy, through which https calls of issuer and "
        "exchanges go by CONNECT; may hold a name and a password. Loopback addresses are called "
        "directly. The variables `HTTPS_PROXY` and `NO_PROXY` are not read.",
    )
    no_proxy: DirectHosts = Field(
        (),
        description="Hosts that are called without `BOTKEYS_HTTPS_PROXY`: names, each with all "
        "names below it, addresses and networks (CIDR), without ports.",
    )
    key_check_timeout: float = Field(
        5,
        gt=0,
        le=30,
        description="Total seconds for checking a key with its exchange; up to 10 more if many "
        "checks are queued for that exchange.",
    )
    key_checks_per_minute: int = Field(
        300, ge=1, description="Key checks that one account may trigger per minute."
    )
    prices_interval: float = Field(
        60, ge=1, description="Seconds between fetches of an exchange's prices."
    )
    instruments_interval: float = Field(
        3600, ge=1, description="Seconds between fetches of an exchange's instruments."
    )
    withdrawal_policy: Literal["reject", "warn"] = Field(
        "reject",
        description="What happens to a key that is known to have withdrawal permission. `reject`: "
        "it is not stored, and one found out later opens no new positions; nor does one that was "
        "added without asking an exchange that would have answered. `warn`: it is shown and "
        "raises an event. Set it alike for the roles api and runtime.",
    )
    webhook_allow: Exceptions = Field(
        (),
        description="Host names, addresses and networks (CIDR) that webhooks may lead to although "
        "they are not of the public Internet, and plain http to them, such as "
        "`localhost,127.0.0.0/8` to try them out. Set it alike for the role api and the worker "
        "that sends.",
    )
    releases_per_hour: int = Field(
        12, ge=1, description="Number of times that one bot may fetch its credentials per hour."
    )
    heartbeat_lease: float = Field(
        30,
        gt=0,
        description="Seconds that a bot counts as online after a heartbeat, if it was asked for "
        "one every 10 seconds; in proportion longer if it was asked for fewer. Below 30, bots are "
        "asked for one in a third of it instead, in whole seconds and one at least: so set 3 or "
        "more. The libraries for bots send none sooner than their own pace, 10 seconds by default.",
    )
    heartbeats_per_second: float = Field(
        150,
        gt=0,
        description="Heartbeats that one process asks for, about: while it has more bots than can "
        "each send one in 10 seconds, it asks them to send fewer, down to one in 60 seconds. "
        "With a BOTKEYS_HEARTBEAT_LEASE below 30, it begins at a third of that.",
    )
    stream_reread: float = Field(
        5,
        gt=0,
        description="Seconds between looks for changes whose notification was lost, and between "
        "rereads of the configurations of all bots with a stream, which may have new prices. With "
        "more than 250 streams rereads take longer: a process rereads 50 bots a second.",
    )
    stream_keep_alive: float = Field(
        20, gt=0, description="Seconds without an event after which a stream sends a comment."
    )
    stream_lifetime: float = Field(
        3600, gt=0, description="Seconds after which a stream ends, plus or minus 10 %."
    )
    streams_per_process: int = Field(
        10_000, ge=1, description="Streams that one process holds open; further ones get 503."
    )

    purge_batch: int = Field(
        100_000,
        ge=1,
        description="Rows of deleted data that the worker removes in one transaction.",
    )
    operation_claim: float = Field(
        30,
        gt=0,
        description="Seconds after which another worker takes over an operation whose worker died.",
    )

    requests_per_account: float = Field(
        100,
        gt=0,
        le=1_000_000,
        description="Requests per second of one account's users, and of services that act for it; "
        "further ones get 429.",
    )
    requests_per_bot: float = Field(
        20, gt=0, le=1_000_000, description="Requests per second of one bot."
    )
    unproven_requests_per_address: float = Field(
        20,
        gt=0,
        le=1_000_000,
        description="Requests per second without a valid token from one IPv4 address or IPv6 /64.",
    )
    request_burst: float = Field(
        5, ge=1, le=60, description="Seconds' worth of requests that may come at once."
    )
    keys_per_account: int = Field(1000, ge=1, description="Keys that one account may have.")
    bots_per_account: int = Field(1000, ge=1, description="Bots that one account may have.")
    assets_per_key: int = Field(500, ge=1, description="Trading assets that one key may have.")
    webhooks_per_account: int = Field(20, ge=1, description="Webhooks that one account may have.")
    streams_per_account: int = Field(
        2000, ge=1, description="Bots' streams that one process holds open for one account."
    )
    rows_per_bot_and_day: int = Field(
        500_000,
        ge=1,
        description="Trades, equity snapshots, signals and events together that one bot may store "
        "on a UTC day; further batches get 429.",
    )
    imported_rows_per_day: int = Field(
        5_000_000,
        ge=1,
        description="Trades that one account may import on a UTC day, counted when an import "
        "begins; further imports get 429.",
    )
    limits_url: SharedStoreUrl = Field(
        None,
        description="Valkey or Redis through which all processes share these limits: `redis://`, "
        "`rediss://` or `unix://`. Without it, or while it does not answer, each process limits "
        "by itself. Needs `botkeys-server[limits]`.",
    )

    body_limit: int = Field(
        4 * 1024 * 1024,
        ge=1024,
        description="Largest accepted batch of a bot, in bytes. Other bodies may have 64 KiB.",
    )
    cors_origins: Origins = Field(
        (),
        description="Origins of pages that may call the API from a browser (CORS), such as "
        "`https://dashboard.example`: scheme, host and port alone. In development, where none is "
        "set, those of this machine may, on any port.",
    )
    trusted_proxies: Words = Field(
        (), description="Addresses of proxies whose X-Forwarded-For header is trusted."
    )
    traces: bool = Field(
        False,
        description="Whether requests, statements, calls of issuer and exchanges and the worker's "
        "turns are sent as OpenTelemetry traces. The variables `OTEL_…` say where to. Needs "
        "`botkeys-server[otel]`.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Lowest level that is logged."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del settings_cls, dotenv_settings, file_secret_settings
        if isinstance(env_settings, EnvSettingsSource):
            links = service_links(os.environ, PREFIX)
            env_settings.env_vars = without(env_settings.env_vars, links)
        return init_settings, env_settings

    @model_validator(mode="before")
    @classmethod
    def _split_words(cls, values: Any) -> Any:
        if isinstance(values, dict):
            for name in LISTS:
                if name in values:
                    values[name] = _words(values[name])
        return values

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        symmetric = [name for name in self.oidc_algorithms if name not in _ASYMMETRIC]
        if symmetric or not self.oidc_algorithms:
            raise ValueError(
                f"BOTKEYS_OIDC_ALGORITHMS may contain only {', '.join(sorted(_ASYMMETRIC))}"
            )
        if self.public_url is not None and (fault := origin_fault(self.public_url)):
            raise ValueError(f"BOTKEYS_PUBLIC_URL {fault}")
        if self.operations_port == self.port:
            raise ValueError("BOTKEYS_OPERATIONS_PORT must differ from BOTKEYS_PORT")
        if self.mode is Mode.PRODUCTION and self.exchanges == "simulated":
            raise ValueError("BOTKEYS_EXCHANGES=simulated is only available in development")
        if self.simulated:
            self._require_simulated_hosts()
        if self.mode is Mode.PRODUCTION and self.database_tls == "verify-full":
            self._require_verified_databases()
        return self

    def _require_simulated_hosts(self) -> None:
        outside = next(beyond_this_machine(self.exchange_hosts), None)
        if outside is not None:
            raise ValueError(
                f"BOTKEYS_EXCHANGE_HOSTS leads {outside} beyond this machine, but exchanges are "
                "simulated. Name a loopback address, or set BOTKEYS_EXCHANGES=real if real "
                "exchanges are meant"
            )

    def _require_verified_databases(self) -> None:
        for name in type(self).model_fields:
            if not name.endswith("database_url"):
                continue
            address = getattr(self, name)
            if address is not None and not _proves_its_server(address.get_secret_value()):
                raise ValueError(
                    f"{PREFIX}{name.upper()} connects over TCP without sslmode=verify-full. Add "
                    "?sslmode=verify-full&sslrootcert=/path/of/the/ca.pem to it, or set "
                    "BOTKEYS_DATABASE_TLS=any if you trust everything between the two"
                )

    def require_database(self) -> SecretStr:
        """Return the address for requests; raise `SettingsError` if there is none."""
        if self.database_url is None:
            raise SettingsError(
                "BOTKEYS_DATABASE_URL is not set, but this command needs a database."
            )
        return self.database_url

    def require_direct_database(self) -> SecretStr:
        """Return the address without a pooler; raise `SettingsError` if there is none."""
        return self.direct_database_url or self.require_database()

    @property
    def webhook_exceptions(self) -> Allowed:
        """What webhooks may lead to although it is not of the public Internet."""
        return Allowed.of(self.webhook_allow)

    @property
    def simulated(self) -> bool:
        if self.exchanges is None:
            return self.mode is Mode.DEVELOPMENT
        return self.exchanges == "simulated"

    @property
    def serves_dashboard(self) -> bool:
        return self.mode is Mode.DEVELOPMENT if self.dashboard is None else self.dashboard

    @property
    def page_url(self) -> str:
        """Return the origin of the dashboard's page."""
        if self.public_url is not None:
            return self.public_url.rstrip("/")
        host = self.host if is_loopback(self.host) else "127.0.0.1"
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def permits_loopback_origins(self) -> bool:
        """Whether pages of this machine may call the API from a browser."""
        return self.mode is Mode.DEVELOPMENT and not self.cors_origins

    @property
    def refuse_withdrawal(self) -> bool:
        return self.withdrawal_policy == "reject"

    @property
    def keys_folder(self) -> Path:
        return self.keys_dir or self.data_dir / "keys"

    @property
    def simulated_keys_file(self) -> Path:
        """The file of public keys that were registered at simulated exchanges."""
        return self.data_dir / "simulated-keys.json"


def _proves_its_server(database_url: str) -> bool:
    """Return whether only the right server can be at the other end: over TLS, or a local socket."""
    parts = urlsplit(database_url)
    query = parse_qs(parts.query)
    if query.get("sslmode") == ["verify-full"]:
        return True
    hosts = [parts.netloc.rpartition("@")[2], *query.get("host", ())]
    given = [host for listed in hosts for host in unquote(listed).split(",") if host]
    return bool(given) and all(host.startswith("/") for host in given)


def secret_settings() -> list[str]:
    """Return the names of the settings that are secrets: each can be in a file."""
    return [
        name
        for name, field in Settings.model_fields.items()
        if SecretStr in (field.annotation, *get_args(field.annotation))
    ]


def file_variable(name: str) -> str:
    """Return the variable that names the file of a secret setting."""
    return f"{PREFIX}{name.upper()}_FILE"


def secret_files(environ: Mapping[str, str]) -> list[Path]:
    """Return the files that the variables of secret settings name."""
    given = {key.upper(): value for key, value in environ.items()}
    named = (given.get(file_variable(name)) for name in secret_settings())
    return [Path(path) for path in named if path]


def _from_file(name: str, environment: Mapping[str, str]) -> dict[str, SecretStr]:
    """Return the setting's value if its variable names a file; raise SettingsError."""
    variable, direct = file_variable(name), PREFIX + name.upper()
    given = {key.upper(): value for key, value in environment.items()}
    if not given.get(variable):
        return {}
    if direct in given:
        raise SettingsError(f"{direct} and {variable} are both set. Unset one of them.")
    try:
        return {name: SecretStr(read_secret_file(Path(given[variable])))}
    except SecretFileUnusable as error:
        raise SettingsError(f"{variable}: {given[variable]} {error}.") from None


def _not_json(message: str) -> str:
    """Return a sentence for a message of the library, which names a field and never its value."""
    named = [name for name in Settings.model_fields if f'"{name}"' in message]
    return f"{PREFIX}{''.join(named[:1]).upper()}: is not valid JSON (docs/settings.md)."


def load_settings(
    environ: Mapping[str, str] | None = None, *, default_mode: Mode = Mode.PRODUCTION
) -> Settings:
    """Read the settings and reject unknown variables, but for those of the SDK's commands.

    `default_mode` applies if `BOTKEYS_MODE` is not set: commands for a developer's machine pass
    development, all others default to production. Raises `SettingsError` with a sentence for each
    error.

    Each secret setting can be in a file that `BOTKEYS_<NAME>_FILE` names.

    Kubernetes' service links are no settings, whatever they are called: see
    `app.kit.service_links`.
    """
    environment = os.environ if environ is None else environ
    environment = {
        name: value for name, value in environment.items() if not is_service_link(name, value)
    }
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    known |= {file_variable(name) for name in secret_settings()}
    problems: list[str] = []
    for name in sorted(environment):
        if name.upper().startswith(PREFIX) and name.upper() not in known | VARIABLES:
            close = difflib.get_close_matches(name.upper(), known, n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            problems.append(f"{name} is not a setting of Botkeys.{hint}")
    values: dict[str, Any] = {}
    for name in secret_settings():
        try:
            values |= _from_file(name, environment)
        except SettingsError as error:
            problems.append(str(error))
    if problems:
        raise SettingsError("\n".join(problems))
    if PREFIX + "MODE" not in environment:
        values["mode"] = default_mode
    try:
        return Settings(**values)
    except UnreadableSetting as error:
        raise SettingsError(_not_json(str(error))) from None
    except ValidationError as error:
        lines = []
        for item in error.errors(include_input=False, include_url=False, include_context=False):
            where = ".".join(str(part) for part in item["loc"])
            message = item["msg"].removeprefix("Value error, ")
            lines.append(f"{PREFIX}{where.upper()}: {message}" if where else message)
        raise SettingsError("\n".join(lines)) from None
