"""What passes between the ccxt client and the pure modules: facts about one exchange of request and answer.

Nothing here raises for what an exchange or a network does. A `Reply` keeps everything that the verdict on an
order may rest on, also when ccxt turned the answer into an exception; the decoders and the outcome table read
only this.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from actors.broker.port import Usage

Params = Mapping[str, str | int | bool]
"""The parameters of one request.

Money and quantities are plain decimal texts: nothing rounds them on the way.
"""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """One request and what came of it.

    `status` is the HTTP status, None when no answer came. `body` is the decoded JSON, None when it could not
    be read. `error` is the class name of the exception that ccxt raised (empty: none), `cause` that of the
    one below it. `wrote` says whether any byte of the request was handed to the network: False proves that it
    was not sent. `signed_at_us` is the timestamp in the signed request, else the wall clock before it left.
    """

    status: int | None
    body: object = None
    text: str = ""
    error: str = ""
    cause: str = ""
    wrote: bool = False
    signed_at_us: int
    headers: Mapping[str, str] = {}

    @property
    def ok(self) -> bool:
        """Whether ccxt saw a usable answer; it does not say that the answer is complete."""
        return not self.error and self.body is not None


class StreamLost(Exception):
    """A stream ended; why, for the log."""


Frame = Mapping[str, object]
Tap = Callable[[Frame], bool]
"""Sees every frame of a stream before ccxt does;

True when it took it, so that ccxt neither parses nor caches it.
"""


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """A ccxt.pro method that opens a subscription, with its positional arguments."""

    method: str
    arguments: tuple[object, ...] = ()


class Client(Protocol):
    """One authenticated session with an exchange, usable from trio."""

    report_usage: Callable[[Usage], None]

    async def connect(self) -> bool:
        """Load the exchange's module and its markets, if need be; whether they were read anew; raise
        Unavailable.
        """
        ...

    async def close(self) -> None: ...

    def use_credentials(self, api_key: str, api_secret: str) -> None:
        """Sign with this pair from the next request on."""
        ...

    async def call(self, method: str, params: Params) -> Reply:
        """One REST request by ccxt's name for the endpoint.

        Cancellation abandons the request: outcome unknown.
        """
        ...

    async def unified(self, method: str, *arguments: object) -> Reply:
        """A method of ccxt's unified interface, for exchanges without a dialect of ours; `body` is its
        answer.
        """
        ...

    async def watch(
        self,
        kind: str,
        watches: tuple[Watch, ...],
        tap: Tap,
        took: Callable[[str, object], None] | None = None,
    ) -> None:
        """Keep subscriptions open until cancelled; raise StreamLost when one ends. `kind`: orders or market.

        `took` gets what ccxt's method returned, for exchanges whose frames are left to ccxt.
        """
        ...

    def markets(self) -> Mapping[str, Mapping[str, object]]:
        """ccxt's market table, by unified symbol; empty before `connect`."""
        ...
