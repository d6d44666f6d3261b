"""`botkeys keys`: an account's exchange keys at a service."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from botkeys.commands import key_freezes, key_views
from botkeys.commands.calling import calling
from botkeys.commands.connection_options import TokenFileOption, UrlOption
from botkeys.commands.entered_credentials import CredentialsOption
from botkeys.commands.exchange_names import (
    ContractTypeName,
    ContractTypeOption,
    EnvironmentOption,
    ExchangeArgument,
    RegionOption,
    find_market,
)
from botkeys.commands.output import JsonOption, YesOption, answering
from botkeys.commands.request_parts import changes, with_query
from botkeys.environment import Environment

app = typer.Typer(
    help="Manage the exchange keys that a service keeps for you.", no_args_is_help=True
)

KeyArgument = Annotated[str, typer.Argument(metavar="KEY", help="The key's id, or its label.")]
LabelOption = Annotated[str | None, typer.Option(help="A name for people.")]


class Algorithm(StrEnum):
    ED25519 = "ed25519"
    RSA = "rsa"


class FateOfData(StrEnum):
    KEEP = "keep"
    DELETE = "delete"


class FormatName(StrEnum):
    """The formats of files with keys."""

    BOTKEYS = "botkeys"
    PASSIVBOT = "passivbot"
    FREQTRADE = "freqtrade"
    CCXT = "ccxt"
    JESSE = "jesse"


@app.command("list")
def list_keys(
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    environment: Annotated[
        Environment | None, typer.Option("--environment", "-e", help="Only keys of this one.")
    ] = None,
    exchange: Annotated[str | None, typer.Option(help="Only keys of this exchange.")] = None,
    active: Annotated[
        bool | None, typer.Option("--active/--inactive", help="Only keys that are, or are not.")
    ] = None,
    assigned: Annotated[
        bool | None, typer.Option("--assigned/--free", help="Only keys that a bot has, or none.")
    ] = None,
    search: Annotated[
        str | None, typer.Option(help="Text in label, exchange or masked key.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List all keys, newest first."""
    with calling(url, token_file, as_json=as_json) as (service, output):
        query = {
            "environment": environment,
            "exchange": exchange,
            "active": active,
            "assigned": assigned,
            "search": search,
        }
        items = service.pages("/v1/keys", query)
        output.document({"items": items}, lambda console: key_views.keys(console, items))


@app.command()
def show(
    key: KeyArgument,
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one key, with what its exchange states about it. Its secrets are never shown."""
    with calling(url, token_file, as_json=as_json) as (service, output):
        found = service.find("key", "label", key)
        output.document(found, lambda console: key_views.key(console, found))


@app.command()
def add(
    exchange: ExchangeArgument,
    environment: EnvironmentOption,
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    label: LabelOption = None,
    region: RegionOption = None,
    contract_type: ContractTypeOption = None,
    credentials: CredentialsOption = None,
    active: Annotated[
        bool, typer.Option("--active/--inactive", help="Whether bots may open with it.")
    ] = True,
    verify: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Whether to ask the exchange about it.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Add a key: the service asks the exchange about it, then seals it.

    API key and secret are asked for, or read from a file.
    """
    with calling(url, token_file, as_json=as_json) as (service, output):
        market = find_market(exchange, environment, region, contract_type)
        from botkeys.commands.entered_credentials import enter_credentials  # noqa: PLC0415

        entered = enter_credentials(credentials, market.exchange, output.warn)
        body = {
            "label": label or f"{market.exchange} {market.environment}",
            **key_views.market_members(market),
            **entered.body(),
            "active": active,
            "verify": verify,
        }
        added = service.call("POST", "/v1/keys", body)
        output.document(added, lambda console: key_views.key(console, added))


@app.command("import")
def import_keys(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The file, or `-` for standard input.")
    ],
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    format_name: Annotated[
        FormatName | None,
        typer.Option("--format", help="The file's format; it is recognised without this."),
    ] = None,
    environment: Annotated[
        Environment | None,
        typer.Option(
            "--environment", "-e", help="Of keys for which the file states none; live if omitted."
        ),
    ] = None,
    contract_type: Annotated[
        ContractTypeName | None,
        typer.Option("--contract-type", "-c", help="Of keys for which the file states none."),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Whether to ask the exchanges about them.")
    ] = True,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be sent; needs no service.")
    ] = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Add the keys of a file of another program: passivbot, freqtrade, ccxt, jesse, or our own.

    Shows what it will send, masked, and asks. Keys that are already there are not added twice.

    Status: 0 all are there now, 65 some could not be added, 69 the service went away.
    """
    with answering(as_json=as_json) as output:
        from botkeys.commands import key_import  # noqa: PLC0415  # not for help
        from botkeys.commands.key_files.entries import Assumptions  # noqa: PLC0415  # as above
        from botkeys.exchanges.model import ContractType  # noqa: PLC0415  # as above

        assumed = Assumptions(
            environment, None if contract_type is None else ContractType(contract_type.value)
        )
        status = key_import.run(
            file,
            format_name,
            assumed,
            (url, token_file),
            output,
            verify=verify,
            dry_run=dry_run,
            yes=yes,
        )
    raise typer.Exit(status)


@app.command()
def pair(
    exchange: ExchangeArgument,
    environment: EnvironmentOption,
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    label: LabelOption = None,
    region: RegionOption = None,
    contract_type: ContractTypeOption = None,
    algorithm: Annotated[
        Algorithm | None, typer.Option(help="The kind of key pair; the exchange's best if omitted.")
    ] = None,
    active: Annotated[
        bool, typer.Option("--active/--inactive", help="Whether bots may open with it.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Let the service make a key pair, whose secret half never leaves it.

    Register the public key at the exchange, then complete the key: `botkeys keys replace KEY`.
    """
    with calling(url, token_file, as_json=as_json) as (service, output):
        market = find_market(exchange, environment, region, contract_type)

        body = {
            "label": label or f"{market.exchange} {market.environment}",
            **key_views.market_members(market),
            "algorithm": algorithm or key_views.best_algorithm(market.exchange),
            "active": active,
        }
        made = service.call("POST", "/v1/keys/pairs", body)
        output.document(made, lambda console: key_views.pair(console, made))


@app.command()
def replace(
    key: KeyArgument,
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    credentials: CredentialsOption = None,
    same_account: Annotated[
        bool,
        typer.Option(
            "--same-account",
            help="Your word that it is the same exchange account, where the exchange cannot prove "
            "it.",
        ),
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Whether to ask the exchange about it.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Give a key new credentials, or a key pair the API key that it awaits."""
    with calling(url, token_file, as_json=as_json) as (service, output):
        from botkeys.commands.entered_credentials import enter_credentials  # noqa: PLC0415

        found = service.find("key", "label", key)
        entered = enter_credentials(
            credentials,
            str(found.get("exchange")),
            output.warn,
            api_key_alone=found.get("awaiting_api_key") is True,
        )
        body = {
            **entered.body(),
            "verify": verify,
            "confirm_same_account": same_account,
        }
        replaced = service.call("PUT", f"/v1/keys/{found['id']}/credentials", body)
        output.document(replaced, lambda console: key_views.key(console, replaced))


@app.command()
def change(
    key: KeyArgument,
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    label: LabelOption = None,
    active: Annotated[
        bool | None, typer.Option("--active/--inactive", help="Whether bots may open with it.")
    ] = None,
    contract_type: Annotated[
        ContractTypeName | None, typer.Option("--contract-type", "-c", help="What it trades.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Rename a key, activate or deactivate it, or switch its contract type."""
    with calling(url, token_file, as_json=as_json) as (service, output):
        body = changes(label=label, active=active, contract_type=contract_type)
        found = service.find("key", "label", key)
        changed = service.call("PATCH", f"/v1/keys/{found['id']}", body)
        output.document(changed, lambda console: key_views.key(console, changed))


@app.command()
def delete(
    key: KeyArgument,
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    data: Annotated[
        FateOfData, typer.Option(help="What happens to the key's trades and other data.")
    ] = FateOfData.KEEP,
    preview: Annotated[
        bool, typer.Option("--preview", help="Only show what would be deleted.")
    ] = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Delete a key and its credentials, after showing what goes with it."""
    with calling(url, token_file, as_json=as_json) as (service, output):
        found = service.find("key", "label", key)
        path = f"/v1/keys/{found['id']}"
        shown = service.get(f"{path}/deletion-preview")
        if preview:
            output.document(shown, lambda console: key_views.preview(console, found, shown, data))
            return
        if not yes:
            output.show_beforehand(lambda console: key_views.preview(console, found, shown, data))
        output.confirm(f"Delete the key {found.get('label')}?", yes=yes)
        answer = service.call("DELETE", with_query(path, {"associated_data": data}))
        output.document(answer, lambda console: key_views.deleted(console, answer))


@app.command()
def freeze(
    key: Annotated[
        str | None, typer.Argument(metavar="[KEY]", help="The key's id, or its label.")
    ] = None,
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    exchange: Annotated[str | None, typer.Option(help="Freeze all keys of an exchange.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Freeze the whole account.")] = False,
    reason: Annotated[str | None, typer.Option(help="A note for people.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Stop new positions with a key, an exchange or everything. Open ones can be closed."""
    with calling(url, token_file, as_json=as_json) as (service, output):
        scope = key_freezes.scope(service, key, exchange, everything=everything)
        added = service.call("POST", "/v1/freezes", {**scope, "reason": reason})
        output.document(added, lambda console: key_freezes.freezes(console, [added]))


@app.command()
def unfreeze(
    key: Annotated[
        str | None, typer.Argument(metavar="[KEY]", help="The key's id, or its label.")
    ] = None,
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    exchange: Annotated[str | None, typer.Option(help="Lift the freeze of an exchange.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Lift that of the account.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Lift a freeze. The token needs the scope account:admin."""
    with calling(url, token_file, as_json=as_json) as (service, output):
        scope = key_freezes.scope(service, key, exchange, everything=everything)
        lifted = key_freezes.lift(service, scope)
        output.document({"items": lifted}, lambda console: key_freezes.freezes(console, lifted))


@app.command()
def freezes(
    url: UrlOption = None, token_file: TokenFileOption = None, as_json: JsonOption = False
) -> None:
    """List what is frozen."""
    with calling(url, token_file, as_json=as_json) as (service, output):
        items = service.pages("/v1/freezes")
        output.document({"items": items}, lambda console: key_freezes.freezes(console, items))
