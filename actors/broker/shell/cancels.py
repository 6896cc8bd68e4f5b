"""Cancels and sweeps: what shall end is asked for until the exchange says that it has ended.

A cancel, unlike a submit, may be repeated. "No such order" ends nothing by itself: the order may have
filled, or its submit may still be on the way; an inquiry finds out. A sweep works from the exchange's own
list of open orders, so it needs neither the journal nor our memory of what rests, and touches only orders
that are ours. It spares reduce-only orders that were placed after the kill which it belongs to, however often
it has to look again.
"""

from collections.abc import Callable, Sequence

import structlog
import trio

from actors.broker.limiter import Priority
from actors.broker.outcome import ENDED
from actors.broker.port import Confirmed, NotSent, OrderReport, Outcome, Rejected, Unavailable
from actors.broker.shell.desk import Desk
from actors.broker.shell.inquiries import Inquiries
from actors.broker.shell.submits import Submits
from actors.model.messages import Sweep, SweepProgress
from actors.model.order import Order, Submission

_log = structlog.get_logger(room="broker")

LONGEST_PAUSE = 5.0
WANTED_KEPT = 1000
"""How many orders somebody wanted cancelled are remembered before those that are over are forgotten."""

REFUSALS = 3
"""How often an exchange may call an order gone that it still lists as open, before the cancel counts as
refused.
"""


class Cancels:
    """At most one task an order; `progress` tells the operator how a sweep goes."""

    def __init__(self, desk: Desk, inquiries: Inquiries, progress: Callable[[SweepProgress], None]) -> None:
        self._desk = desk
        self._inquiries = inquiries
        self._progress = progress
        self._running: dict[str, None] = {}
        self._wanted: dict[str, None] = {}
        self._sweeps: dict[str, None] = {}

    def request(self, order: Order, submits: Submits, correlation_id: str) -> None:
        """Withdraw the order if it has not left, else cancel it at the exchange."""
        _log.info("cancel_asked", correlation_id=correlation_id, order_id=order.order_id)
        self._want(order.order_id)
        if not submits.stop(order.order_id, "cancelled before it was sent"):
            self.begin(self._desk.current(order))

    def is_wanted(self, order_id: str) -> bool:
        """Whether somebody wants the order to end, and not only what it is at the exchange now."""
        return order_id in self._wanted

    def _want(self, order_id: str) -> None:
        if len(self._wanted) >= WANTED_KEPT:
            working = self._desk.log.book.orders
            self._wanted = {each: None for each in self._wanted if each in working}
        self._wanted[order_id] = None

    def begin(self, order: Order, *, wanted: bool = True) -> None:
        """Cancel an order that has left; unless that is `wanted`, what replaces it lives on."""
        if wanted:
            self._want(order.order_id)
        if order.order_id not in self._running:
            self._running[order.order_id] = None
            self._desk.start_task(self._run, order)

    def end_ghost(self, order: Order, venue_id: str) -> None:
        """Cancel what the journal has over or replaced, and what lives at the exchange all the same."""
        ghost = order.order_id if venue_id == order.intent.venue_id else venue_id
        if ghost not in self._running:
            self._running[ghost] = None
            self._desk.start_task(self._end_ghost, order, venue_id, ghost)

    async def _end_ghost(self, order: Order, venue_id: str, ghost: str) -> None:
        attempts = 0
        while True:
            answer = await self._cancel(order, venue_id)
            if isinstance(answer, Confirmed) or (isinstance(answer, Rejected) and not answer.throttled):
                break
            attempts += 1
            await trio.sleep(self._pause(attempts))
        self._running.pop(ghost, None)
        current = self._desk.current(order)
        if current.is_open and current.intent.venue_id == venue_id:
            self._inquiries.begin(current, "cancelled after it came back", after_cancel=True)

    async def _run(self, order: Order) -> None:
        try:
            await self._until_ended(order)
        finally:
            self._running.pop(order.order_id, None)

    async def _until_ended(self, order: Order) -> None:
        refusals = attempts = 0
        while (current := self._desk.current(order)).is_open:
            if current.intent.venue_id != order.intent.venue_id:
                # It has ended, and what replaces it is not sent, or cancelled, by whoever sends it.
                return
            answer = await self._cancel(order, order.intent.venue_id)
            if isinstance(answer, Rejected) and not answer.gone and not answer.throttled:
                self._refused(order, f"{answer.code}: {answer.reason}")
                return
            if isinstance(answer, Confirmed) and self._is_whole(order, answer):
                self._say(order, answer.status, "cancelled as asked")
                return
            if isinstance(answer, Confirmed) or (isinstance(answer, Rejected) and answer.gone):
                if await self._ended(order, answer, self._pause(attempts)):
                    return
                refusals += isinstance(answer, Rejected) and not self._is_unresolved(order)
                if refusals >= REFUSALS:
                    self._refused(order, "the exchange does not find the order that it lists as open")
                    return
            attempts += 1
            await trio.sleep(self._pause(attempts))

    async def _cancel(self, order: Order, venue_id: str) -> Outcome | None:
        """One request; None when the circuit for cancels is open."""
        desk, intent = self._desk, order.intent
        await desk.line.admit("cancel", Priority.CANCEL)
        permit = desk.line.permit(cancel=True)
        if permit is None:
            return None
        outcome: Outcome | None = None
        current = desk.current(order)
        exchange_order_id = current.exchange_order_id if current.intent.venue_id == venue_id else None
        try:
            with trio.move_on_after(desk.timings.submit):
                outcome = await desk.port.cancel(intent.symbol, venue_id, exchange_order_id)
        except trio.Cancelled:
            desk.line.release(permit, cancel=True)
            raise
        if isinstance(outcome, NotSent) and outcome.local:
            desk.line.release(permit, cancel=True)
        else:
            desk.line.done(permit, isinstance(outcome, Confirmed | Rejected), cancel=True)
        if isinstance(outcome, Rejected):
            desk.line.heed(outcome.retry_after_seconds)
        return outcome

    async def _ended(self, order: Order, answer: Outcome, patience: float) -> bool:
        """Have the order looked up; whether it is over. An unresolved order gets a moment only: cancel
        again.
        """
        why = "cancelled" if isinstance(answer, Confirmed) else "not found by a cancel"
        inquiry = self._inquiries.begin(order, why, after_cancel=True)
        with trio.move_on_after(patience if inquiry.unresolved else float("inf")):
            await inquiry.settled.wait()
        return inquiry.ended

    def _refused(self, order: Order, reason: str) -> None:
        """The order works on: whoever still wants it to end asks again, and until then it may be amended."""
        self._wanted.pop(order.order_id, None)
        self._say(order, "cancel_refused", reason)

    def _is_whole(self, order: Order, answer: Confirmed) -> bool:
        """Whether the answer ends the order and leaves no fill unseen, whose exposure would be let go."""
        self._desk.take_fills(answer.fills)
        return answer.status in ENDED and answer.executed == self._desk.executed(order)

    def _is_unresolved(self, order: Order) -> bool:
        return self._desk.current(order).submission is not Submission.WORKING

    def _say(self, order: Order, kind: str, reason: str) -> None:
        self._desk.outbox.add(order.intent.symbol, kind, venue_id=order.intent.venue_id, reason=reason)

    def _pause(self, attempts: int) -> float:
        longest = min(LONGEST_PAUSE, self._desk.timings.cancel_retry * 2.0 ** min(attempts, 10))
        return longest * (0.5 + 0.5 * self._desk.rng.random())

    def sweep(self, sweep: Sweep, submits: Submits) -> None:
        """Withdraw, cancel and look again until the exchange lists nothing of ours in scope that must go, or
        the kill is lifted.
        """
        if sweep.sweep_id not in self._sweeps and self._goes_on(sweep):
            self._sweeps[sweep.sweep_id] = None
            self._desk.start_task(self._sweep, sweep, submits)

    async def _sweep(self, sweep: Sweep, submits: Submits) -> None:
        amending = [order_id for order_id in self._amending(sweep) if not self.is_wanted(order_id)]
        for order_id in amending:
            # What it is at the exchange ends, and nothing may take its place.
            self._want(order_id)
        for order_id in submits.orders_in(sweep.symbol):
            if self._must_go(order_id, sweep):
                submits.stop(order_id, "the kill switch was pulled")
        cancelled: dict[str, None] = {}
        last: SweepProgress | None = None
        while (last is None or not last.done) and self._goes_on(sweep):
            latest = await self._sweep_once(sweep, submits, cancelled)
            if latest != last and self._goes_on(sweep):
                self._progress(latest)
                last = latest
            if not latest.done:
                await trio.sleep(self._desk.timings.sweep_retry)
        for order_id in amending:
            # Those that are still there have outlived the kill.
            self._wanted.pop(order_id, None)
        self._sweeps.pop(sweep.sweep_id, None)

    def _amending(self, sweep: Sweep) -> list[str]:
        """Orders that must go and are being amended."""
        return [
            order.order_id
            for order in self._desk.log.book.orders.values()
            if order.amending is not None
            and order.intent.exchange == self._desk.exchange
            and sweep.symbol in (None, order.intent.symbol)
            and self._must_go(order.order_id, sweep)
        ]

    async def _sweep_once(self, sweep: Sweep, submits: Submits, cancelled: dict[str, None]) -> SweepProgress:
        desk = self._desk
        sending = sum(self._must_go(order_id, sweep) for order_id in submits.orders_in(sweep.symbol))
        unresolved = [
            order_id
            for order_id in self._inquiries.unresolved_in(sweep.symbol)
            if self._must_go(order_id, sweep)
        ]
        try:
            resting = await self._resting(sweep.symbol)
        except Unavailable as problem:
            return self._report(sweep, cancelled, sending + len(unresolved) or 1, str(problem))
        ours = [report for report in resting if report.venue_id and desk.is_ours(report.venue_id)]
        ours = [r for r in ours if self._must_go(desk.log.book.venue_ids.get(r.venue_id, ""), sweep)]
        async with trio.open_nursery() as nursery:
            for report in ours:
                nursery.start_soon(self._sweep_order, sweep, report, cancelled)
        remaining = len(ours) + sending + len(unresolved)
        detail = f"{len(unresolved)} without an answer are being looked for" if unresolved else ""
        return self._report(sweep, cancelled, remaining, detail)

    async def _resting(self, symbol: str | None) -> Sequence[OrderReport]:
        """What rests at the exchange, in one symbol or all; raise Unavailable.

        A symbol that trades elsewhere only is not asked for: the exchange would refuse the question for ever.
        """
        desk = self._desk
        if symbol is not None and not desk.may_have(symbol):
            return ()
        return await desk.line.insist(
            "open_orders", desk.timings.query, lambda: desk.port.open_orders(symbol)
        )

    def _must_go(self, order_id: str, sweep: Sweep) -> bool:
        order = self._desk.log.book.order(order_id)
        return order is None or not order.is_exit_since(sweep.exits_since_us)

    def _goes_on(self, sweep: Sweep) -> bool:
        return self._desk.gate.in_force(sweep.sweep_id)

    async def _sweep_order(self, sweep: Sweep, report: OrderReport, cancelled: dict[str, None]) -> None:
        desk, venue_id = self._desk, report.venue_id
        await desk.line.admit("cancel", Priority.CANCEL)
        if not self._goes_on(sweep):
            return
        outcome: Outcome | None = None
        with trio.move_on_after(desk.timings.submit):
            outcome = await desk.port.cancel(report.symbol, venue_id, report.exchange_order_id)
        if isinstance(outcome, Rejected):
            desk.line.heed(outcome.retry_after_seconds)
        if isinstance(outcome, Confirmed) or (isinstance(outcome, Rejected) and outcome.gone):
            cancelled[venue_id] = None
            order = desk.order_of(venue_id)
            if order is not None and order.is_open:
                self._inquiries.begin(order, "swept", after_cancel=True)

    def _report(self, sweep: Sweep, cancelled: dict[str, None], remaining: int, detail: str) -> SweepProgress:
        return SweepProgress(
            sweep_id=sweep.sweep_id,
            exchange=self._desk.exchange,
            cancelled=len(cancelled),
            remaining=remaining,
            done=remaining == 0,
            detail=detail,
        )
