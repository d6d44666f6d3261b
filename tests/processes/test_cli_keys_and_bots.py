"""The SDK's commands against a real service and simulated exchanges (R66, R67).

Most run inside of this process, since starting Python takes longer than all that they do; a few run
as processes of their own, as users start them.
"""

import fcntl
import json
import os
import pty
import re
import select
import stat
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import EntryPoints
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import typer

from app.auth.development_issuer import DevelopmentIssuer
from app.simulator import credentials, demo_credentials
from botkeys.cli import own_commands, run
from botkeys.commands import service as commands_service
from botkeys.commands.endings import Ending
from tests.processes.running import (
    BOTKEYS,
    PATIENCE,
    ROOT,
    TRACES,
    Service,
    environment,
    free_port,
    long,
)

Json = dict[str, Any]
KEYS = credentials()
SECRETS = {
    text
    for exchange in (KEYS, demo_credentials())
    for environments in exchange.values()
    for variants in environments.values()
    for fields in variants.values()
    for name, text in fields.items()
    if name != "api_key"
}


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    status: object
    out: str
    err: str

    @property
    def document(self) -> Json:
        document: Json = json.loads(self.out)
        return document


Run = Callable[..., Ended]


@pytest.fixture(scope="session")
def issuer(service: Service) -> DevelopmentIssuer:
    """Provide the service's issuer: a command for each token would take a second."""
    return DevelopmentIssuer(service.folder / "keys")


@pytest.fixture
def account(service: Service, issuer: DevelopmentIssuer, tmp_path: Path) -> dict[str, str]:
    """Provide the variables of a user with an account of its own."""
    token = written(tmp_path, issuer.token(f"cli-{uuid4()}"), "token")
    return {"BOTKEYS_URL": service.address, "BOTKEYS_TOKEN_FILE": str(token)}


@pytest.fixture
def nobody(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> Run:
    """Provide a function that runs a command in this process, and looks for what none may print.

    There is no service at its address.
    """
    monkeypatch.setenv("BOTKEYS_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("BOTKEYS_TOKEN_FILE", str(written(tmp_path, "made-up", "no-token")))

    def call(*arguments: str | Path) -> Ended:
        capfd.readouterr()
        with pytest.raises(SystemExit) as caught:
            run(EntryPoints([]), [str(argument) for argument in arguments])
        captured = capfd.readouterr()
        ended = Ended(caught.value.code or 0, captured.out, captured.err)
        assert not any(secret in ended.out + ended.err for secret in SECRETS)
        assert not any(trace in ended.err for trace in TRACES)
        return ended

    return call


@pytest.fixture
def cli(nobody: Run, account: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Provide the same with a service, and a user of it."""
    for name, value in account.items():
        monkeypatch.setenv(name, value)
    return nobody


def written(folder: Path, content: Any, name: str = "secrets") -> Path:
    path = folder / name
    path.touch(0o600)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def of(exchange: str, variant: str = "trade", environment: str = "testnet") -> dict[str, str]:
    return KEYS[exchange][environment][variant]


def add(cli: Run, folder: Path, label: str, exchange: str = "okx") -> Json:
    path = written(folder, of(exchange), f"{label}.json")
    options = ("-e", "testnet", "-c", "linear", "--label", label, "--credentials", path, "--json")
    ended = cli("keys", "add", exchange, *options)
    assert ended.status == 0, ended
    return ended.document


def test_a_key_and_a_bot_from_first_to_last(cli: Run, tmp_path: Path) -> None:
    added = add(cli, tmp_path, "OKX main")
    assert added["permissions"]["trade"] == "yes"
    again = cli("keys", "add", "okx", "-e", "testnet", "-c", "linear", "--credentials",
                tmp_path / "OKX main.json")  # fmt: skip
    assert again.status == 77
    assert added["id"] in again.err

    assert cli("bots", "add", "grid").status == 0
    assigned = cli("bots", "assign", "grid", "OKX main", "--json").document
    assert assigned["key"]["id"] == added["id"]
    kept = tmp_path / "bot.token"
    assert cli("bots", "token", "grid", "--output", kept).out.startswith("The token is in ")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert re.fullmatch(r"bkb_\w+\n", kept.read_text())
    shown = cli("bots", "token", "grid", "--json").document["token"]
    assert shown.startswith("bkb_")
    assert shown not in kept.read_text()

    held = cli("keys", "delete", "OKX main", "--yes")
    assert held.status == 77
    assert "bot" in held.err
    assert cli("bots", "release", "grid", "--json").document["key"] is None
    assert cli("keys", "replace", "OKX main", "--credentials", written(tmp_path, of("okx")),
               "--json").document["version"] == 2  # fmt: skip
    assert cli("keys", "change", "OKX main", "--inactive", "--json").document["active"] is False
    frozen = cli("keys", "freeze", "OKX main", "--reason", "drill", "--json").document
    assert frozen["key_id"] == added["id"]
    assert "drill" in cli("keys", "freezes").out
    assert cli("keys", "unfreeze", "OKX main", "--json").document["items"][0]["id"] == frozen["id"]
    assert cli("keys", "unfreeze", "OKX main").status == 77
    preview = cli("keys", "delete", "OKX main", "--preview", "--json").document
    assert preview["held_positions"] == 0
    deleted = cli("keys", "delete", added["id"], "--yes", "--json").document
    assert deleted["deleted"]["keys"] == 1
    assert cli("bots", "delete", "grid", "--yes").status == 0
    assert cli("bots", "list", "--json").document == {"items": []}


def test_trading_assets_are_found_added_switched_and_removed(cli: Run, tmp_path: Path) -> None:
    add(cli, tmp_path, "mine")
    found = cli("assets", "search", "mine", "BTC-USDT", "--json").document["items"]
    assert [item["symbol"] for item in found if not item["added"]] == ["BTC-USDT-SWAP"]
    added = cli("assets", "add", "mine", "BTC/USDT:USDT", "--leverage", "5", "--json").document
    assert (added["symbol"], added["enabled"], added["leverage"]) == ("BTC-USDT-SWAP", True, "5")
    options = ("--disabled", "--leverage", "7", "-m", "isolated", "--json")
    changed = cli("assets", "change", "mine", "BTC-USDT-SWAP", *options).document
    assert (changed["enabled"], changed["leverage"]) == (False, "7")
    assert changed["margin_mode"] == "isolated"
    listed = cli("assets", "list", "mine")
    assert re.search(r"BTC-USDT-SWAP +no +7 +isolated", listed.out)
    assert cli("assets", "change", "mine", "BTC-USDT-SWAP", "--leverage", "x").status == 77
    assert cli("assets", "remove", "mine", "BTC-USDT-SWAP").out == "The asset is removed.\n"
    assert cli("assets", "list", "mine", "--json").document == {"items": []}


def test_refusals_name_commands_and_credentials_that_cannot_be_are_bad_data(
    cli: Run, tmp_path: Path
) -> None:
    add(cli, tmp_path, "mine")
    for name in ("first", "second"):
        cli("bots", "add", name)
    assert cli("bots", "assign", "first", "mine").status == 0
    for words in (("bots", "assign", "second", "mine"), ("keys", "delete", "mine", "--yes")):
        refused = cli(*words)
        assert refused.status == 77
        assert "`botkeys bots release BOT`" in refused.err
    good = of("okx", "trade_2")
    for content, code in (
        ({"api_key": good["api_secret"], "api_secret": good["api_key"]}, "passphrase_required"),
        ({**good, "api_key": "two words"}, "malformed_credentials"),
    ):
        path = written(tmp_path, content)
        options = ("-e", "testnet", "-c", "linear", "--credentials", path, "--json")
        ended = cli("keys", "add", "okx", *options)
        assert (ended.status, ended.document["error"]["code"]) == (65, code)
        assert "`" not in ended.document["error"]["detail"]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_another_web_server_refuses_nothing(
    status: int, nobody: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with something_else(status, b"<html>Not here</html>") as address:
        monkeypatch.setenv("BOTKEYS_URL", address)
        ended = nobody("keys", "list")
    assert ended.status == 1
    assert f"The answer (HTTP {status}) is not one of a Botkeys service" in ended.err


def test_a_list_has_all_pages(cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands_service, "_PAGE", 2)
    for number in range(5):
        assert cli("bots", "add", f"bot {number}").status == 0
    names = [item["name"] for item in cli("bots", "list", "--json").document["items"]]
    assert names == [f"bot {number}" for number in reversed(range(5))]
    assert all(name in cli("bots", "list").out for name in names)


def test_a_name_must_be_of_one(cli: Run) -> None:
    assert cli("bots", "add", "twin").status == 0
    assert cli("bots", "add", "twin").status == 0
    two = cli("bots", "show", "twin")
    assert two.status == 64
    assert "2 bots are called twin" in two.err
    none = cli("bots", "show", "nobody")
    assert none.status == 77
    assert "botkeys bots list" in none.err
    assert cli("bots", "show", str(uuid4())).status == 77


def test_a_key_pair_awaits_its_api_key_alone(cli: Run, tmp_path: Path) -> None:
    made = cli("keys", "pair", "binanceusdm", "-e", "testnet", "--label", "pair", "--json").document
    assert made["key"]["awaiting_api_key"]
    text = cli("keys", "pair", "binance", "-e", "testnet", "-c", "inverse").out
    assert "-----BEGIN PUBLIC KEY-----\n" in text
    assert "botkeys keys replace" in text
    api_key = written(tmp_path, "made-up-key-of-a-pair")
    completed = cli("keys", "replace", "pair", "--credentials", api_key, "--no-verify", "--json")
    assert completed.document["awaiting_api_key"] is False
    assert cli("keys", "pair", "okx", "-e", "testnet", "-c", "linear").status == 64


def passivbot() -> Json:
    bybit, okx = of("bybit"), of("okx")
    return {
        "_comment": "users",
        "first": {"exchange": "bybit", "key": bybit["api_key"], "secret": bybit["api_secret"]},
        "wrong": {"exchange": "kucoin", "key": "made-up", "secret": "made-up", "passphrase": "x"},
        "elsewhere": {"exchange": "hyperliquid", "private_key": "0x1"},
        "last": {
            "exchange": "okx",
            "key": f' "{okx["api_key"]}" ',
            "secret": okx["api_secret"],
            "passphrase": okx["api_passphrase"],
        },
    }


def test_of_a_file_the_right_keys_go_in_once(cli: Run, tmp_path: Path) -> None:
    file = written(tmp_path, passivbot())
    options = (file, "--environment", "testnet")
    planned = cli("keys", "import", *options, "--dry-run", "--json")
    assert planned.status == 65
    assert planned.document["counts"] == {"planned": 3, "unusable": 1}
    assert cli("keys", "import", *options).status == 64, "nobody agreed"
    assert cli("keys", "list", "--json").document == {"items": []}

    first = cli("keys", "import", *options, "--yes", "--json")
    assert first.status == 65
    assert [item["status"] for item in first.document["items"]] == [
        "added",
        "refused",
        "unusable",
        "added",
    ]
    assert all(
        (item["detail"] is None) == (item["status"] == "added") for item in first.document["items"]
    )
    again = cli("keys", "import", *options, "--yes")
    assert again.status == 65
    assert again.out.count("already there") == 2
    stored = cli("keys", "list", "--json").document["items"]
    assert sorted(item["label"] for item in stored) == ["first", "last"]
    ids = {item["key_id"] for item in first.document["items"]} - {None}
    assert ids == {item["id"] for item in stored}


def test_a_file_with_right_keys_alone_succeeds(cli: Run, tmp_path: Path) -> None:
    own = {"label": "mine", "exchange": "bybit", "environment": "testnet", **of("bybit")}
    file = written(tmp_path, {"keys": [own]})
    file.chmod(0o644)
    ended = cli("keys", "import", file, "--yes")
    assert ended.status == 0
    assert f"chmod 600 {file}" in ended.err
    assert cli("keys", "import", file, "--yes").status == 0


def test_an_import_stops_where_the_token_is_refused(
    cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOTKEYS_TOKEN_FILE", str(written(tmp_path, "no-token", "token-of-nobody")))
    ended = cli("keys", "import", written(tmp_path, passivbot()), "--yes", "--json")
    assert ended.status == 77
    assert ended.document["counts"] == {"not_tried": 3, "unusable": 1}


def test_a_check_can_be_led_to_one_address(
    nobody: Run, exchange_hosts: str, tmp_path: Path
) -> None:
    address = json.loads(exchange_hosts)["okx"]["testnet"]["rest_eea"]
    options = ("-e", "testnet", "--credentials", written(tmp_path, of("okx")), "--json")
    assert nobody("check", "myokx", *options, "--host", address).status == 0
    beyond = nobody("check", "myokx", *options, "--host", "http://192.0.2.1")
    assert beyond.status == 64
    assert "https" in beyond.err


@pytest.mark.parametrize(
    ("exchange", "variant", "status", "outcome", "sentence"),
    [
        ("okx", "trade", 0, "valid", "bind it to those of your bots"),
        ("okx", "withdraw", 78, "dangerous", "can withdraw the funds"),
        ("myokx", "revoked", 77, "refused", ""),
        ("bybit", "ip_bound", 77, "refused", "this machine"),
        ("deribit", "readonly", 0, "valid", "cannot trade"),
        ("binanceusdm", "trade", 0, "valid", "does not say whether the key can withdraw"),
        ("bybit", "expiring", 0, "valid", "The key ends in"),
    ],
)
def test_a_check_needs_no_service(
    exchange: str,
    variant: str,
    status: int,
    outcome: str,
    sentence: str,
    nobody: Run,
    exchange_hosts: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("BOTKEYS_URL")
    monkeypatch.delenv("BOTKEYS_TOKEN_FILE")
    monkeypatch.setenv("BOTKEYS_EXCHANGE_HOSTS", exchange_hosts)
    ours = {"myokx": "okx", "binanceusdm": "binance"}.get(exchange, exchange)
    given = {name: f" '{text} '\n" for name, text in of(ours, variant).items()}
    given["api_passphrase"] = of(ours, variant).get("api_passphrase", "")
    options = (exchange, "-e", "testnet", "--credentials", written(tmp_path, given))
    found = nobody("check", *options, "--json")
    assert found.status == status, found
    document = found.document
    assert (document["outcome"], document["exchange"]) == (outcome, ours)
    assert sentence in " ".join(document["advice"])
    assert {each["change"] for each in document["adjusted"]} == {"white_space", "quotes"}
    shown = nobody("check", *options)
    assert shown.status == status
    assert all(line in shown.out for line in document["advice"])


def test_a_check_tells_apart_what_cannot_be_right_and_what_does_not_answer(
    nobody: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bybit = of("bybit")
    nowhere = f"http://127.0.0.1:{free_port()}"
    hosts = {"bybit": {"testnet": {"rest_global": nowhere}}}
    monkeypatch.setenv("BOTKEYS_EXCHANGE_HOSTS", json.dumps(hosts))
    lines = written(tmp_path, f"{bybit['api_key']}\n\n{bybit['api_secret']}\n")
    unreachable = nobody("check", "bybit", "-e", "testnet", "--credentials", lines, "--json")
    assert unreachable.status in {64, 69}, unreachable
    for content, code in (
        ({"api_key": bybit["api_secret"], "api_secret": bybit["api_key"]}, "credentials_swapped"),
        ({"api_key": "two words", "api_secret": "x"}, "malformed_credentials"),
        ("only-one-line\n", "credentials_missing"),
        ("1\n2\n3\n4\n", "credentials_missing"),
        ("", "credentials_missing"),
    ):
        path = written(tmp_path, content)
        ended = nobody("check", "bybit", "-e", "testnet", "--credentials", path, "--json")
        assert (ended.status, ended.document["error"]["code"]) == (65, code)


WRONG: Sequence[tuple[tuple[str, ...], str]] = (
    (("check", "ftx", "-e", "live"), "There is no such exchange"),
    (("check", "binnance", "-e", "live"), "Did you mean binance?"),
    (("check", "binanceusdm", "-e", "live", "-c", "inverse"), "linear contracts only"),
    (("check", "okx", "-e", "live", "--region", "mars"), "global, eea, us"),
    (("check", "gemini", "-e", "live", "-c", "inverse"), "linear contracts only"),
    (("check", "okx", "-e", "live"), "There is no terminal to ask on"),
    (("keys", "add", "okx", "-e", "live"), "--contract-type linear or inverse"),
    (("keys", "list", "--url", "http://keys.example.org"), "use https://"),
    (("keys", "list", "--url", ""), "--url or BOTKEYS_URL"),
    (("keys", "list", "--token-file", "/nowhere/token"), "No such file"),
    (("keys", "change", "x"), "Nothing to change"),
    (("keys", "freeze"), "Name one of these"),
    (("bots", "change", "x"), "Nothing to change"),
)


@pytest.mark.parametrize(("arguments", "sentence"), WRONG)
def test_wrong_usage_is_a_sentence(arguments: tuple[str, ...], sentence: str, nobody: Run) -> None:
    ended = nobody(*arguments)
    assert ended.status == 64
    assert sentence in ended.err
    assert ended.out == ""
    assert nobody(*arguments, "--json").document["exit_status"] == 64


def every_command() -> Iterator[tuple[str, ...]]:
    """Yield the words of every command that the SDK has."""

    def walk(group: Any, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                yield from walk(command, (*words, name))
            else:
                yield (*words, name)

    yield from walk(typer.main.get_group(own_commands()), ())


def test_the_documentation_names_every_command_and_status() -> None:
    text = (ROOT / "docs" / "cli.md").read_text()
    table = text.split("## Which service")[0]
    for words in every_command():
        assert re.search(rf"`(botkeys {' '.join(words)}|{words[-1]})\b", table), words
    statuses = {int(found) for found in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}
    assert statuses == set(Ending)


AWAY: dict[tuple[str, ...], tuple[str, ...]] = {
    ("assets", "add"): ("a", "BTC-USDT-SWAP", "--leverage", "5"),
    ("assets", "change"): ("a", "BTC-USDT-SWAP", "--disabled"),
    ("assets", "list"): ("a",),
    ("assets", "remove"): ("a", "BTC-USDT-SWAP"),
    ("assets", "search"): ("a", "btc"),
    ("bots", "add"): ("a",),
    ("bots", "assign"): ("a", "b"),
    ("bots", "change"): ("a", "--paused"),
    ("bots", "delete"): ("a", "--yes"),
    ("bots", "list"): (),
    ("bots", "release"): ("a",),
    ("bots", "show"): ("a",),
    ("bots", "token"): ("a",),
    ("keys", "add"): ("okx", "-e", "testnet", "-c", "linear", "--credentials", "FILE"),
    ("keys", "change"): ("a", "--active"),
    ("keys", "delete"): ("a", "--yes"),
    ("keys", "freeze"): ("--all",),
    ("keys", "freezes"): (),
    ("keys", "import"): ("FILE", "--yes"),
    ("keys", "list"): (),
    ("keys", "pair"): ("binance", "-e", "testnet", "-c", "linear"),
    ("keys", "replace"): ("a", "--credentials", "FILE"),
    ("keys", "show"): ("a",),
    ("keys", "unfreeze"): ("--all",),
}
WITHOUT_A_SERVICE = {("check",)}
WITHOUT_JSON = {("run",)}  # its output is its program's


def test_every_command_has_a_row_here() -> None:
    assert set(every_command()) == set(AWAY) | WITHOUT_JSON | WITHOUT_A_SERVICE


@pytest.mark.parametrize("words", AWAY)
def test_every_command_says_as_json_that_the_service_is_away(
    words: tuple[str, ...], nobody: Run, tmp_path: Path
) -> None:
    own = {"label": "mine", "exchange": "okx", "environment": "testnet", **of("okx")}
    file = written(tmp_path, {"keys": [own], **own})
    arguments = [str(file) if word == "FILE" else word for word in AWAY[words]]
    ended = nobody(*words, *arguments, "--json")
    assert ended.status == 69, ended
    document = ended.document
    if words == ("keys", "import"):
        assert document["counts"] == {"not_tried": 1}
    else:
        assert document["error"]["code"] == "unreachable"
        assert "does the service run there?" in ended.err


ODD: Json = {
    "items": [{"id": 5, "name": "a", "label": "a"}],
    "id": str(uuid4()),
    "key": 5,
    "counts": [],
    "verification": [],
    "next_cursor": None,
}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, ODD),
        long(500, "<html>A page</html>"),
        long(200, "<html>A page</html>"),
        long(200, []),
        long(200, {}),
        long(200, {"items": [5], "next_cursor": None}),
        long(200, {"items": [], "next_cursor": "the same"}),
        long(200, {**ODD, "items": [{"id": ODD["id"], "name": "a", "label": "a"}]}),
        long(418, ODD),
        long(204, ""),
    ],
)
def test_no_answer_of_something_else_leads_to_a_traceback(
    status: int, body: Any, nobody: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {"label": "mine", "exchange": "okx", "environment": "testnet", **of("okx")}
    file = written(tmp_path, {"keys": [own], **own})
    content = body if isinstance(body, str) else json.dumps(body)
    with something_else(status, content.encode()) as address:
        monkeypatch.setenv("BOTKEYS_URL", address)
        for words, further in AWAY.items():
            arguments = [str(file) if word == "FILE" else word for word in further]
            shown = nobody(*words, *arguments)
            # Each refusal is a sentence; of an import, every key has its own.
            if shown.status != 0 and words != ("keys", "import"):
                assert shown.err.startswith("botkeys: "), shown


@contextmanager
def something_else(status: int, body: bytes) -> Iterator[str]:
    """Yield the address of a server that is no service."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815  # http.server's

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_as_a_process_it_prints_one_document(account: dict[str, str]) -> None:
    env = {**environment(), **account}
    done = subprocess.run(  # noqa: S603  # our own command
        [BOTKEYS, "keys", "list", "--json"], env=env, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == {"items": []}
    assert done.stderr == ""


def test_a_terminal_does_not_show_what_is_typed(exchange_hosts: str) -> None:
    """Also a private key of many lines, pasted with all else before the first question."""
    key = of("okx")
    env = {**environment(), "BOTKEYS_EXCHANGE_HOSTS": exchange_hosts, "TERM": "xterm"}
    lines = (key["api_key"], key["api_secret"], key["api_passphrase"])
    status, shown, echo = on_a_terminal(
        [str(BOTKEYS), "check", "okx", "-e", "testnet"], env, "".join(f"{line}\r" for line in lines)
    )
    assert status == 0, shown
    assert "accepted" in shown
    assert not any(line in shown for line in lines)
    assert echo, "the terminal shows again what is typed"


def test_a_terminal_is_as_before_after_ctrl_c(exchange_hosts: str) -> None:
    env = {**environment(), "BOTKEYS_EXCHANGE_HOSTS": exchange_hosts, "TERM": "xterm"}
    command = [str(BOTKEYS), "check", "binance", "-e", "testnet"]
    pem = "-----BEGIN PRIVATE KEY-----\rTWFkZSB1cA==\r"
    status, shown, echo = on_a_terminal(command, env, f"made-up-key\r{pem}\x03")
    assert status == 130, shown
    assert "TWFkZ" not in shown
    assert "Traceback" not in shown
    assert echo


def test_a_terminal_shows_what_is_deleted_and_asks(account: dict[str, str], cli: Run) -> None:
    assert cli("bots", "add", "grid").status == 0
    env = {**environment(), **account, "TERM": "xterm"}
    command = [str(BOTKEYS), "bots", "delete", "grid"]
    status, shown, _ = on_a_terminal(command, env, "n\r", "[y/N]")
    assert status == 1, shown
    assert "open positions" in shown
    assert "Nothing was changed." in shown
    assert cli("bots", "show", "grid").status == 0


def on_a_terminal(
    command: list[str], env: dict[str, str], typed: str, question: str = "API key"
) -> tuple[int, str, bool]:
    """Return the exit status, all that the terminal showed, and whether it echoes at the end."""
    parent, child = pty.openpty()
    process = subprocess.Popen(  # noqa: S603  # our own command
        command,
        env=env,
        stdin=child,
        stdout=child,
        stderr=child,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(child, termios.TIOCSCTTY, 0),  # noqa: PLW1509  # no lock
    )
    shown = ""
    sent = False
    deadline = time.monotonic() + PATIENCE
    try:
        while time.monotonic() < deadline:
            if select.select([parent], [], [], 0.05)[0]:
                shown += os.read(parent, 65_536).decode(errors="replace")
            elif process.poll() is not None:
                break
            if question in shown and not sent:
                os.write(parent, typed.encode())
                sent = True
        echo = bool(termios.tcgetattr(child)[3] & termios.ECHO)
        return process.wait(PATIENCE), shown, echo
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(parent)
        os.close(child)
