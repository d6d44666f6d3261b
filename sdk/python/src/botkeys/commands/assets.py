"""`botkeys assets`: the instruments that a key's bot may trade."""

from enum import StrEnum
from typing import Annotated
from urllib.parse import quote

import typer

from botkeys.commands import asset_views
from botkeys.commands.calling import calling
from botkeys.commands.connection_options import TokenFileOption, UrlOption
from botkeys.commands.output import JsonOption
from botkeys.commands.request_parts import changes

app = typer.Typer(help="Manage the trading assets of a key.", no_args_is_help=True)

KeyArgument = Annotated[str, typer.Argument(metavar="KEY", help="The key's id, or its label.")]
SymbolArgument = Annotated[
    str,
    typer.Argument(
        metavar="SYMBOL", help="The exchange's symbol, or the unified one, as BTC/USDT:USDT."
    ),
]
LeverageOption = Annotated[
    str | None, typer.Option(metavar="NUMBER", help="The leverage, as 5 or 2.5.")
]


class MarginModeName(StrEnum):
    CROSS = "cross"
    ISOLATED = "isolated"


MarginModeOption = Annotated[
    MarginModeName | None, typer.Option("--margin-mode", "-m", help="How margin is held.")
]


@app.command("list")
def list_assets(
    key: KeyArgument,
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """List a key's trading assets."""
    with calling(url, token_file, as_json=as_json) as (service, output):
        found = service.find("key", "label", key)
        items = service.pages(f"/v1/keys/{found['id']}/assets")
        output.document({"items": items}, lambda console: asset_views.assets(console, items))


@app.command()
def search(
    key: KeyArgument,
    text: Annotated[str | None, typer.Argument(help="A part of the symbol.")] = None,
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search the instruments that can be added to a key."""
    with calling(url, token_file, as_json=as_json) as (service, output):
        found = service.find("key", "label", key)
        items = service.pages(f"/v1/keys/{found['id']}/instruments", {"search": text})
        output.document({"items": items}, lambda console: asset_views.instruments(console, items))


@app.command()
def add(
    key: KeyArgument,
    symbol: SymbolArgument,
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    leverage: LeverageOption = None,
    margin_mode: MarginModeOption = None,
    enabled: Annotated[
        bool, typer.Option("--enabled/--disabled", help="Whether the bot may open positions.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Add a trading asset to a key, with the leverage and margin mode for its bot."""
    with calling(url, token_file, as_json=as_json) as (service, output):
        found = service.find("key", "label", key)
        body = {"symbol": symbol, "enabled": enabled}
        given = {"leverage": leverage, "margin_mode": margin_mode}
        body |= {name: value for name, value in given.items() if value is not None}
        added = service.call("POST", f"/v1/keys/{found['id']}/assets", body)
        output.document(added, lambda console: asset_views.asset(console, added))


@app.command()
def change(
    key: KeyArgument,
    symbol: SymbolArgument,
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    leverage: LeverageOption = None,
    margin_mode: MarginModeOption = None,
    enabled: Annotated[
        bool | None,
        typer.Option("--enabled/--disabled", help="Whether the bot may open positions."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Enable or disable a trading asset, or change its leverage or margin mode."""
    with calling(url, token_file, as_json=as_json) as (service, output):
        body = changes(leverage=leverage, margin_mode=margin_mode, enabled=enabled)
        found = service.find("key", "label", key)
        changed = service.call("PATCH", _path(found["id"], symbol), body)
        output.document(changed, lambda console: asset_views.asset(console, changed))


@app.command()
def remove(
    key: KeyArgument,
    symbol: SymbolArgument,
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove a trading asset. Its positions must be closed."""
    with calling(url, token_file, as_json=as_json) as (service, output):
        found = service.find("key", "label", key)
        service.call("DELETE", _path(found["id"], symbol))
        output.document({"removed": symbol}, lambda console: console.print("The asset is removed."))


def _path(key_id: str, symbol: str) -> str:
    return f"/v1/keys/{key_id}/assets/{quote(symbol, safe='')}"
