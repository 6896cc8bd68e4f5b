"""The asyncio side: one ccxt exchange instance, driven from trio through trio-asyncio.

Each request runs as one asyncio task from start to end, so that a cancellation from trio can't leave half of
it behind. A stream is kept open by tasks on the asyncio side; its frames are handed over by a plain call
while ccxt's receive callback runs, before ccxt parses them: ccxt's caches coalesce states, grow, and drop an
update when a parser fails. What ccxt raises becomes data here; what went over the wire is recorded beside it,
because the two differ.

Importing this module imports trio_asyncio, which patches asyncio: import it in the runtime only.
"""

import asyncio
import contextlib
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from functools import partial
from typing import Protocol, cast

import aiohttp
import trio
import trio_asyncio

from actors.broker.adapters.ccxt import outcomes
from actors.broker.adapters.ccxt.loading import NoSuchExchange, load
from actors.broker.adapters.ccxt.profiles import Profile
from actors.broker.adapters.ccxt.session import Redirect, open_session
from actors.broker.adapters.ccxt.tapped import CallRecord, Hooks, tapped
from actors.broker.adapters.ccxt.wire import Frame, Params, Reply, StreamLost, Tap, Watch
from actors.broker.port import Unavailable, Usage
from actors.model.clock import Clock

_LOG = logging.getLogger(__name__)
_MARKETS_LAST_SECONDS = 900.0
_PING_MS = 15_000
"""How often a stream is pinged; two pongs missed end it. ccxt's own three minutes are too long for a dead
link.
"""

_CALL: ContextVar[CallRecord | None] = ContextVar("ccxt_call", default=None)


class Credentials(Protocol):
    """The key pair of an account."""

    @property
    def api_key(self) -> str: ...

    @property
    def api_secret(self) -> str: ...


_DIAL_LOOK = 0.02
_DIALS_AT_MOST = 1000
"""Looks at a connection that is being opened: twenty seconds, twice as long as ccxt waits for it."""
_CLOSING: "set[asyncio.Future[None]]" = set()


class _Stream(Protocol):
    connection: object | None

    async def close(self) -> None: ...


class _Exchange(Protocol):
    """The part of a ccxt exchange that is used here."""

    clients: dict[str, _Stream]
    options: dict[str, object]
    has: dict[str, object]
    markets: dict[str, dict[str, object]] | None
    timeout_on_exit: int
    apiKey: str
    secret: str

    async def load_markets(self, reload: bool = False) -> object: ...

    async def close(self) -> None: ...

    def cancel_timers(self) -> None: ...


class CcxtClient:
    """One session with an exchange. Use it inside one `trio_asyncio.open_loop()`; `close` it there too."""

    def __init__(
        self,
        profile: Profile,
        *,
        api_key: str,
        api_secret: str,
        clock: Clock,
        redirect: Redirect | None = None,
        pins: tuple[str, ...] = (),
        timeout_seconds: float = 10.0,
    ) -> None:
        self._profile = profile
        self._api_key = api_key
        self._api_secret = api_secret
        self._clock = clock
        self._redirect = redirect
        self._pins = pins
        self._timeout_ms = int(timeout_seconds * 1000)
        self.report_usage: Callable[[Usage], None] = _ignore
        self._exchange: _Exchange | None = None
        self._session: aiohttp.ClientSession | None = None
        self._taps: dict[str, Tap] = {}
        self._loaded_at: float | None = None

    async def connect(self) -> bool:
        """Load exchange and markets; a later call reloads markets that have become old.

        True when the markets were read anew; raise Unavailable.
        """
        if self._exchange is None:
            try:
                made = await trio.to_thread.run_sync(load, self._profile.ccxt_id)
            except NoSuchExchange as error:
                raise Unavailable("exchange", str(error)) from error
            _log_lost_exceptions()
            await trio_asyncio.aio_as_trio(self._open)(made)
        now = self._clock.monotonic()
        if self._loaded_at is not None and now - self._loaded_at < _MARKETS_LAST_SECONDS:
            return False
        record = CallRecord(self._clock.now_us())
        await trio_asyncio.aio_as_trio(self._run)(record, partial(self._opened().load_markets, True))
        self._loaded_at = None if record.error else now
        if record.error:
            why = outcomes.unavailable(self._profile.family, _reply(record, record.body))
            detail = f"markets could not be loaded: {why.detail}"
            raise Unavailable(why.kind, detail, why.retry_after_seconds)
        return True

    def use_credentials(self, api_key: str, api_secret: str) -> None:
        """Sign with this pair from now on. Streams that are open stay; the exchange ends those of a dead key,
        and they are opened again with the new one.
        """
        self._api_key, self._api_secret = api_key, api_secret
        if self._exchange is not None:
            self._exchange.apiKey, self._exchange.secret = api_key, api_secret

    async def _open(self, exchange_class: type) -> None:
        hooks = Hooks(call=_CALL.get, frame=self._on_frame, usage=self._report, now_us=self._clock.now_us)
        self._session = open_session(self._redirect, self._pins, _mark_written)
        self._exchange = cast(
            _Exchange,
            tapped(exchange_class, hooks)(
                {
                    "apiKey": self._api_key,
                    "secret": self._api_secret,
                    "enableRateLimit": False,
                    "timeout": self._timeout_ms,
                    "session": self._session,
                    "asyncio_loop": asyncio.get_running_loop(),
                    "aiohttp_trust_env": False,
                    "enableLastHttpResponse": False,
                    "enableLastJsonResponse": False,
                    "enableLastResponseHeaders": False,
                    "maxRetriesOnFailure": 0,
                    "streaming": {"keepAlive": _PING_MS},
                    # Decimal would be ccxt's word for it, but then its fees come out empty.
                    "number": str,
                    "options": dict(self._profile.options),
                }
            ),
        )
        self._exchange.has["fetchCurrencies"] = False
        self._exchange.timeout_on_exit = 0

    async def close(self) -> None:
        """Close streams and connections. Safe to call twice, and under cancellation."""
        with trio.CancelScope(shield=True), trio.move_on_after(5) as scope:
            scope.shield = True
            await trio_asyncio.aio_as_trio(self._close)()

    async def _close(self) -> None:
        exchange, self._exchange = self._exchange, None
        self._loaded_at = None
        session, self._session = self._session, None
        if exchange is not None:
            exchange.cancel_timers()
            with contextlib.suppress(Exception):
                await exchange.close()
        if session is not None:
            await session.close()

    async def call(self, method: str, params: Params) -> Reply:
        """One request. Whatever goes wrong is in the reply; cancellation abandons the request."""
        return await self._reply(method, (dict(params),), raw=True)

    async def unified(self, method: str, *arguments: object) -> Reply:
        """A unified method; the body of the reply is what ccxt made of the answer."""
        return await self._reply(method, arguments, raw=False)

    async def _reply(self, method: str, arguments: tuple[object, ...], *, raw: bool) -> Reply:
        record = CallRecord(self._clock.now_us())
        function = cast(Callable[..., Awaitable[object]], getattr(self._opened(), method))
        answer = await trio_asyncio.aio_as_trio(self._run)(record, partial(function, *arguments))
        return _reply(record, record.body if raw and record.body is not None else answer)

    async def _run(self, record: CallRecord, function: Callable[[], Awaitable[object]]) -> object:
        """In one asyncio task: the call, with its record in the context that every hook sees."""
        _CALL.set(record)
        try:
            return await function()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            record.error = "CancelledError"
        except Exception as error:  # noqa: BLE001 - parsers raise anything; it is kept as data
            record.error = type(error).__name__
            below = error.__cause__
            record.cause = "" if below is None else type(below).__name__
        return None

    async def watch(
        self,
        kind: str,
        watches: tuple[Watch, ...],
        tap: Tap,
        took: Callable[[str, object], None] | None = None,
    ) -> None:
        """Keep the subscriptions open until cancelled; raise StreamLost when one of them ends."""
        if kind in self._taps:
            raise RuntimeError(f"the {kind} stream has an owner already")
        self._taps[kind] = tap
        try:
            await trio_asyncio.aio_as_trio(self._watch)(kind, watches, took)
        finally:
            del self._taps[kind]

    async def _watch(
        self, kind: str, watches: tuple[Watch, ...], took: Callable[[str, object], None] | None
    ) -> None:
        tasks = [asyncio.ensure_future(self._hold(one, took)) for one in watches]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._drop_streams(kind)
        raise StreamLost("; ".join(sorted({_why(task) for task in done})))

    async def _hold(self, watch: Watch, took: Callable[[str, object], None] | None) -> None:
        """ccxt's method subscribes, waits for a frame that the tap leaves to ccxt, and raises when the link
        ends.
        """
        method = cast(Callable[..., Awaitable[object]], getattr(self._opened(), watch.method))
        while True:
            answer = await method(*watch.arguments)
            if took is not None:
                took(watch.method, answer)

    async def _drop_streams(self, kind: str) -> None:
        """Close the sockets of this kind and forget the listen keys, so that the next watch starts afresh."""
        exchange = self._exchange
        if exchange is None:
            return
        for url in list(exchange.clients):
            if self._is_private(url) == (kind == "orders"):
                stream = exchange.clients.pop(url)
                if stream.connection is None:
                    # ccxt closes what is open and lets go on what is being opened: nobody would own it.
                    _close_later(stream)
                with contextlib.suppress(Exception):
                    await stream.close()
        if kind == "orders":
            exchange.cancel_timers()
            for section in exchange.options.values():
                if isinstance(section, dict) and "lastAuthenticatedTime" in section:
                    section["lastAuthenticatedTime"] = 0

    def _is_private(self, url: str) -> bool:
        return any(part in url for part in self._profile.private_streams) or "://" not in url

    def _on_frame(self, url: str, frame: Frame) -> bool:
        tap = self._taps.get("orders" if self._is_private(url) else "market")
        return tap is not None and tap(frame)

    def _report(self, usage: Usage) -> None:
        self.report_usage(usage)

    def markets(self) -> Mapping[str, Mapping[str, object]]:
        """ccxt's market table, by its symbols."""
        return {} if self._exchange is None else (self._exchange.markets or {})

    def _opened(self) -> _Exchange:
        if self._exchange is None:
            raise Unavailable("network", "not connected")
        return self._exchange


def _close_later(stream: _Stream) -> None:
    """Close a connection as soon as it is there; the task is kept until it has ended."""
    task = asyncio.ensure_future(_close_when_open(stream))
    _CLOSING.add(task)
    task.add_done_callback(_CLOSING.discard)


async def _close_when_open(stream: _Stream) -> None:
    for _ in range(_DIALS_AT_MOST):
        if stream.connection is not None:
            await stream.close()
            return
        await asyncio.sleep(_DIAL_LOOK)


def _ignore(usage: Usage) -> None:
    """Nobody asked for usage."""


def _mark_written() -> None:
    record = _CALL.get()
    if record is not None:
        record.wrote = True


def _why(task: "asyncio.Future[None]") -> str:
    if task.cancelled():
        return "closed"
    error = task.exception()
    return "ended" if error is None else re.sub(r"[?&].*", "", f"{type(error).__name__}: {error}")[:200]


def _reply(record: CallRecord, body: object) -> Reply:
    return Reply(
        status=record.status,
        body=body,
        error=record.error,
        cause=record.cause,
        wrote=record.wrote,
        signed_at_us=record.signed_at_us,
        headers=record.headers,
    )


def _log_lost_exceptions() -> None:
    """trio-asyncio's default handler raises out of the whole program for an exception that nobody awaited."""

    def log(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        error = context.get("exception")
        _LOG.warning("an exception that nobody awaited: %s %s", context.get("message"), type(error).__name__)

    loop = trio_asyncio.current_loop.get()
    if loop is None:
        raise RuntimeError("a ccxt exchange needs the runtime's trio_asyncio.open_loop() around it")
    if loop.get_exception_handler() is None:
        loop.set_exception_handler(log)
