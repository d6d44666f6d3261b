"""The server's commands of `botkeys`. Each imports only what it needs, so that help is fast."""

import gc
import sys
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from botkeys.cli import CommandSet

# What a command imports stays; scanning it again and again took an eighth of each start.
gc.set_threshold(50_000, 20, 20)

app = typer.Typer()
master_key = typer.Typer(help="Create, rotate and inspect master keys.", no_args_is_help=True)
simulator = typer.Typer(help="The simulated exchanges and their keys.", no_args_is_help=True)
audit = typer.Typer(help="Verify and shorten the audit log.", no_args_is_help=True)
app.add_typer(master_key, name="master-key")
app.add_typer(simulator, name="simulator")
app.add_typer(audit, name="audit")
operations = typer.Typer(help="Watch long-running operations.", no_args_is_help=True)
app.add_typer(operations, name="operations")


class RoleName(StrEnum):
    ALL = "all"
    API = "api"
    RUNTIME = "runtime"


class WrapperName(StrEnum):
    COMMAND = "command"
    VAULT_TRANSIT = "vault-transit"
    AWS_KMS = "aws-kms"


_KeyDirectory = Annotated[
    Path | None, typer.Option("--dir", help="Folder with the files; defaults to BOTKEYS_KEYS_DIR.")
]
_Versions = Annotated[
    list[int] | None, typer.Argument(help="Versions of master keys; defaults to all.")
]
_WrapperKey = Annotated[
    str | None,
    typer.Option(
        "--key", help="The wrapper's key: a name at Transit, an ARN, id or alias at AWS KMS."
    ),
]
_WrapperMount = Annotated[str, typer.Option("--mount", help="Where Transit is mounted.")]
_WrapperRegion = Annotated[
    str | None, typer.Option("--region", help="Region of the AWS KMS key, unless its ARN says so.")
]


class WorkName(StrEnum):
    ALL = "all"
    CATALOGUE = "catalogue"
    PURGE = "purge"
    WEBHOOKS = "webhooks"


class PartName(StrEnum):
    DEV = "dev"
    ALL = "all"
    API = "api"
    RUNTIME = "runtime"
    WORKER = "worker"
    CATALOGUE = "catalogue"
    PURGE = "purge"
    WEBHOOKS = "webhooks"


@app.command()
def dev(
    parent: Annotated[
        int | None,
        typer.Option(hidden=True, help="Process id of the `make` that started this command."),
    ] = None,
) -> None:
    """Run everything needed for development: database, migrations, worker, simulator and API."""
    from app.process.parent import live_with_parent
    from app.process.standard_streams import open_standard_streams

    open_standard_streams()
    live_with_parent(parent)
    from app.process.development import run_development

    raise typer.Exit(run_development())


@app.command()
def serve(
    role: Annotated[
        RoleName,
        typer.Option(help="Which routes to serve, which also decides which keys are needed."),
    ] = RoleName.ALL,
    processes: Annotated[
        int,
        typer.Option(
            min=1,
            max=256,
            help="How many processes answer requests on the port, each with a database pool of "
            "its own. With several, the second one's port for operators is "
            "BOTKEYS_OPERATIONS_PORT + 1, and so on.",
        ),
    ] = 1,
    sibling: Annotated[
        tuple[int, int, int, int] | None,
        typer.Option(
            hidden=True,
            metavar="PARENT LISTENER READY BEGIN",
            help="For one of several processes: the process id of the supervisor, and descriptors.",
        ),
    ] = None,
) -> None:
    """Serve the API. The database must be migrated and the keys installed."""
    from app.process.standard_streams import open_standard_streams
    from app.settings import Role, load_settings

    open_standard_streams()
    if processes > 1:
        from app.process.supervisor import run_processes

        raise typer.Exit(run_processes(load_settings(), Role(role.value), processes))
    from app.process.listening import Sibling
    from app.process.server import run_server

    beside = None
    if sibling is not None:
        from app.process.parent import live_with_parent

        live_with_parent(sibling[0])
        beside = Sibling(*sibling[1:])
    raise typer.Exit(run_server(load_settings(), Role(role.value), beside))


@app.command()
def worker(
    task: Annotated[
        WorkName,
        typer.Option(
            help="Which tasks to run: those that talk to exchanges, those that purge and tidy up, "
            "those that send webhooks, or all."
        ),
    ] = WorkName.ALL,
) -> None:
    """Run the background worker. Any number of workers may run in parallel."""
    from app.process.standard_streams import open_standard_streams
    from app.process.worker import run_worker
    from app.settings import Work, load_settings

    open_standard_streams()
    raise typer.Exit(run_worker(load_settings(), Work(task.value)))


@app.command()
def health(
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds to wait until the process is ready.")
    ] = 0,
) -> None:
    """Ask the process that runs here with the same settings whether it is ready.

    Prints what `/readyz` says. Exits with 1 if the process is not ready, or does not respond.
    """
    from app.commands.health import report_health
    from app.settings import load_settings

    raise typer.Exit(0 if report_health(load_settings(), typer.echo, wait=wait) else 1)


@app.command()
def migrate(
    wait: Annotated[
        float,
        typer.Option(min=0, help="Seconds to keep trying while others hold a lock it needs."),
    ] = 300,
    check: Annotated[
        bool, typer.Option("--check", help="List what is to be done, and change nothing.")
    ] = False,
    distribute: Annotated[
        bool,
        typer.Option(
            "--distribute",
            help="Then distribute the tables over the nodes of a Citus cluster, by account.",
        ),
    ] = False,
) -> None:
    """Upgrade the database to the latest migration.

    It waits at most a second for each lock, so that requests never queue behind it, then tries
    again, and says who holds the lock. It ends with status 1 and the same sentence if the lock does
    not become free in time; completed migrations stay.

    With --distribute it may be run again and again: tables that are distributed already stay as
    they are, and rows are kept. A database that was distributed once stays so without it.

    With --check it ends with status 0 if nothing is to be done, 3 if migrations are pending, 4 if a
    newer release has migrated the database, 5 if it is not a database of Botkeys, and 1 if it
    cannot know.
    """
    import asyncio

    from app.db.grants import complete
    from app.db.migrate import migrate as run
    from app.db.migration_locks import Patience
    from app.db.schema_version import head
    from app.settings import load_settings

    settings = load_settings()
    url = settings.require_direct_database()
    if check and distribute:
        raise typer.BadParameter("--check changes nothing. Give it without --distribute.")
    if check:
        from app.commands.check_migrations import check_migrations

        raise typer.Exit(asyncio.run(check_migrations(url.get_secret_value(), typer.echo)))
    patience = Patience(wait, lambda sentence: typer.echo(sentence, err=True))
    at = asyncio.run(run(url.get_secret_value(), patience, distribute=distribute))
    typer.echo(f"The database is at migration {at}.")
    if at != head():
        typer.echo(
            f"A newer release has migrated it; this one ends at {head()} and changed nothing."
        )
    if not asyncio.run(complete(url.get_secret_value())):
        typer.echo(
            "The service's roles do not have this release's rights, as after a restore from a "
            "dump: run `botkeys grants`."
        )


@app.command()
def doctor(
    role: Annotated[
        PartName | None,
        typer.Option(
            help="Which process to look at, as it is started: `dev`, a role of `serve`, `worker` "
            "or one of its tasks. Defaults to `dev` where neither a mode nor a database is set, "
            "else to what BOTKEYS_MODE says: `dev` or `all`."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Look at what a process needs, and say what is wrong and how to put it right.

    Run it with the settings and as the user of that process. It looks at settings, keys, database,
    rights, issuer, exchanges, shared limits, disk and ports, changes nothing, prints no secret and
    ends within seconds: with status 1 if there is a fault, else with 0.
    """
    from app.commands.doctor.examination import doctor as examine
    from app.commands.doctor.part import Part

    part = None if role is None else Part(role.value)
    raise typer.Exit(0 if examine(part, typer.echo, as_json=as_json) else 1)


@app.command()
def grants() -> None:
    """Create the service's roles and give them this release's rights, as after a restore."""
    import asyncio

    from app.db.grants import grant_again
    from app.db.migration_locks import Patience
    from app.settings import load_settings

    settings = load_settings()
    url = settings.require_direct_database()
    patience = Patience(report=lambda sentence: typer.echo(sentence, err=True))
    asyncio.run(grant_again(url.get_secret_value(), patience))
    typer.echo("The service's roles have this release's rights, and no others.")


@app.command()
def restored(
    to: Annotated[
        datetime,
        typer.Option(
            formats=["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"],
            help="The moment that was recovered; UTC unless it has an offset.",
        ),
    ],
    log: Annotated[
        list[Path] | None,
        typer.Option(help="Output of `botkeys serve`, to count what was lost; can be repeated."),
    ] = None,
) -> None:
    """Record that the database was recovered to an earlier moment, and say what that means.

    Needs the owner's login. Later credentials get versions that no bot has seen.
    """
    import asyncio

    from app.commands.record_restoration import record_restoration
    from app.settings import load_settings

    asyncio.run(record_restoration(load_settings(), to, log or [], typer.echo))


@app.command()
def dashboard(
    account: Annotated[str, typer.Option(help="The account's name; any text.")],
) -> None:
    """Print a link that signs a browser on this machine in to the dashboard, once.

    Only in development, and with the data folder of the service that runs.
    """
    from app.commands.dashboard_link import dashboard_link
    from app.settings import Mode, load_settings

    try:
        typer.echo(dashboard_link(load_settings(default_mode=Mode.DEVELOPMENT), account))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--account") from None


@app.command()
def token(
    account: Annotated[str, typer.Option(help="The account's name; any text.")],
    scopes: Annotated[
        str | None, typer.Option(help="Scopes, separated by spaces; defaults to all user scopes.")
    ] = None,
) -> None:
    """Print a user token from the development issuer."""
    from app.auth.development_issuer import KEY_FILE, DevelopmentIssuer
    from app.auth.scopes import USER_SCOPES
    from app.process.data_folder import DataFolder
    from app.settings import Mode, SettingsError, load_settings

    settings = load_settings(default_mode=Mode.DEVELOPMENT)
    if settings.mode is not Mode.DEVELOPMENT:
        raise SettingsError(
            "Only development mode has its own issuer. Get a token from your issuer."
        )
    if settings.keys_dir is None:
        DataFolder(settings.data_dir).prepare()
    new = not (settings.keys_folder / KEY_FILE).exists()
    issuer = DevelopmentIssuer(settings.keys_folder)
    if new:
        typer.echo(
            f"botkeys: made a new issuer in {settings.keys_folder.absolute()}. A service that runs "
            "with another data folder does not take this token; BOTKEYS_DATA_DIR names it.",
            err=True,
        )
    try:
        typer.echo(issuer.token(account, USER_SCOPES if scopes is None else scopes))
    except ValueError as error:
        raise SettingsError(str(error)) from None


@app.command()
def openapi() -> None:
    """Print the OpenAPI document."""
    import json

    from app.api.openapi import openapi_document
    from app.main import create_app
    from app.settings import Mode, Settings

    document = openapi_document(create_app(Settings(mode=Mode.DEVELOPMENT)))
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True))


@master_key.command()
def create(
    directory: Annotated[
        Path | None,
        typer.Option("--dir", help="Folder for the files; defaults to BOTKEYS_KEYS_DIR."),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(
            "--only",
            metavar="FILE",
            help="Create this file alone, such as webhook-key, and no master key.",
        ),
    ] = None,
    wrap_with: Annotated[
        WrapperName | None,
        typer.Option(help="What wraps the private half, which is then never on a disk in clear."),
    ] = None,
    key: _WrapperKey = None,
    mount: _WrapperMount = "transit",
    region: _WrapperRegion = None,
) -> None:
    """Create a new master key, and any other key files that are missing.

    Distribute the files to the roles as described in docs/deployment.md: no process holds them all.
    """
    from app.custody.keyfiles import SECRETS, KeyFolder, KeyKind
    from app.settings import load_settings

    settings = load_settings()
    wrap = unwrap = None
    if wrap_with is not None:
        from app.commands.wrap_master_keys import Target, wrapping_with
        from app.custody.wrapping.wrapped import How
        from app.custody.wrapping.wrappers import Wrappers

        wrap = wrapping_with(settings, Target(How(wrap_with.value), key, mount, region))
        unwrap = Wrappers(settings).unwrap
    folder = KeyFolder(directory or settings.keys_folder, unwrap)
    if only is not None:
        if only not in SECRETS:
            raise typer.BadParameter(
                f"There are {', '.join(sorted(SECRETS))}.", param_hint="--only"
            )
        there = (folder.path / only).exists()
        folder.create_missing([KeyKind(only)])
        typer.echo(
            f"{only} is in {folder.path} already." if there else f"Created {folder.path / only}."
        )
        return
    version = folder.create_master_key(wrap)
    folder.create_missing(SECRETS)
    typer.echo(f"Created master key {version} in {folder.path}.")


@master_key.command("wrap")
def wrap_keys(
    wrapper: Annotated[WrapperName, typer.Option("--with", help="What wraps them.")],
    versions: _Versions = None,
    directory: _KeyDirectory = None,
    key: _WrapperKey = None,
    mount: _WrapperMount = "transit",
    region: _WrapperRegion = None,
) -> None:
    """Wrap private master keys whose files hold them in clear.

    Each is unwrapped again and compared before any file is replaced.
    """
    from app.commands.wrap_master_keys import Target, wrap_master_keys
    from app.custody.wrapping.wrapped import How
    from app.settings import load_settings

    target = Target(How(wrapper.value), key, mount, region)
    wrap_master_keys(load_settings(), directory, versions or (), target, typer.echo)


@master_key.command("rewrap")
def rewrap_keys(
    versions: _Versions = None,
    wrapper: Annotated[
        WrapperName | None,
        typer.Option("--with", help="Another wrapper; by default each keeps its own."),
    ] = None,
    directory: _KeyDirectory = None,
    key: _WrapperKey = None,
    mount: _WrapperMount = "transit",
    region: _WrapperRegion = None,
) -> None:
    """Wrap wrapped master keys again: with the newest version of the wrapper's key, or another.

    Each is unwrapped again and compared before its file is replaced.
    """
    from app.commands.wrap_master_keys import Target, rewrap_master_keys
    from app.custody.wrapping.wrapped import How
    from app.settings import load_settings

    if wrapper is None and key is not None:
        raise typer.BadParameter(
            "needs --with: each key keeps its own otherwise.", param_hint="--key"
        )
    target = None if wrapper is None else Target(How(wrapper.value), key, mount, region)
    rewrap_master_keys(load_settings(), directory, versions or (), target, typer.echo)


@master_key.command()
def rotate() -> None:
    """Reseal all data keys to the newest master key, once every runtime process holds it.

    Runs alongside the service, and says what it will do before it does it. It can be stopped at any
    time and resumes where it stopped. `botkeys master-key create` makes the key.
    """
    import asyncio

    from app.commands.rotate_master_key import rotate_master_key
    from app.settings import load_settings

    asyncio.run(rotate_master_key(load_settings(), typer.echo))


@master_key.command()
def status() -> None:
    """Show how master keys are wrapped, how many data keys each has, and which process holds it.

    Without a database, only what the folder says.
    """
    import asyncio

    from app.commands.rotate_master_key import report_master_keys
    from app.settings import load_settings

    asyncio.run(report_master_keys(load_settings(), typer.echo))


@simulator.command()
def credentials(
    exchange: Annotated[str | None, typer.Option(help="Only the keys of this exchange.")] = None,
    environment: Annotated[
        str | None,
        typer.Option(help="live or testnet; demo is Bybit's Demo Trading. Needs --exchange."),
    ] = None,
    variant: Annotated[
        str | None,
        typer.Option(
            help="One credential as the API and `botkeys keys add --credentials -` take it: trade, "
            "trade_2, other_account, readonly, withdraw, ip_bound, expiring or revoked. Needs "
            "--exchange; the environment is testnet unless another is given."
        ),
    ] = None,
    demo: Annotated[
        bool,
        typer.Option(
            "--demo",
            help="Print the keys of Demo Trading instead: testnet keys of the region demo.",
        ),
    ] = False,
) -> None:
    """Print the simulated exchanges' keys as JSON. They work only with the simulator."""
    import json

    from app import simulator as simulated

    if exchange is None and (environment is not None or variant is not None):
        raise typer.BadParameter("--environment and --variant need it.", param_hint="--exchange")
    if demo and exchange is not None:
        raise typer.BadParameter("give --environment demo instead.", param_hint="--demo")
    found: object
    if exchange is not None:
        try:
            found = simulated.select_credentials(exchange, environment, variant)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
    else:
        found = simulated.demo_credentials() if demo else simulated.credentials()
    typer.echo(json.dumps(found, indent=2))


@simulator.command("serve")
def serve_simulated(
    port_base: Annotated[
        int,
        typer.Option(
            min=1,
            help="The first port: exchanges stand ten apart from here, the control port is 99 on.",
        ),
    ] = 8600,
    port: Annotated[
        list[str] | None,
        typer.Option(
            metavar="EXCHANGE=PORT",
            help="The first port of one exchange: live has it, testnet the next. Can be repeated.",
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    beyond_this_machine: Annotated[
        bool,
        typer.Option("--beyond-this-machine", help="Allow a --host that others can reach."),
    ] = False,
    write: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the document to this file too, once all listen; it is removed at the end.",
        ),
    ] = None,
) -> None:
    """Serve the simulated exchanges alone on fixed ports, for tests of bots. Ctrl-C stops them.

    Prints a JSON document with their addresses, what to set as BOTKEYS_EXCHANGE_HOSTS, ccxt's
    urls, and the control port. Needs neither a database nor a service.
    """
    from app.commands.serve_simulator import read_ports, serve_simulator
    from app.process.standard_streams import open_standard_streams
    from app.settings import Mode, SettingsError, load_settings
    from app.simulator import PortUnavailable
    from botkeys.addresses import is_loopback

    open_standard_streams()
    if not is_loopback(host) and not beyond_this_machine:
        raise typer.BadParameter(
            f"{host} can be reached from other machines: add --beyond-this-machine to allow it.",
            param_hint="--host",
        )
    settings = load_settings(default_mode=Mode.DEVELOPMENT)
    try:
        ports = read_ports(port_base, port or [])
    except ValueError as error:
        raise typer.BadParameter(f"{error}.", param_hint="--port") from None
    try:
        status = serve_simulator(
            host=host,
            base=port_base,
            ports=ports,
            registered=settings.simulated_keys_file,
            write=write,
            show=typer.echo,
            say=lambda sentence: typer.echo(sentence, err=True),
        )
    except PortUnavailable as error:
        raise SettingsError(f"{error} --port-base and --port choose others.") from None
    except OSError as error:
        raise SettingsError(f"{error.filename} cannot be written: {error.strerror}.") from None
    raise typer.Exit(status)


@simulator.command()
def register(
    exchange: Annotated[str, typer.Argument(help="binance, bybit or deribit.")],
    public_key: Annotated[
        typer.FileText, typer.Argument(help="File with the public key as PEM; - for the input.")
    ],
    environment: Annotated[
        str, typer.Option(help="live or testnet; demo is Bybit's Demo Trading.")
    ] = "testnet",
) -> None:
    """Register a public key at a simulated exchange and print its API key.

    It is what a user does at the exchange's site with a key pair that was made here. The simulator
    of `make run` knows the key at once, and after a restart.
    """
    from app.settings import Mode, load_settings
    from app.simulator import NotRegistrable, RegisteredKeys

    path = load_settings(default_mode=Mode.DEVELOPMENT).simulated_keys_file
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        typer.echo(RegisteredKeys(path).register(exchange, environment, public_key.read()))
    except NotRegistrable as error:
        raise typer.BadParameter(str(error)) from None


@audit.command()
def verify(
    write: Annotated[
        Path | None,
        typer.Option(help="File that gets the newest link of every chain, if all are intact."),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(help="File that --write made earlier: every chain in it must go on."),
    ] = None,
) -> None:
    """Verify the chain of every account's audit log.

    Keep the file of --write away from the database: anyone with the database can put an account's
    log back to an earlier state, which only --against finds. Exits with 1 if any chain is broken,
    with 2 if a file cannot be used.
    """
    import asyncio

    from app.commands.verify_audit import verify_all
    from app.domains.audit.anchors import AnchorsUnusable
    from app.settings import load_settings

    try:
        whole = asyncio.run(verify_all(load_settings(), typer.echo, write=write, against=against))
    except AnchorsUnusable as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    raise typer.Exit(0 if whole else 1)


@audit.command()
def retire(
    before: Annotated[
        datetime,
        typer.Option(formats=["%Y-%m-%d"], help="Retire the months before this day's, in UTC."),
    ],
) -> None:
    """Remove old months from the audit log, with the login that owns the database.

    The chain of each account is verified first. It begins with a sealed start afterwards, which
    states who retired the entries before it, and when. The month of the day itself stays. Exits
    with 1 if any chain is broken: no month is dropped then.
    """
    import asyncio
    from datetime import UTC

    from app.commands.retire_audit import retire as run
    from app.settings import load_settings

    done = asyncio.run(run(load_settings(), typer.echo, before.replace(tzinfo=UTC)))
    raise typer.Exit(0 if done else 1)


@operations.command()
def watch(
    operation: Annotated[
        UUID, typer.Argument(help="The operation's id, as returned with status 202.")
    ],
    url: Annotated[
        str | None, typer.Option(help="Address of the service; defaults to this machine.")
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(help="File that holds the user's token; alternatively set USER_TOKEN."),
    ] = None,
    account: Annotated[
        str | None, typer.Option(help="In development: the account, instead of a token.")
    ] = None,
) -> None:
    """Show the progress of a deletion until it ends. Exits with 1 unless it succeeds.

    If the service does not respond, for example during a restart, wait for up to 2 minutes.
    """
    import asyncio
    import os
    import signal

    from rich.console import Console

    from app.auth.development_issuer import DevelopmentIssuer
    from app.commands.watch_operation import watch as follow
    from app.settings import Mode, SettingsError, load_settings
    from botkeys.sealing.secret import Secret

    settings = load_settings(default_mode=Mode.DEVELOPMENT)
    if token_file is not None:
        try:
            held = token_file.read_text().strip()
        except (OSError, UnicodeDecodeError):
            raise SettingsError(f"The token file {token_file} cannot be read.") from None
    elif account is not None and settings.mode is Mode.DEVELOPMENT:
        held = DevelopmentIssuer(settings.keys_folder).token(account, "data:read")
    else:
        held = os.environ.get("USER_TOKEN", "")
    if not held:
        raise SettingsError(
            "A token is required: use --token-file or USER_TOKEN, or in development --account."
        )
    address = (url or f"http://127.0.0.1:{settings.port}").rstrip("/")
    # So that Ctrl-C gives the terminal its cursor back, which the bar hides.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    succeeded = asyncio.run(follow(address, operation, Secret(held), Console()))
    raise typer.Exit(0 if succeeded else 1)


_EXPECTED = (
    ("app.settings", "SettingsError"),
    ("botkeys.sealing.errors", "SealingError"),
    ("app.auth.development_issuer", "UnusableIssuerKey"),
    ("app.process.data_folder", "DataFolderError"),
    ("app.process.worker_start", "UnusableDatabase"),
    ("app.db.embedded.errors", "EmbeddedPostgresError"),
    ("app.db.tls", "DatabaseAddressError"),
    ("app.db.migrate", "MigrationNotAllowed"),
    ("app.db.migrate", "ForeignDatabase"),
    ("app.db.distribution", "NotDistributable"),
    ("app.db.pending", "MigrationUnknown"),
    ("app.db.grants", "NotMigrated"),
    ("app.db.migration_locks", "MigrationBlocked"),
    ("app.commands.rotate_master_key", "RotationIncomplete"),
    ("app.commands.rotate_master_key", "RotationRefused"),
    ("app.commands.wrap_master_keys", "NotWrapped"),
)


def explain(error: Exception) -> str | None:
    """Return a sentence for an error that the configuration or the machine caused.

    A module that was not imported cannot have raised anything.
    """
    for module, name in _EXPECTED:
        if module in sys.modules and isinstance(error, getattr(sys.modules[module], name)):
            return str(error)
    if "app.db.failures" in sys.modules:
        from app.db.failures import outage_sentence, schema_sentence

        return outage_sentence(error) or schema_sentence(error)
    return None


commands = CommandSet(app, explain)
