"""Buckets that all processes share, through Valkey or Redis.

No request waits for the server as a rule. A process decides by what it knows, notes what it took,
and settles that every few milliseconds, many names in one call; the answer is what the others took.
Only a name of which the process took a twentieth of the quota since it last settled waits for the
answer. So all processes together let through the quota and at most a twentieth of it more for each
process, and in the long run exactly the rate, since what was too much is owed.

If the server does not answer, each process limits by itself, at once, and tries it again every
second.
"""

import asyncio
from collections.abc import Hashable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from app.kit.buckets import Buckets
from app.limits.problems import Problem, problem_of
from app.settings import SettingsError

if TYPE_CHECKING:
    from redis.asyncio import Redis

WAIT_SECONDS = 0.01
"""How long a request waits for an answer before its process decides alone."""
SETTLE_SECONDS = 0.02
"""How long the process gathers what it took before it settles."""
ANSWER_SECONDS = 0.25
"""How long the server may take for a call before it counts as away."""
CONNECT_SECONDS = 2.0
"""How long it may take for a connection, login and first call, when nobody waits for it.

A process that starts is busy with itself; its first call takes longer than any later one.
"""
RETRY_SECONDS = 1.0
SHARE = 20
_NAMES_AT_ONCE = 500
_PREFIX = "botkeys:limits"

# Times are the server's. KEYS are names; ARGV are, by name, the seconds that its requests take to
# be given again. Returns, by name, the seconds until its bucket is full.
_SETTLE = """
local now = redis.call('TIME')
now = now[1] + now[2] / 1000000
local left = {}
for i, name in ipairs(KEYS) do
    local full_at = tonumber(redis.call('GET', name) or '0')
    if full_at < now then full_at = now end
    full_at = full_at + tonumber(ARGV[i])
    local seconds = full_at - now
    redis.call('SET', name, string.format('%.6f', full_at), 'PX', math.ceil(seconds * 1000) + 1)
    left[i] = string.format('%.6f', seconds)
end
return left
"""

log = structlog.get_logger("botkeys.limits")
_Entry = tuple["SharedBuckets", Hashable]


class SharedStore:
    """The connection of a process to the server at `url`, and what it has yet to settle there.

    With `rediss://`, the authorities in `ca_file` are trusted besides the public ones.
    """

    def __init__(self, url: str, ca_file: Path | None = None) -> None:
        self._client, self._error = _open(url, ca_file)
        self.connected = False
        """Whether the server answered the last call; otherwise each process limits by itself."""
        self._warned: set[str] = set()
        """What the log has reported of the server since it last counted."""
        self._owed: dict[_Entry, int] = {}
        self._settling: dict[_Entry, int] = {}
        self._work = asyncio.Event()
        self._urgent = asyncio.Event()
        self._settled = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Try the server once, for `CONNECT_SECONDS` at most, and keep at it in the background.

        So limits are shared from the first request on, and a server that is away delays no more
        than that.
        """
        await self._connect()
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        while self._task is not None and not self._task.done():
            # More than once: while it connects, the client may raise its own error instead.
            self._task.cancel()
            await asyncio.wait([self._task], timeout=SETTLE_SECONDS)
        with suppress(self._error, OSError):
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._client.aclose()

    async def problem(self) -> Problem | None:
        """Try the server once; return what is wrong, `None` if it counts."""
        try:
            async with asyncio.timeout(RETRY_SECONDS):
                await self._try_counting()
        except (self._error, OSError, TimeoutError) as error:
            return problem_of(error)
        return None

    def owed(self, buckets: "SharedBuckets", name: Hashable) -> int:
        """Return how many requests of this name the server has not yet confirmed."""
        entry = (buckets, name)
        return self._owed.get(entry, 0) + self._settling.get(entry, 0)

    def owed_since(self, buckets: "SharedBuckets", name: Hashable) -> int:
        """Return how many of them came after the call that the server is answering."""
        return self._owed.get((buckets, name), 0)

    def owe(self, buckets: "SharedBuckets", name: Hashable) -> None:
        entry = (buckets, name)
        self._owed[entry] = self._owed.get(entry, 0) + 1
        self._work.set()

    async def settle_soon(self) -> bool:
        """Wait for the next answer; return whether it came in time."""
        self._urgent.set()
        settled = self._settled
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await settled.wait()
        except TimeoutError:
            return False
        return self.connected

    async def _run(self) -> None:
        while True:
            if self.connected or await self._connect():
                await self._share()
            await asyncio.sleep(RETRY_SECONDS)

    async def _connect(self) -> bool:
        """Return whether the server is there and counts."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._try_counting()
        except Exception as error:  # noqa: BLE001  # no answer may end the sharing for good
            await self._disconnect(error)
            return False
        self.connected = True
        if self._warned:
            self._warned.clear()
            log.info("limits_shared_again")
        return True

    async def _try_counting(self) -> None:
        """Have the server write as it does for requests, though nothing that lasts."""
        await self._client.eval(_SETTLE, 1, f"{_PREFIX}:check", "0")

    async def _share(self) -> None:
        """Settle what requests take, until that fails."""
        try:
            while True:
                await self._work.wait()
                with suppress(TimeoutError):
                    async with asyncio.timeout(SETTLE_SECONDS):
                        await self._urgent.wait()
                await self._settle()
        except Exception as error:  # noqa: BLE001  # no answer may end the sharing for good
            await self._disconnect(error)

    async def _disconnect(self, error: Exception) -> None:
        self.connected = False
        self._owed.clear()
        self._settling = {}
        self._answered()
        problem = problem_of(error)
        if problem.what not in self._warned:
            self._warned.add(problem.what)
            log.warning(
                "limits_not_shared",
                exception=type(error).__name__,
                detail=f"The server of BOTKEYS_LIMITS_URL {problem}. Until that changes, each "
                "process limits requests by itself.",
            )
        with suppress(self._error, OSError):
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._client.connection_pool.disconnect()

    def _answered(self) -> None:
        """Wake all that wait, and let those that come later wait for the next answer."""
        self._settled.set()
        self._settled = asyncio.Event()

    async def _settle(self) -> None:
        self._work.clear()
        self._urgent.clear()
        self._settling, self._owed = self._owed, {}
        taken = list(self._settling.items())
        for start in range(0, len(taken), _NAMES_AT_ONCE):
            part = taken[start : start + _NAMES_AT_ONCE]
            names = [buckets.key(name) for (buckets, name), _ in part]
            costs = [f"{count * buckets.interval:.9f}" for (buckets, _), count in part]
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await self._client.eval(_SETTLE, len(names), *names, *costs)
            for ((buckets, name), _), seconds in zip(part, answer, strict=True):
                buckets.settled(name, float(seconds))
        self._settling = {}
        self._answered()


def _open(url: str, ca_file: Path | None) -> "tuple[Redis, type[Exception]]":
    """Return the client of a server, and the error that it raises.

    It is imported where it is used: a process that shares no limits does without its memory.
    """
    try:
        from redis.asyncio import Redis  # noqa: PLC0415
        from redis.asyncio.retry import Retry  # noqa: PLC0415
        from redis.backoff import NoBackoff  # noqa: PLC0415
        from redis.exceptions import RedisError  # noqa: PLC0415
    except ImportError:
        raise SettingsError(
            "BOTKEYS_LIMITS_URL is set, but the client for it is not installed. Install "
            "botkeys-server[limits]."
        ) from None
    trusted: dict[str, Any] = {}
    if ca_file is not None and url.startswith("rediss://"):
        trusted["ssl_ca_certs"] = str(ca_file)  # unless the address names a file itself
    try:
        client = Redis.from_url(
            url,
            socket_timeout=CONNECT_SECONDS,  # each call has its own, shorter one
            socket_connect_timeout=CONNECT_SECONDS,
            retry=Retry(NoBackoff(), 0),
            max_connections=1,
            client_name="botkeys",
            **trusted,
        )
    except (ValueError, TypeError, RedisError):
        raise SettingsError("BOTKEYS_LIMITS_URL is not an address of a server.") from None
    return client, RedisError


class SharedBuckets:
    """Buckets of one kind, shared through the store if there is one and it answers.

    `kind` is the first part of their names at the server.
    """

    def __init__(self, kind: str, buckets: Buckets, store: SharedStore | None) -> None:
        self._kind = kind
        self._buckets = buckets
        self._store = store
        self.interval = buckets.interval
        self._unsettled = max(1, buckets.quota // SHARE)

    def wait(self, name: Hashable) -> float:
        """Return the seconds until there is a request to take, by what this process knows."""
        return self._buckets.wait(name)

    async def take(self, name: Hashable) -> float:
        """Take one request and return 0, or take none and return the seconds until there is one."""
        store = self._store
        if store is None or not store.connected:
            return self._buckets.take(name)
        while (
            store.owed(self, name) >= self._unsettled
            and not self._buckets.wait(name)
            and await store.settle_soon()
        ):
            pass
        wait = self._buckets.take(name)
        if not wait:
            store.owe(self, name)
        return wait

    def key(self, name: Hashable) -> str:
        return f"{_PREFIX}:{self._kind}:{name}"

    def settled(self, name: Hashable, seconds: float) -> None:
        """Take over how full the shared bucket is, and what was taken since the call was sent."""
        store = self._store
        since = 0 if store is None else store.owed_since(self, name)
        self._buckets.fill(name, seconds + since * self.interval)
