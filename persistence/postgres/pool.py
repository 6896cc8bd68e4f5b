"""Connections to PostgreSQL: the one module that imports asyncpg and the bridge to its event loop.

Every unit of work is one asyncio coroutine that is entered once. When trio cancels it, the connection that it
used is thrown away, because nobody knows what state it is in; a pool that takes such a connection back leaks
it or hangs. There is no reset between two uses either: the work here leaves no state behind.

What can go wrong is told apart in three ways: the server could not be reached or said that it can't serve
(`StoreUnavailable`), it refused the work (`Refused`), or it is not known what it did (`Lost`).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias, TypeVar

import asyncpg
import trio
import trio_asyncio

from actors.journal.port import StoreUnavailable

T = TypeVar("T")
Connection: TypeAlias = asyncpg.Connection
Statement: TypeAlias = asyncpg.prepared_stmt.PreparedStatement
Row: TypeAlias = asyncpg.Record

CONNECT_SECONDS = 2.0
READ_SECONDS = 10.0
CLOSE_SECONDS = 0.5

# Planned while the tables are empty, a statement would keep on reading them whole.
SETTINGS = {
    "application_name": "tradewarden",
    "enable_seqscan": "off",
    "jit": "off",
    "lock_timeout": "2000",
    "timezone": "UTC",
}

_REFUSAL_CLASSES = frozenset({"21", "22", "23", "44", "54", "P0"})
"""Classes of SQLSTATE that say that this very work is wrong; the others say that the server can't work."""


class Refused(Exception):
    """The server refused the work and would again; nothing was changed. `sqlstate` is its code."""

    def __init__(self, detail: str, sqlstate: str | None) -> None:
        super().__init__(detail)
        self.sqlstate = sqlstate


class Lost(Exception):
    """The connection was lost while the work was under way: it may have been done, or may still be."""


@asynccontextmanager
async def open_bridge(on_error: Callable[[str, BaseException | None], None]) -> AsyncIterator[None]:
    """Run the asyncio event loop that asyncio-only libraries need, around the runtime.

    Errors that nobody waits for go to `on_error`; the bridge's own default would tear the runtime down.
    """

    def report(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        on_error(str(context.get("message", "")), context.get("exception"))

    async with trio_asyncio.open_loop() as loop:
        loop.set_exception_handler(report)
        yield


class Database:
    """One PostgreSQL database and a few connections for reading, opened when needed.

    To be used inside `open_bridge`. `dsn` as libpq writes it. Connections for reading are shared by at most
    `readers` calls at once.
    """

    def __init__(self, dsn: str, *, readers: int = 4) -> None:
        self._dsn = dsn
        self._readers = trio.Semaphore(readers)
        self._idle: list[Connection] = []
        self._closed = False

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine of asyncio. Cancelling cancels it; it must leave nothing half-used behind."""
        loop = trio_asyncio.current_loop.get()
        if loop is None:
            work.close()
            raise RuntimeError("the database is used outside of open_bridge")
        result: T = await loop.run_aio_coroutine(work)
        return result

    async def read(self, work: Callable[[Connection], Awaitable[T]], *, seconds: float = READ_SECONDS) -> T:
        """Do something that can be lost without harm. Raises StoreUnavailable, or Refused."""
        if self._closed:
            raise StoreUnavailable("the database is closed")
        try:
            with trio.fail_after(seconds):
                async with self._readers:
                    return await self.run(self._use(work))
        except trio.TooSlowError:
            raise StoreUnavailable(f"the database did not answer within {seconds} s") from None
        except Lost as error:
            raise StoreUnavailable(str(error)) from error

    async def close(self) -> None:
        """Close the connections for reading; no other is opened."""
        self._closed = True
        idle, self._idle = self._idle, []
        await self.end(*idle)

    async def end(self, *connections: Connection) -> None:
        """Close connections that nobody uses, politely if the server listens: at most 0.5 s for each."""
        with trio.CancelScope(shield=True):
            await self.run(_end(connections))

    async def connect(self, **settings: str) -> Connection:
        """A new connection that belongs to the caller. On the asyncio side. Raises StoreUnavailable."""
        try:
            return await asyncpg.connect(
                self._dsn, timeout=CONNECT_SECONDS, server_settings={**SETTINGS, **settings}
            )
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise StoreUnavailable(f"no connection: {_text(error)}") from error
        except asyncpg.InternalClientError as error:
            raise StoreUnavailable(f"no connection: {_text(error)}") from error

    async def _use(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        connection = await self._take()
        try:
            result = await guarded(work(connection))
        except Refused:
            self._put(connection)
            raise
        except BaseException:
            connection.terminate()
            raise
        self._put(connection)
        return result

    async def _take(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        return await self.connect()

    def _put(self, connection: Connection) -> None:
        if self._closed or connection.is_closed():
            connection.terminate()
        else:
            self._idle.append(connection)


async def guarded(work: Awaitable[T]) -> T:
    """Await something of asyncpg; raise Refused, StoreUnavailable or Lost for what the driver raises."""
    try:
        return await work
    except asyncpg.PostgresError as error:
        raise _meaning(error) from error
    except (OSError, TimeoutError, asyncpg.InternalClientError) as error:
        raise Lost(_text(error)) from error
    except asyncpg.InterfaceError as error:
        if isinstance(error, ValueError):
            raise Refused(_text(error), None) from error
        raise Lost(_text(error)) from error


async def _end(connections: Sequence[Connection]) -> None:
    for connection in connections:
        try:
            await connection.close(timeout=CLOSE_SECONDS)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            connection.terminate()
    # A transport that was aborted is closed in the turn after the next; the loop may end right after us.
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def _meaning(error: asyncpg.PostgresError) -> Exception:
    """An error that ends a statement is definite; one that ends the session says nothing of the statement."""
    state = error.sqlstate
    if isinstance(error, asyncpg.PostgresConnectionError) or state is None or not _is_definite(error):
        return Lost(_text(error))
    if state[:2] in _REFUSAL_CLASSES:
        return Refused(_text(error), state)
    return StoreUnavailable(_text(error))


def _is_definite(error: asyncpg.PostgresError) -> bool:
    return getattr(error, "severity_en", None) == "ERROR"


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
