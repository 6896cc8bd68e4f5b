"""The connection to Redis: the one module that imports redis-py and the bridge to its event loop.

The hard part is not being there. A call has a short deadline; the first one that is lost makes the whole
link *away*, and from then on every call is refused at once, without a packet, so that an outage costs the
few calls that were under way one deadline each and nobody else anything. A probe in the background looks
whether the server can be reached, answers fast, takes writes and belongs to this installation; then the
link is *there* again and whoever has to catch up is told.

A call is one asyncio coroutine that is entered once. When trio cancels it, redis-py closes the connection
that it used, so no answer can reach the wrong question.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeAlias, TypeVar

import msgspec
import redis.asyncio as aioredis
import structlog
import trio
import trio_asyncio
from redis.backoff import NoBackoff
from redis.commands.core import AsyncScript
from redis.exceptions import (
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.retry import Retry

from actors.model.clock import Clock
from actors.model.shared import SharedAway, Standing

T = TypeVar("T")
Client: TypeAlias = "aioredis.Redis"

SLOW_CALLS = 5
"""So many slow calls with no fast one between them make the link away, as if it were lost."""

FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 2.0
STEADY_SECONDS = 10.0
CONNECTIONS = 8

OWNER_KEY = "tradewarden:installation"
PROBE_KEY = "tradewarden:probe"
PROBE_LIVES_MS = 60_000

_CANNOT = (BusyLoadingError, ClusterDownError, MasterDownError, OutOfMemoryError, ReadOnlyError)
_CANNOT_TEXTS = ("OOM", "MISCONF", "NOREPLICAS", "BUSY", "NOAUTH")
"""Answers that say that the server can't work; any other refusal is about this one call."""

_log = structlog.get_logger(room="redis")


class BadAddress(ValueError):
    """The address can't be read; it is not repeated, since it may hold a password."""


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long the server may take: for a call until it is lost, for a call until it counts as slow, and for
    each step of a probe.
    """

    call_seconds: float = 0.25
    slow_seconds: float = 0.05
    probe_seconds: float = 1.0


class Script:
    """A Lua script; it is sent once for each server and then called by its hash."""

    def __init__(self, text: str) -> None:
        self.text = text


class LinkStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What the link has seen: `calls` by (part, outcome), outcome done, refused, lost or skipped."""

    standing: Standing
    losses: int
    calls: dict[tuple[str, str], int]


class RedisLink:
    """One Redis server. To be used inside `open_bridge`; `keep` has to run. `owner` is this installation: a
    database that another one uses is refused. Raises BadAddress.
    """

    def __init__(self, url: str, *, owner: str, clock: Clock, patience: Patience | None = None) -> None:
        self._patience = patience or Patience()
        try:
            self._pool = aioredis.BlockingConnectionPool.from_url(
                url,
                max_connections=CONNECTIONS,
                timeout=self._patience.call_seconds,
                socket_timeout=self._patience.probe_seconds,
                socket_connect_timeout=self._patience.probe_seconds,
                retry=Retry(NoBackoff(), 0),
                protocol=2,
                decode_responses=False,
            )
        except (ValueError, TypeError):
            raise BadAddress("redis://[user:password@]host[:port][/number], rediss:// or unix://") from None
        self._redis: Client = aioredis.Redis(connection_pool=self._pool)
        self._scripts: dict[str, AsyncScript] = {}
        self._owner = owner
        self._clock = clock
        self._standing = Standing(there=False, why="not asked yet", since_us=clock.now_us())
        self._found_at = 0.0
        self._gone = trio.Event()
        self._gone.set()
        self._slow = 0
        self._losses = 0
        self._calls: dict[tuple[str, str], int] = {}
        self._refusals: dict[tuple[str, str], float] = {}
        self._listeners: list[Callable[[Standing], None]] = []

    @property
    def standing(self) -> Standing:
        """Whether it can be used now."""
        return self._standing

    def statistics(self) -> LinkStatistics:
        """What it has seen so far."""
        return LinkStatistics(standing=self._standing, losses=self._losses, calls=self._calls.copy())

    def on_change(self, listener: Callable[[Standing], None]) -> None:
        """Call `listener` whenever it is lost and whenever it is found."""
        self._listeners.append(listener)

    async def run(self, part: str, script: Script, keys: Sequence[str], args: Sequence[Any]) -> Any:
        """Run a script for a part of the program."""
        return await self.call(part, lambda client: self._script(script)(keys=keys, args=args, client=client))

    async def call(self, part: str, work: Callable[[Client], Awaitable[T]]) -> T:
        """Do something within the deadline. Raises SharedAway, at once while the link is away; what was asked
        may then have been done or not. Cancelling drops the connection.
        """
        if not self._standing.there:
            self._count(part, "skipped")
            raise SharedAway(self._standing.why)
        began = trio.current_time()
        try:
            result = await self._bridged(_within(self._patience.call_seconds, lambda: work(self._redis)))
        except _CannotServe as error:
            self._count(part, "lost")
            self._lose(str(error))
            raise SharedAway(str(error)) from error
        except _Refused as error:
            self._count(part, "refused")
            self._report(part, str(error))
            raise SharedAway(str(error)) from error
        self._count(part, "done")
        self._watch_pace(trio.current_time() - began)
        return result

    async def keep(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look for the server whenever it is away, for ever; started after the first look."""
        pause = FIRST_PAUSE_SECONDS
        started = False
        while True:
            if self._standing.there:
                await self._gone.wait()
                if trio.current_time() - self._found_at > STEADY_SECONDS:
                    pause = FIRST_PAUSE_SECONDS
                await trio.sleep(pause)
            try:
                await self._bridged(self._probe())
            except (_CannotServe, _Refused) as error:
                self._explain(str(error))
                await trio.sleep(0 if not started else pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            else:
                self._find()
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            if not started:
                started = True
                task_status.started()

    async def reach(self) -> None:
        """Ask the server for a sign of life and change nothing. Raises SharedAway."""
        try:
            await self._bridged(_within(self._patience.probe_seconds, self._redis.ping))
        except (_CannotServe, _Refused) as error:
            raise SharedAway(str(error)) from error

    async def close(self) -> None:
        """Close the connections."""
        with trio.CancelScope(shield=True), trio.move_on_after(self._patience.probe_seconds):
            await self._bridged(
                _within(self._patience.probe_seconds, lambda: self._redis.aclose(close_connection_pool=True))
            )

    def _script(self, script: Script) -> AsyncScript:
        found = self._scripts.get(script.text)
        if found is None:
            found = self._scripts[script.text] = self._redis.register_script(script.text)
        return found

    async def _probe(self) -> None:
        """Reach it, write to it, and see whose it is; fast enough."""
        loop, patience = asyncio.get_running_loop(), self._patience
        seconds = patience.probe_seconds
        await _within(seconds, lambda: self._pool.disconnect(inuse_connections=False))
        await _within(seconds, self._redis.ping)
        began = loop.time()
        await _within(seconds, lambda: self._redis.set(PROBE_KEY, self._owner, px=PROBE_LIVES_MS))
        await _within(seconds, lambda: self._redis.set(OWNER_KEY, self._owner, nx=True))
        owner = await _within(seconds, lambda: self._redis.get(OWNER_KEY))
        if loop.time() - began > 3 * patience.slow_seconds:
            raise _CannotServe(f"slow: {(loop.time() - began) / 3 * 1000:.0f} ms a call")
        if owner != self._owner.encode():
            raise _CannotServe(
                f"the database is that of another installation; give this one a number of its own, or delete "
                f"the key {OWNER_KEY}"
            )

    async def _bridged(self, work: Coroutine[Any, Any, T]) -> T:
        loop = trio_asyncio.current_loop.get()
        if loop is None:
            work.close()
            raise RuntimeError("Redis is used outside of open_bridge")
        result: T = await loop.run_aio_coroutine(work)
        return result

    def _watch_pace(self, seconds: float) -> None:
        self._slow = self._slow + 1 if seconds > self._patience.slow_seconds else 0
        if self._slow >= SLOW_CALLS:
            self._lose(f"slow: {seconds * 1000:.0f} ms a call")

    def _lose(self, why: str) -> None:
        if self._standing.there:
            self._losses += 1
            self._gone.set()
            _log.warning("redis_lost", why=why, effect="going on with local state")
            self._stand(Standing(there=False, why=why, since_us=self._clock.now_us()))

    def _explain(self, why: str) -> None:
        if why != self._standing.why:
            _log.warning("redis_away", why=why)
            self._stand(msgspec.structs.replace(self._standing, why=why))

    def _find(self) -> None:
        self._slow = 0
        self._gone = trio.Event()
        self._found_at = trio.current_time()
        away_us = self._clock.now_us() - self._standing.since_us
        _log.info("redis_found", away_seconds=round(away_us / 1_000_000, 3))
        self._stand(Standing(there=True, since_us=self._clock.now_us()))

    def _stand(self, standing: Standing) -> None:
        self._standing = standing
        for listener in self._listeners:
            listener(standing)

    def _report(self, part: str, why: str) -> None:
        """Log a refusal, the same one once a minute."""
        now = trio.current_time()
        if now >= self._refusals.get((part, why[:40]), float("-inf")):
            self._refusals[part, why[:40]] = now + 60.0
            _log.error("redis_refused", part=part, why=why)

    def _count(self, part: str, outcome: str) -> None:
        self._calls[part, outcome] = self._calls.get((part, outcome), 0) + 1


class _CannotServe(Exception):
    """The server was not reached, did not answer in time, or says that it can't work."""


class _Refused(Exception):
    """The server refused this one call and would again."""


async def _within(seconds: float, work: Callable[[], Awaitable[T]]) -> T:
    """Do something with redis-py on the asyncio side; raise _CannotServe or _Refused for what it raises."""
    try:
        async with asyncio.timeout(seconds):
            return await work()
    except TimeoutError as error:
        raise _CannotServe(f"no answer within {seconds:g} s") from error
    except ResponseError as error:
        if isinstance(error, _CANNOT) or str(error).startswith(_CANNOT_TEXTS):
            raise _CannotServe(_text(error)) from error
        raise _Refused(_text(error)) from error
    except (RedisError, OSError) as error:
        raise _CannotServe(_text(error)) from error


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:200]
