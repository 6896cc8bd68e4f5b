"""The life of the line to the exchange: connect, reconcile, trade, and begin again when it is lost.

Streams open before the reconciliation, so that nothing happens unseen between the two; orders leave only
after it. A stream that ends takes the whole connection with it, because nobody knows what it missed.
Cancels need none of this: they pass whenever the exchange answers.
"""

from collections.abc import Callable, Sequence
from functools import partial

import trio

from actors.broker.port import AccountChecks, Unavailable
from actors.broker.shell.desk import Desk
from actors.broker.shell.guard import Guard
from actors.broker.shell.line import CIRCUIT
from actors.broker.shell.reconciling import Reconciling
from actors.broker.shell.streams import Streams
from actors.model.instrument import Instrument

STABLE_SECONDS = 10.0
"""How long a connection has to last for the next loss of it to count as the first."""


class Connection:
    """`announce(state, detail)` tells the others; `listed` takes what can be traded."""

    def __init__(
        self,
        desk: Desk,
        reconciling: Reconciling,
        streams: Streams,
        guard: Guard,
        announce: Callable[[str, str], None],
        listed: Callable[[Sequence[Instrument]], None],
    ) -> None:
        self._desk = desk
        self._reconciling = reconciling
        self._streams = streams
        self._guard = guard
        self._announce = announce
        self._listed = listed

    async def run(self) -> None:
        """As long as the broker lives."""
        desk = self._desk
        failures = 0
        self._announce("connecting", "")
        while True:
            began = desk.clock.monotonic()
            detail = ""
            try:
                await self._connect()
                await self._trade()
            except* Unavailable as problems:
                detail = "; ".join(str(problem) for problem in _leaves(problems))
            desk.set_trading(False)
            failures = 0 if desk.clock.monotonic() - began > STABLE_SECONDS else failures + 1
            self._announce("reconnecting", detail)
            await trio.sleep(self._pause(failures))

    async def _connect(self) -> None:
        desk = self._desk
        try:
            await self._prepare()
        except Unavailable as problem:
            if problem.kind != CIRCUIT:
                desk.line.trip()
            raise

    async def _prepare(self) -> None:
        desk = self._desk
        await desk.ask("connect", desk.port.connect)
        await self._list()
        await self._reconciling.measure_skew()
        if isinstance(desk.port, AccountChecks):
            checks = partial(desk.port.account_problems, desk.symbols)
            problems = await desk.ask("account", checks)
            if problems:
                desk.halt("the account is not set up as configured: " + "; ".join(problems))

    async def _list(self) -> None:
        desk = self._desk
        self._listed(await desk.ask("instruments", desk.port.instruments))

    async def _trade(self) -> None:
        self._announce("reconciling", "")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._streams.follow_orders)
            nursery.start_soon(self._follow_market)
            await self._reconciling.complete()
            await self._guard.arm()
            self._desk.set_trading(True)
            self._announce("trading", "")
            nursery.start_soon(self._reconciling.keep_orders)
            nursery.start_soon(self._reconciling.keep_accounts)
            nursery.start_soon(self._keep_watch)

    async def _follow_market(self) -> None:
        """Prices come again by themselves; while they don't, risk refuses what it has no fresh price for."""
        failures = 0
        while True:
            began = self._desk.clock.monotonic()
            try:
                await self._streams.follow_market()
            except Unavailable:
                failures = 0 if self._desk.clock.monotonic() - began > STABLE_SECONDS else failures + 1
            await trio.sleep(self._pause(failures))

    async def _keep_watch(self) -> None:
        """Notice a clock that drifts away, and instruments that change or are delisted."""
        timings = self._desk.timings
        looks = 0
        while True:
            await trio.sleep(timings.skew_every)
            looks += 1
            try:
                await self._reconciling.measure_skew()
                if looks % timings.instruments_looks == 0:
                    await self._list()
            except Unavailable:
                continue

    def _pause(self, failures: int) -> float:
        """Until the next attempt. An open circuit paces by itself; longer would oversleep the return."""
        timings, to_trial = self._desk.timings, self._desk.line.seconds_to_trial
        if to_trial:
            return to_trial + timings.reconnect_first * self._desk.rng.random()
        longest = min(timings.reconnect_longest, timings.reconnect_first * 2.0 ** min(failures, 10))
        return longest * (0.5 + 0.5 * self._desk.rng.random())


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    """The single problems in a group of them."""
    found: list[BaseException] = []
    for error in group.exceptions:
        found.extend(_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    return found
