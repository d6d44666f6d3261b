"""`botkeys bots`: an account's trading bots at a service."""

from pathlib import Path
from typing import Annotated

import typer

from botkeys.commands import bot_views
from botkeys.commands.calling import calling
from botkeys.commands.connection_options import TokenFileOption, UrlOption
from botkeys.commands.output import JsonOption, YesOption
from botkeys.commands.request_parts import changes

app = typer.Typer(help="Manage trading bots, their keys and tokens.", no_args_is_help=True)

BotArgument = Annotated[str, typer.Argument(metavar="BOT", help="The bot's id, or its name.")]


@app.command("list")
def list_bots(
    url: UrlOption = None, token_file: TokenFileOption = None, as_json: JsonOption = False
) -> None:
    """List all bots, newest first."""
    with calling(url, token_file, as_json=as_json) as (service, output):
        items = service.pages("/v1/bots")
        output.document({"items": items}, lambda console: bot_views.bots(console, items))


@app.command()
def show(
    bot: BotArgument,
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one bot."""
    with calling(url, token_file, as_json=as_json) as (service, output):
        found = service.find("bot", "name", bot)
        output.document(found, lambda console: bot_views.bot(console, found))


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="A name for people.")],
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a bot. Then make its token with `bots token`, and give it a key with `bots assign`."""
    with calling(url, token_file, as_json=as_json) as (service, output):
        added = service.call("POST", "/v1/bots", {"name": name})
        output.document(added, lambda console: bot_views.bot(console, added))


@app.command()
def change(
    bot: BotArgument,
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    name: Annotated[str | None, typer.Option(help="A new name.")] = None,
    paused: Annotated[
        bool | None,
        typer.Option("--paused/--resumed", help="Whether it opens no new positions for now."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Rename a bot, pause it, or let it go on."""
    with calling(url, token_file, as_json=as_json) as (service, output):
        body = changes(name=name, paused=paused)
        found = service.find("bot", "name", bot)
        changed = service.call("PATCH", f"/v1/bots/{found['id']}", body)
        output.document(changed, lambda console: bot_views.bot(console, changed))


@app.command()
def assign(
    bot: BotArgument,
    key: Annotated[str, typer.Argument(metavar="KEY", help="The key's id, or its label.")],
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a bot a key, which no other bot may have."""
    with calling(url, token_file, as_json=as_json) as (service, output):
        found = service.find("bot", "name", bot)
        body = {"key_id": service.find("key", "label", key)["id"]}
        changed = service.call("PUT", f"/v1/bots/{found['id']}/key", body)
        output.document(changed, lambda console: bot_views.bot(console, changed))


@app.command()
def release(
    bot: BotArgument,
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a bot's key away from it."""
    with calling(url, token_file, as_json=as_json) as (service, output):
        found = service.find("bot", "name", bot)
        service.call("DELETE", f"/v1/bots/{found['id']}/key")
        changed = service.get(f"/v1/bots/{found['id']}")
        output.document(changed, lambda console: bot_views.bot(console, changed))


@app.command()
def token(
    bot: BotArgument,
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    to: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write the token to this file, which only you can read, instead of showing it.",
        ),
    ] = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make a token for a bot. Its previous token ends at once.

    The token is shown this once: keep it in a file that only the bot can read.
    """
    with calling(url, token_file, as_json=as_json) as (service, output):
        from botkeys.commands.bot_token_file import new_private_file  # noqa: PLC0415  # as above

        found = service.find("bot", "name", bot)
        if to is not None and to.is_file():
            output.confirm(f"{to} exists. Replace it?", yes=yes)
        if found.get("online"):
            output.confirm(
                f"The bot {found.get('name')} runs now, and a new token stops it. Make one?",
                yes=yes,
            )
        path = f"/v1/bots/{found['id']}/token"
        if to is None:
            document = {"bot_id": found["id"], "token": service.text("POST", path, "token")}
        else:
            with new_private_file(to) as write:
                write(f"{service.text('POST', path, 'token')}\n")
            document = {"bot_id": found["id"], "token_file": str(to)}
        output.document(document, lambda console: bot_views.token(console, document))


@app.command()
def delete(
    bot: BotArgument,
    url: UrlOption = None,
    token_file: TokenFileOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Delete a bot and its token. What it traded stays."""
    with calling(url, token_file, as_json=as_json) as (service, output):
        found = service.find("bot", "name", bot)
        if not yes:
            output.show_beforehand(lambda console: bot_views.bot(console, found))
        output.confirm(f"Delete the bot {found.get('name')}?", yes=yes)
        service.call("DELETE", f"/v1/bots/{found['id']}")
        output.document(
            {"deleted": found["id"]}, lambda console: console.print("The bot is deleted.")
        )
