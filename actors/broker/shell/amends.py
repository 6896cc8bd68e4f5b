"""Amends on their way: in place where the exchange can, else by cancelling what is to be replaced.

Each committed amend begins at most once, in the life of the broker that saw it committed, and ends as
evidence. An amend in place whose answer is lost is never repeated: the order itself is looked at until its
terms tell. A replacement leaves only when the journal says that what it replaces has ended (`OrderReplaced`);
here nothing more is done for it than to have the old order cancelled.
"""

import msgspec
import structlog
import trio

from actors.broker.amended import Contradiction, NotAmended, TookEffect, verdict, wanted
from actors.broker.limiter import Priority
from actors.broker.outcome import not_in_time, reduces
from actors.broker.port import AmendsInPlace, Confirmed, NotSent, Outcome, Rejected, Unavailable, Unresolved
from actors.broker.shell.cancels import Cancels
from actors.broker.shell.desk import Desk
from actors.broker.shell.inquiries import FIRST_PAUSE, LONGEST_PAUSE, MICROSECONDS, READING_SECONDS, Inquiries
from actors.broker.unresolved import NeedsOperator, TooEarly
from actors.model.amend import Amend
from actors.model.order import Order, OrderIntent

TAKEN = "taken"
"""The status of an amend that an exchange has acknowledged; what came of it shows in the order."""

_log = structlog.get_logger(room="broker")


class Amends:
    """At most one task an amend."""

    def __init__(self, desk: Desk, inquiries: Inquiries, cancels: Cancels) -> None:
        self._desk = desk
        self._inquiries = inquiries
        self._cancels = cancels
        self._running: dict[str, trio.Event] = {}

    def accept(self, order_id: str, amend_id: str) -> None:
        """An amend was committed: begin it as soon as it may."""
        order = self._desk.log.book.orders.get(order_id)
        amend = None if order is None else order.amending
        if order is None or amend is None or amend.amend_id != amend_id or amend_id in self._running:
            return
        self._running[amend_id] = trio.Event()
        self._desk.start_task(self._begin, order, amend)

    def adopt(self, order: Order) -> None:
        """Take over an amend of a former life, which may have begun it or not; it is never begun here."""
        amend = order.amending
        if amend is None:
            return
        if amend.in_place:
            self._running[amend.amend_id] = trio.Event()
            self._desk.start_task(self._settle_adopted, order, amend)
        else:
            self._refuse(order, amend, "NOT_SENT", "the broker started anew before the order was replaced")

    def nudge(self, order: Order) -> None:
        """Something new is known about the order: look again now."""
        amend = order.amending
        asked = None if amend is None else self._running.get(amend.amend_id)
        if asked is not None:
            asked.set()

    async def _begin(self, order: Order, amend: Amend) -> None:
        desk = self._desk
        if not desk.trading or not desk.line.admit_nowait("amend", Priority.ENTRY):
            await self._wait_for_room(amend)
        refusal = self._refusal(order, amend)
        if refusal is not None:
            self._refuse(order, amend, "NOT_SENT", refusal)
        elif amend.in_place:
            await self._in_place(order, amend)
        else:
            self._cancels.begin(order, wanted=False)
        self._running.pop(amend.amend_id, None)

    async def _wait_for_room(self, amend: Amend) -> None:
        desk = self._desk
        left = (amend.send_before_us - desk.clock.now_us()) / MICROSECONDS
        with trio.move_on_after(max(0.0, left) + 0.001):
            while not desk.trading:
                await desk.woken.wait()
            await desk.line.admit("amend", Priority.ENTRY)

    def _refusal(self, order: Order, amend: Amend) -> str | None:
        """Why the amend may not begin at this moment; asked immediately before it does."""
        desk = self._desk
        late = not_in_time(desk.clock.now_us(), amend.send_before_us)
        if late is not None:
            return late
        if not desk.trading:
            return "the exchange is not ready for amends"
        current = desk.log.book.orders.get(order.order_id)
        if current is None or current.amending is None or current.cancel_requested:
            return "the order is over, or a cancel goes first"
        if self._cancels.is_wanted(order.order_id):
            return "a cancel goes first"
        quantity, _ = wanted(current, amend)
        if desk.executed(current) >= quantity:
            return f"{desk.executed(current)} has executed meanwhile"
        intent = self._intent(current, amend)
        shrinks = intent.reduce_only and reduces(intent, desk.log.book.position(desk.exchange, intent.symbol))
        if not shrinks and (closed := desk.closed_to_openings):
            return closed
        # The gate knows an amend by its own id: that is what is withdrawn when nobody waits for it any more.
        return desk.gate.may_send(msgspec.structs.replace(intent, order_id=amend.amend_id), shrinks)

    def _intent(self, order: Order, amend: Amend) -> OrderIntent:
        """The order as it is to be at the exchange."""
        quantity, price = wanted(order, amend)
        return msgspec.structs.replace(order.intent, quantity=quantity, limit_price=price)

    # In place.

    async def _in_place(self, order: Order, amend: Amend) -> None:
        desk = self._desk
        port, permit = desk.port, desk.line.permit()
        if permit is None or not isinstance(port, AmendsInPlace):
            why = (
                "the circuit to the exchange is open" if permit is None else "the exchange can't amend orders"
            )
            self._refuse(order, amend, "NOT_SENT", why)
            return
        desk.gate.begin_send(order.order_id, amend.amend_id)
        current = desk.current(order)
        outcome: Outcome | None = None
        try:
            with trio.move_on_after(desk.timings.submit):
                outcome = await port.amend(self._intent(current, amend), current.exchange_order_id)
        except trio.Cancelled:
            desk.line.release(permit)
            raise
        if outcome is None:
            outcome = Unresolved(reason=f"no answer in {desk.timings.submit:g} s")
        if isinstance(outcome, NotSent) and outcome.local:
            desk.line.release(permit)
        else:
            desk.line.done(permit, isinstance(outcome, Confirmed | Rejected))
        signed_at_us = self._conclude(order, amend, outcome)
        desk.gate.end_send(order.order_id, amend.amend_id)
        if isinstance(outcome, Unresolved) or (isinstance(outcome, Confirmed) and outcome.status == TAKEN):
            await self._settle(order, amend, signed_at_us)

    def _conclude(self, order: Order, amend: Amend, outcome: Outcome) -> int | None:
        _log.info("amend_answered", order_id=order.order_id, amend_id=amend.amend_id, outcome=str(outcome))
        if isinstance(outcome, Confirmed):
            # The exchange's word for the new terms goes before what they executed at once.
            if outcome.status in ("open", "filled"):
                self._say(order, amend, "amended")
            self._desk.take_fills(outcome.fills)
            if outcome.status == TAKEN:
                return None
            self._look_after(order, outcome.status)
        elif isinstance(outcome, Rejected):
            self._desk.line.heed(outcome.retry_after_seconds)
            self._refuse(order, amend, outcome.code, outcome.reason)
            if outcome.gone:
                self._inquiries.begin(self._desk.current(order), "not found by an amend")
        elif isinstance(outcome, NotSent):
            self._refuse(order, amend, "NOT_SENT", outcome.reason)
        else:
            return outcome.signed_at_us
        return None

    def _look_after(self, order: Order, status: str) -> None:
        """What the amend brought to its end has to be told with all its fills."""
        if status != "open":
            self._inquiries.begin(self._desk.current(order), f"{status} by an amend")

    async def _settle_adopted(self, order: Order, amend: Amend) -> None:
        await self._settle(order, amend, None)
        self._running.pop(amend.amend_id, None)

    async def _settle(self, order: Order, amend: Amend, signed_at_us: int | None) -> None:
        """Look at the order until its terms tell what became of the amend, or the order is over."""
        began, rounds = self._desk.clock.monotonic(), 0
        while True:
            current = self._desk.log.book.orders.get(order.order_id)
            pending = None if current is None else current.amending
            if current is None or pending is None or pending.amend_id != amend.amend_id:
                return
            pause: float | None = self._pause(rounds)
            try:
                if signed_at_us is None:
                    # Where nobody can tell when it was signed: no later than what the clock shows first.
                    signed_at_us = await self._desk.server_us(since=began)
                pause = await self._look(current, pending, signed_at_us, rounds)
            except Unavailable:
                pause = self._pause(rounds)
            if pause is None:
                return
            rounds += 1
            asked = self._running[amend.amend_id] = trio.Event()
            with trio.move_on_after(pause):
                await asked.wait()

    async def _look(self, order: Order, amend: Amend, signed_at_us: int, rounds: int) -> float | None:
        """Look once; None when the amend's fate is told, else how long to wait before the next look."""
        desk, intent = self._desk, order.intent
        server_us = await desk.server_us(since=desk.clock.monotonic() - READING_SECONDS)
        report = await desk.ask("order", lambda: desk.port.order(intent.symbol, intent.venue_id))
        if report is None:
            self._inquiries.begin(order, "not found while an amend is unresolved")
            return self._pause(rounds)
        judged = verdict(
            report,
            order,
            amend,
            server_us=server_us,
            signed_at_us=signed_at_us,
            window_seconds=desk.port.capabilities.absence_window_seconds,
            margin_seconds=desk.timings.absence_margin,
        )
        if isinstance(judged, TooEarly):
            soonest = judged.remaining_us / MICROSECONDS
            return min(soonest, self._pause(rounds)) if rounds < 3 else soonest
        if isinstance(judged, NeedsOperator):
            return self._pause(rounds)
        if isinstance(judged, Contradiction):
            if not desk.halted:
                desk.halt(
                    f"order {order.order_id} is for {judged.found} at the exchange, not as anybody asked"
                )
            return LONGEST_PAUSE
        if isinstance(judged, TookEffect):
            self._say(order, amend, "amended")
        elif isinstance(judged, NotAmended):
            self._refuse(order, amend, "AMEND_REFUSED", judged.proof)
        self._look_after(order, report.status)
        return None

    # What is said.

    def _refuse(self, order: Order, amend: Amend, code: str, reason: str) -> None:
        self._say(order, amend, "amend_refused", code=code, reason=reason)

    def _say(self, order: Order, amend: Amend, kind: str, *, code: str = "", reason: str = "") -> None:
        intent = order.intent
        self._desk.outbox.add(
            intent.symbol, kind, venue_id=intent.venue_id, amend_id=amend.amend_id, code=code, reason=reason
        )

    def _pause(self, rounds: int) -> float:
        longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(rounds, 12))
        return longest * (0.5 + 0.5 * self._desk.rng.random())
