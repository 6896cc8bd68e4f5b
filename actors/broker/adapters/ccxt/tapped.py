"""A ccxt exchange class with its hooks overridden: what went over the wire, headers, time and stream frames.

ccxt calls these methods itself; nothing else of it is changed. The class is made at run time because its base
is the exchange that was configured.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

import msgspec

from actors.broker.adapters.ccxt.usage import usage_in
from actors.broker.adapters.ccxt.wire import Frame
from actors.broker.port import Usage

_SIGNED_AT = re.compile(r"(?:^|[?&])timestamp=(\d{13})(?:&|$)")


class CallRecord:
    """What is known of one request, filled in while it runs."""

    def __init__(self, now_us: int) -> None:
        self.signed_at_us = now_us
        self.status: int | None = None
        self.body: object = None
        self.headers: Mapping[str, str] = {}
        self.wrote = False
        self.error = ""
        self.cause = ""


class Hooks(msgspec.Struct, frozen=True, kw_only=True):
    """Where the overridden methods report to."""

    call: Callable[[], CallRecord | None]
    frame: Callable[[str, Frame], bool]
    usage: Callable[[Usage], None]
    now_us: Callable[[], int]


class _WithoutRequests(logging.LoggerAdapter[logging.Logger]):
    """ccxt's logger, minus its debug lines: these hold whole requests, keys and signatures included."""

    def debug(self, msg: object, *args: object, **kwargs: object) -> None:
        """Say nothing."""


class _Socket(Protocol):
    url: str

    def on_error(self, error: Exception) -> None: ...


def tapped(base: type, hooks: Hooks) -> Callable[[dict[str, object]], object]:  # noqa: C901 - one class of small hooks
    """The exchange class with our hooks; call it with ccxt's configuration."""
    untyped: Any = base

    class Tapped(untyped):  # type: ignore[misc]
        logger = _WithoutRequests(logging.getLogger(__name__), {})

        def milliseconds(self) -> int:
            """ccxt's clock is the injected one: it signs requests with it."""
            return hooks.now_us() // 1000

        async def fetch(
            self, url: str, method: str = "GET", headers: object = None, body: object = None
        ) -> object:
            record = hooks.call()
            if record is not None:
                record.signed_at_us = _signed_at(url, headers, body, record.signed_at_us)
            return await super().fetch(url, method, headers, body)

        def on_rest_response(
            self,
            code: int,
            reason: str,
            url: str,
            method: str,
            response_headers: Mapping[str, str],
            *rest: object,
        ) -> object:
            for usage in usage_in(response_headers, url):
                hooks.usage(usage)
            return super().on_rest_response(code, reason, url, method, response_headers, *rest)

        def handle_errors(
            self,
            code: int,
            reason: str,
            url: str,
            method: str,
            headers: object,
            body: str,
            response: object,
            *rest: object,
        ) -> object:
            record = hooks.call()
            if record is not None:
                record.status = code
                record.body = response if isinstance(response, dict | list) else body
                record.headers = cast(Mapping[str, str], headers)
            return super().handle_errors(code, reason, url, method, headers, body, response, *rest)

        def handle_message(self, client: _Socket, message: object) -> None:
            """A failing parser would end ccxt's receive loop without a word: it ends the connection
            instead.
            """
            try:
                if not (isinstance(message, dict) and hooks.frame(client.url, message)):
                    super().handle_message(client, message)
            except Exception as error:  # noqa: BLE001 - whatever a frame causes, the stream's owner learns of it
                client.on_error(error)

        def delay(self, timeout: float, method: object, *arguments: object) -> asyncio.TimerHandle:
            timer = cast(asyncio.TimerHandle, super().delay(timeout, method, *arguments))
            self.__dict__.setdefault("_timers", []).append(timer)
            return timer

        async def watch_switch(self, topic: str) -> None:
            """Hold a private topic whose loss is a sign to the exchange; nothing ever comes from it."""
            url = await self.get_url_by_market_type(None, True, "watchOrders", {})
            await self.authenticate(url)
            await self.watch_topics(url, [topic], [topic])

        async def unwatch_switch(self, topic: str) -> None:
            """Give the topic up, so that losing the connection is no sign any more."""
            url = await self.get_url_by_market_type(None, True, "watchOrders", {})
            await self.client(url).send({"op": "unsubscribe", "args": [topic]})

        def cancel_timers(self) -> None:
            """Drop what ccxt planned for later: renewals of listen keys outlive the stream that they belong
            to.
            """
            for timer in self.__dict__.pop("_timers", []):
                timer.cancel()

    Tapped.__name__ = base.__name__
    return cast(Callable[[dict[str, object]], object], Tapped)


def _signed_at(url: str, headers: object, body: object, otherwise: int) -> int:
    """The timestamp inside the signed request, in microseconds."""
    if isinstance(headers, Mapping):
        stamp = headers.get("X-BAPI-TIMESTAMP")
        if isinstance(stamp, str) and stamp.isdecimal():
            return int(stamp) * 1000
    for part in (url, body if isinstance(body, str) else ""):
        match = _SIGNED_AT.search(part)
        if match is not None:
            return int(match.group(1)) * 1000
    return otherwise
