"""The client for programs that are not asynchronous."""

import asyncio
import inspect
import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, assert_type, get_type_hints
from uuid import UUID

import pytest

import botkeys.sync
from botkeys.client import BotClient as AsyncBotClient
from botkeys.client import (
    BotClientError,
    BotConfig,
    ContractType,
    CredentialReport,
    Endpoints,
    Forgotten,
    Heartbeat,
    HttpTransport,
    MayNotOpen,
    NotAuthenticated,
    Pace,
    Permissions,
    Position,
    ReportsPending,
    Secret,
)
from botkeys.client import ReleasedCredentials as AsyncReleasedCredentials
from botkeys.sync import BotClient, ReleasedCredentials
from tests.sdk.client.books import opened_books
from tests.sdk.client.conftest import Service
from tests.sdk.client.reporting_bot import position
from tests.sdk.client.runtime import LIMITS, NO_SUCH_ROUTE, Runtime

ROOT = Path(__file__).parents[3]
PATIENCE = 30.0
QUICK = Pace(heartbeat=0.1, shortest_pause=0.01, longest_pause=0.02, records=0.01, first_check=0.01)
REVOKED = (401, {"code": "unauthenticated", "detail": "Who are you?"})
RENAMED = {"aclose": "close", "__aenter__": "__enter__", "__aexit__": "__exit__"}


@pytest.fixture
def runtime(service: Service) -> Runtime:
    """Return a service without a stream: changes are found by polling."""
    return Runtime(service, faults={"stream": NO_SUCH_ROUTE})


def accept(
    held: ReleasedCredentials, contract_type: ContractType, endpoints: Endpoints
) -> CredentialReport:
    del contract_type, endpoints
    assert held.api_key.reveal().startswith("PLANTED")
    return CredentialReport(Permissions())


def client(runtime: Runtime, **options: Any) -> BotClient:
    transport = HttpTransport(LIMITS, transport=runtime)
    options = {"check": accept, "pace": QUICK, **options}
    return BotClient("http://127.0.0.1", runtime.service.token, transport=transport, **options)


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("botkeys")}


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def surface(cls: type) -> set[str]:
    return {name for name in dir(cls) if not name.startswith("_")} | {
        name for name in vars(cls) if name in {"__enter__", "__exit__", "__aenter__", "__aexit__"}
    }


def as_blocking(hints: dict[str, Any]) -> dict[str, Any]:
    """Return the types of an asynchronous method as those of its counterpart."""
    same = {
        AsyncIterator[BotConfig]: Iterator[BotConfig],
        AsyncReleasedCredentials: ReleasedCredentials,
        AsyncBotClient: BotClient,
    }
    return {name: same.get(hint, hint) for name, hint in hints.items()}


def test_the_module_exports_these_names() -> None:
    assert botkeys.sync.__all__ == ["BotClient", "CredentialCheck", "ReleasedCredentials"]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(BotClient, AsyncBotClient), (ReleasedCredentials, AsyncReleasedCredentials)],
)
def test_it_has_the_methods_and_properties_of_the_asynchronous_one(
    ours: type, theirs: type
) -> None:
    of_instances = {name for name in getattr(theirs, "__slots__", ()) if not name.startswith("_")}
    assert surface(ours) == {RENAMED.get(name, name) for name in surface(theirs)} | of_instances


def methods() -> list[str]:
    found = surface(AsyncBotClient) | {"__init__"}
    return sorted(n for n in found if inspect.isfunction(getattr(AsyncBotClient, n)))


@pytest.mark.parametrize("name", methods())
def test_a_method_has_the_parameters_and_the_result_of_the_asynchronous_one(name: str) -> None:
    theirs = getattr(AsyncBotClient, name)
    ours = inspect.unwrap(getattr(BotClient, RENAMED.get(name, name)))
    given, expected = (dict(inspect.signature(each).parameters) for each in (ours, theirs))
    types, expected_types = get_type_hints(ours), as_blocking(get_type_hints(theirs))
    if name == "running":  # whose block nothing can interrupt
        for more in ("on_config", "on_error"):
            assert given.pop(more).default is None
            types.pop(more)
        theirs_returns = expected_types.pop("return")
        assert theirs_returns.__name__ == "AsyncGenerator"
        assert types.pop("return").__name__ == "Generator"
    if name == "__init__":  # whose check is not asynchronous
        assert types.pop("check") == botkeys.sync.CredentialCheck | None
        expected_types.pop("check")
    for parameters in (given, expected):
        for parameter in list(parameters):
            default = parameters[parameter].default
            shown = getattr(default, "__name__", default)
            parameters[parameter] = (parameters[parameter].kind, shown)  # type: ignore[assignment]
    assert given == expected
    assert types == expected_types
    assert not inspect.iscoroutinefunction(getattr(BotClient, RENAMED.get(name, name)))


def typed(bot: BotClient, one: Position) -> None:
    """Hold the types that a program's type checker sees; it is not called."""
    with bot as same, bot.running() as again:
        assert_type(same, BotClient)
        assert_type(again, BotClient)
    assert_type(bot.config(), BotConfig)
    assert_type(bot.changes(), Iterator[BotConfig])
    assert_type(bot.heartbeat(), Heartbeat)
    assert_type(bot.credentials(fresh=True), ReleasedCredentials)
    assert_type(bot.credentials().api_secret, Secret)
    assert_type(bot.positions(), list[Position])
    assert_type(bot.open_position("BTC", "long", Decimal(1), leverage=Decimal(2)), Position)
    assert_type(bot.opened(one, entry_price=Decimal(1)), Position)
    assert_type(bot.record_trade(one, exit_reason="target"), str)
    assert_type(bot.bot_id, UUID)
    bot.record_trade(one, exit_raison="target")  # type: ignore[call-arg]
    bot.opened(one)  # type: ignore[call-arg]
    bot.renew("p1")  # type: ignore[arg-type]


def test_a_program_gets_credentials_and_reports_what_it_does(runtime: Runtime) -> None:
    with client(runtime) as bot, bot.running():
        held = bot.credentials()
        assert held.api_secret.reveal() == "PLANTED-api-secret"
        assert bot.credentials() is held
        assert (held.exchange, held.version, held.forgotten) == ("okx", 3, False)
        assert repr(held) == f"ReleasedCredentials(bot={bot.bot_id}, key={held.key_id})"
        until(lambda: bot.newest_config)
        assert bot.config() == bot.newest_config
        assert 0 <= (bot.config_age or 0) < PATIENCE
        assert bot.heartbeat().may_open_positions
        until(lambda: any("credentials" in call.body for call in runtime.to("heartbeat")))
        opening = bot.open_position("BTC-USDT-SWAP", "long", Decimal("0.5"))
        bot.opened(opening, entry_price=Decimal(97_000))
        bot.report_orders({"BTC-USDT-SWAP": 1})
        bot.record_trade(position(1))
        bot.flush(PATIENCE)
        assert [each.id for each in bot.positions()] == [opening.id]
        until(lambda: runtime.to("orders"))
        waiting = threading.Thread(target=held.dropped)
        waiting.start()
        heard: list[str] = []
        held.when_dropped(lambda: heard.append(threading.current_thread().name))
        assert heard == []
        bot.forget()
        assert heard == ["botkeys"]
        held.when_dropped(heard.clear)
        assert heard == []
        waiting.join(PATIENCE)
        assert not waiting.is_alive()
        held.forget()
        held.dropped()
        with pytest.raises(Forgotten):
            _ = held.api_key
        assert bot.credentials() is not held
    assert set(runtime.records) == {"trades/p1"}
    assert not threads()


def test_errors_are_those_of_the_asynchronous_client(runtime: Runtime) -> None:
    with pytest.raises(ValueError, match="minimum_version"):
        client(runtime, minimum_version=2)
    assert not threads()
    blocked = {"code": "frozen", "detail": "Frozen.", "blocked_by": ["frozen", "bot_paused"]}
    runtime.faults["positions"] = (409, blocked)
    with client(runtime) as bot:
        with pytest.raises(MayNotOpen) as caught:
            bot.open_position("BTC-USDT-SWAP", "long", Decimal(1))
        assert caught.value.reasons == ("frozen", "bot_paused")
        runtime.down = True
        bot.record_trade(position(1))
        with pytest.raises(ReportsPending):
            bot.flush(0.01)
        runtime.down = False


def test_many_threads_may_call_it(runtime: Runtime) -> None:
    with client(runtime) as bot, bot.running(), ThreadPoolExecutor(8) as pool:

        def record(number: int) -> str:
            bot.config()
            return bot.record_trade(position(number))

        names = set(pool.map(record, range(200)))
        bot.flush(PATIENCE)
    assert set(runtime.records) == {f"trades/{name}" for name in names}
    assert len(names) == 200


def test_changes_come_to_an_iterator_and_to_a_callback(
    runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[object] = []

    def hear(config: BotConfig) -> None:
        heard.append(config.version)
        assert bot.config().version == config.version
        if config.version == 1:
            raise ValueError("a fault of the program")

    with client(runtime) as bot:
        with bot.running(on_config=hear):
            changes = bot.changes()
            assert next(changes).version == 1
            until(lambda: heard == [1])
            runtime.change(may_open_positions=False)
            assert next(changes).may_open_positions is False
            until(lambda: heard == [1, 2])
        closing = threading.Timer(0.05, bot.close)
        closing.start()
        assert list(changes) == []
        closing.join()
    [record] = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert record.name == "botkeys.sync"


def test_a_refused_token_ends_waiting_calls_the_callback_and_the_block(runtime: Runtime) -> None:
    heard: list[BotClientError] = []

    def work(bot: BotClient) -> None:
        with bot.running(on_error=heard.append):
            changes = bot.changes()
            next(changes)
            runtime.faults |= {"config": REVOKED, "heartbeat": REVOKED}
            with pytest.raises(NotAuthenticated):
                next(changes)
            with pytest.raises(NotAuthenticated):
                bot.heartbeat()
            until(lambda: heard)

    with client(runtime) as bot:
        with pytest.raises(NotAuthenticated):
            work(bot)
        assert isinstance(heard[0], NotAuthenticated)
        with pytest.raises(NotAuthenticated):
            bot.run()


def test_a_call_that_could_never_return_is_refused(runtime: Runtime) -> None:
    def clock() -> datetime:
        if made:
            made[0].config()
        return datetime.now(UTC)

    made: list[BotClient] = []
    bot = client(runtime, clock=clock)
    made.append(bot)
    with pytest.raises(RuntimeError, match="from its own thread"):
        bot.record_event("one", "two")
    made.clear()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: next(bot.changes(), None))
        flushed = pool.submit(bot.config)
        time.sleep(0.05)
        bot.close()
        assert waiting.result() is None
        with pytest.raises(RuntimeError, match="is closed"):
            flushed.result()
    bot.close()


def test_a_client_that_nobody_closed_leaves_no_thread(runtime: Runtime) -> None:
    bot = client(runtime)
    bot.config()
    assert threads() == {"botkeys"}
    del bot
    assert not threads()


def test_it_works_beside_a_running_loop(runtime: Runtime) -> None:
    async def work() -> None:
        with client(runtime) as bot:
            bot.config()

    asyncio.run(work())


def test_ctrl_c_ends_a_waiting_call_and_the_program_goes_on(
    service: Service, tmp_path: Path
) -> None:
    token, ready = tmp_path / "token", tmp_path / "ready"
    token.write_text(service.token.reveal())
    with opened_books() as books:
        process = subprocess.Popen(  # noqa: S603  # our own interpreter
            [
                *(sys.executable, "-m", "tests.sdk.client.interrupted_bot"),
                *(books.url, str(token), str(ready)),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        until(lambda: ready.exists() or process.poll() is not None)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=PATIENCE)[0] == ""
    assert process.returncode == 7
