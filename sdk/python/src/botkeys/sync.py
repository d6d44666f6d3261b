"""The client for programs that are not asynchronous.

    from botkeys.sync import BotClient

    with BotClient("https://botkeys.example", token) as bot, bot.running():
        credentials = bot.credentials()

`BotClient` has the methods and properties of `botkeys.BotClient`, with the same parameters, results
and errors; a call returns when the other's `await` would. Its connections live in a thread of their
own. All other names, such as `Position` and the errors, are those of `botkeys.client`.
"""

import asyncio
import functools
import logging
import os
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Concatenate, NoReturn, ParamSpec, Self, TypeVar, final
from uuid import UUID

from botkeys.client import BotClient as AsyncBotClient
from botkeys.client import (
    BotClientError,
    BotConfig,
    ContractType,
    CredentialReport,
    Endpoints,
    Environment,
    HttpTransport,
    Pace,
    Secret,
    SuiteName,
)
from botkeys.client import CredentialCheck as AsyncCredentialCheck
from botkeys.client import ReleasedCredentials as AsyncReleasedCredentials
from botkeys.client.loop_thread import LoopThread

__all__ = ["BotClient", "CredentialCheck", "ReleasedCredentials"]

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")
_logger = logging.getLogger(__name__)


@final
class ReleasedCredentials:
    """A key's credentials, each to be `reveal()`ed only where a request is signed.

    They cannot be printed or pickled. `endpoints` are the base addresses for this key; `None` means
    unknown.
    """

    __slots__ = ("__credentials", "__thread")

    def __init__(self, credentials: AsyncReleasedCredentials, thread: LoopThread) -> None:
        self.__credentials = credentials
        self.__thread = thread

    @property
    def bot_id(self) -> UUID:
        return self.__credentials.bot_id

    @property
    def key_id(self) -> UUID:
        return self.__credentials.key_id

    @property
    def version(self) -> int:
        return self.__credentials.version

    @property
    def exchange(self) -> str:
        return self.__credentials.exchange

    @property
    def environment(self) -> Environment:
        return self.__credentials.environment

    @property
    def release_id(self) -> str:
        return self.__credentials.release_id

    @property
    def endpoints(self) -> Endpoints:
        return self.__credentials.endpoints

    @property
    def api_key(self) -> Secret:
        return self.__credentials.api_key

    @property
    def api_secret(self) -> Secret:
        return self.__credentials.api_secret

    @property
    def api_passphrase(self) -> Secret | None:
        return self.__credentials.api_passphrase

    @property
    def forgotten(self) -> bool:
        return self.__credentials.forgotten

    def forget(self) -> None:
        """Drop the plaintext, for every holder of this object. Later uses raise Forgotten."""
        if not self.forgotten:
            self.__thread.run(_soon(self.__credentials.forget))

    def when_dropped(self, call: Callable[[], None]) -> None:
        """Call this once the plaintext is gone, or now if it is: to drop a copy of it too.

        It is called in the client's thread, and must not call the client.
        """
        if self.forgotten:
            call()
        else:
            self.__thread.run(_soon(functools.partial(self.__credentials.when_dropped, call)))

    def dropped(self) -> None:
        """Wait until the plaintext is gone."""
        if not self.forgotten:
            self.__thread.run(self.__credentials.dropped())

    def __repr__(self) -> str:
        return repr(self.__credentials)

    def __reduce__(self) -> NoReturn:
        raise TypeError("ReleasedCredentials cannot be pickled or copied")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("ReleasedCredentials cannot be pickled or copied")


CredentialCheck = Callable[[ReleasedCredentials, ContractType, Endpoints], CredentialReport]
"""A check at the exchange's current address, called in a thread. Raises ExchangeError."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


async def _soon(work: Callable[[], _Result]) -> _Result:
    return work()


def _awaited(
    method: Callable[Concatenate[AsyncBotClient, _Parameters], Awaitable[_Result]],
) -> Callable[Concatenate["BotClient", _Parameters], _Result]:
    """Return the method that waits for the asynchronous client's."""

    @functools.wraps(method)
    def wait(
        self: "BotClient", /, *args: _Parameters.args, **options: _Parameters.kwargs
    ) -> _Result:
        async def work() -> _Result:
            return await method(self._client, *args, **options)

        return self._thread.run(work())

    return wait


def _handed_over(
    method: Callable[Concatenate[AsyncBotClient, _Parameters], _Result],
) -> Callable[Concatenate["BotClient", _Parameters], _Result]:
    """Return the method that calls the asynchronous client's in the client's thread."""

    @functools.wraps(method)
    def call(
        self: "BotClient", /, *args: _Parameters.args, **options: _Parameters.kwargs
    ) -> _Result:
        async def work() -> _Result:
            return method(self._client, *args, **options)

        return self._thread.run(work())

    return call


@final
class BotClient:
    """The client of one bot, for programs that are not asynchronous; see `botkeys.BotClient`.

    Any thread may call it. Ctrl-C, or another exception of a signal handler, ends a waiting call.
    A `transport` belongs to this client and is closed with it. Its thread ends with `close`, with
    the `with` block, or with the process; it does not exist in a process that was forked: make a
    client there.
    """

    def __init__(
        self,
        base_url: str,
        token: str | Secret,
        *,
        key_id: UUID | str | None = None,
        exchange: str | None = None,
        environment: Environment | str | None = None,
        minimum_version: int = 1,
        suite: SuiteName | str = SuiteName.MLKEM768_X25519,
        transport: HttpTransport | None = None,
        allow_insecure_http: bool = False,
        pace: Pace | None = None,
        check: CredentialCheck | None = None,
        clock: Callable[[], datetime] = _utc_now,
        outbox: str | os.PathLike[str] | None = None,
    ) -> None:
        self._thread = thread = LoopThread("botkeys")
        self._stop = weakref.finalize(self, thread.stop)
        self._transport = transport
        self._released: tuple[AsyncReleasedCredentials, ReleasedCredentials] | None = None

        async def make() -> AsyncBotClient:
            return AsyncBotClient(
                base_url,
                token,
                key_id=key_id,
                exchange=exchange,
                environment=environment,
                minimum_version=minimum_version,
                suite=suite,
                transport=transport,
                allow_insecure_http=allow_insecure_http,
                pace=pace,
                check=None if check is None else _in_a_thread(check, thread),
                clock=clock,
                outbox=outbox,
            )

        try:
            self._client = thread.run(make())
        except BaseException:
            self._stop()
            raise

    @property
    def account_id(self) -> UUID:
        return self._client.account_id

    @property
    def bot_id(self) -> UUID:
        return self._client.bot_id

    def credentials(self, *, fresh: bool = False) -> ReleasedCredentials:
        """Return the credentials in memory; fetch them if there are none, or if `fresh`.

        Each fetch uses a new key pair, is recorded, and counts towards the bot's limit of releases.
        It drops the credentials of an earlier fetch.
        """
        released = self._thread.run(self._client.credentials(fresh=fresh))
        known = self._released
        if known is None or known[0] is not released:
            known = self._released = (released, ReleasedCredentials(released, self._thread))
        return known[1]

    config = _awaited(AsyncBotClient.config)

    @property
    def newest_config(self) -> BotConfig | None:
        """The newest configuration known; reading it calls nobody."""
        return self._client.newest_config

    @property
    def config_age(self) -> float | None:
        """Seconds since the service last confirmed `newest_config`; `None` if none is known."""
        return self._thread.run(_soon(lambda: self._client.config_age))

    def changes(self) -> Iterator[BotConfig]:
        """Yield the configuration, then each change of it; a slow caller skips to the newest.

        Without `running`, only `config` finds changes. Raises NotAuthenticated once the token is
        refused, and ends when the client is closed.
        """
        changes = self._client.changes()
        while True:
            try:
                config = self._thread.run(_next(changes))
            except RuntimeError:
                if self._thread.closed:
                    return
                raise
            if config is None:
                return
            yield config

    heartbeat = _awaited(AsyncBotClient.heartbeat)
    run = _awaited(AsyncBotClient.run)

    @contextmanager
    def running(
        self,
        *,
        on_config: Callable[[BotConfig], object] | None = None,
        on_error: Callable[[BotClientError], object] | None = None,
    ) -> Generator[Self]:
        """Run `run` beside the block. If it fails, its error is raised at the end of the block.

        Nothing can interrupt the block itself: once the token is refused, every call of this client
        raises NotAuthenticated, and so does `changes`. `on_config` gets the configuration and each
        change of it, `on_error` the error with which `run` ended; both are called in a thread of
        their own, one after the other, and may call this client. What they raise is logged. The end
        of the block does not wait for them.
        """
        callbacks = ThreadPoolExecutor(1, "botkeys-callback")
        running = self._thread.begin(self._client.run())
        followed: Future[None] | None = None
        if on_config is not None:
            followed = self._thread.begin(_follow(self._client, callbacks, on_config))
        if on_error is not None:
            running.add_done_callback(
                functools.partial(_report_end, callbacks=callbacks, on_error=on_error)
            )
        try:
            yield self
        finally:
            ended = running.done()
            running.cancel()
            if followed is not None:
                followed.cancel()
            callbacks.shutdown(wait=False)
        if ended:
            self._thread.wait(running)

    positions = _awaited(AsyncBotClient.positions)
    open_position = _awaited(AsyncBotClient.open_position)
    renew = _awaited(AsyncBotClient.renew)
    opened = _handed_over(AsyncBotClient.opened)
    close_position = _handed_over(AsyncBotClient.close_position)
    report = _handed_over(AsyncBotClient.report)
    report_orders = _handed_over(AsyncBotClient.report_orders)
    record_trade = _handed_over(AsyncBotClient.record_trade)
    record_funding = _handed_over(AsyncBotClient.record_funding)
    record_equity = _handed_over(AsyncBotClient.record_equity)
    record_signal = _handed_over(AsyncBotClient.record_signal)
    record_event = _handed_over(AsyncBotClient.record_event)
    flush = _awaited(AsyncBotClient.flush)
    forget = _handed_over(AsyncBotClient.forget)

    def close(self) -> None:
        """Drop the plaintext and close; keep delivering for up to 5 seconds."""
        if self._thread.closed:
            return
        try:
            self._thread.wait(self._thread.begin(self._close(), last=True))
        finally:
            self._stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return repr(self._client)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a BotClient cannot be pickled or copied")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a BotClient cannot be pickled or copied")

    async def _close(self) -> None:
        try:
            await self._client.aclose()
        finally:
            if self._transport is not None:
                await self._transport.aclose()


def _in_a_thread(check: CredentialCheck, thread: LoopThread) -> AsyncCredentialCheck:
    """Return the caller's check as the asynchronous client needs it."""

    async def checked(
        held: AsyncReleasedCredentials, contract_type: ContractType, endpoints: Endpoints
    ) -> CredentialReport:
        return await asyncio.to_thread(
            check, ReleasedCredentials(held, thread), contract_type, endpoints
        )

    return checked


async def _next(changes: AsyncIterator[BotConfig]) -> BotConfig | None:
    return await anext(changes, None)


async def _follow(
    client: AsyncBotClient, callbacks: ThreadPoolExecutor, on_config: Callable[[BotConfig], object]
) -> None:
    """Call back for each configuration, until the token is refused or the client closed."""
    loop = asyncio.get_running_loop()
    with suppress(BotClientError):
        async for config in client.changes():
            await loop.run_in_executor(callbacks, _called, on_config, config)


def _report_end(
    running: Future[NoReturn],
    *,
    callbacks: ThreadPoolExecutor,
    on_error: Callable[[BotClientError], object],
) -> None:
    error = None if running.cancelled() else running.exception()
    # At the end of the block it is too late for a callback: the block raises the error.
    if isinstance(error, BotClientError):
        with suppress(RuntimeError):
            callbacks.submit(_called, on_error, error)


def _called(callback: Callable[[_Result], object], value: _Result) -> None:
    try:
        callback(value)
    except Exception:  # whatever a program raises, the next configuration is called back for
        _logger.exception("a callback of the program failed")
