"""Inquiries: one order's fate, asked of the exchange until it is told.

An inquiry is opened for every order whose state the broker can't tell: no answer to its submit, missing
from the open orders, said to be over without the fills that explain it. It ends only on evidence. For an
order that was never answered that means it was found, or is proven absent, or a person gave a verdict; for
an acknowledged one, that the exchange's report and the fills in the journal tell the same story.
"""

import msgspec
import structlog
import trio

from actors.broker.outcome import ENDED
from actors.broker.port import OrderReport, Unavailable
from actors.broker.shell.desk import Desk
from actors.broker.unresolved import Absent, Found, Looked, NeedsOperator, TooEarly, verdict
from actors.model.fill import Fill
from actors.model.messages import Refused
from actors.model.order import Order, Submission, Terminal

_log = structlog.get_logger(room="broker")

MICROSECONDS = 1_000_000
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 30.0
LONGEST_UNANSWERED = 5.0
"""The same while the exchange can't be asked: what waits for it must not oversleep its return."""
ROUNDS_FOR_FILLS = 12
"""Looks until trades that never get listed halt the exchange: two to three minutes."""
ADOPTED_SECONDS = 3.0
"""How long orders of a former life wait for the reconciliation, which tells of most of them at once."""
LOOKS_AT_ONCE = 10
"""How many orders are looked up at the same time: the rest of the connections belongs to everybody else."""
READING_SECONDS = 1.0
"""For how long many inquiries may share one reading of the exchange's clock."""


class Inquiry(msgspec.Struct, kw_only=True):
    """`unresolved` while nobody knows whether the exchange took the order.

    Its request was signed no later than `signed_at_us`; where nobody can tell (None), what the exchange's own
    clock says first is taken for it. `undecidable` after a whole look that found nothing and proves nothing.
    """

    order: Order
    why: str
    begun_at: float
    unresolved: bool = False
    signed_at_us: int | None = None
    after_cancel: bool = False
    delay: float = 0.0
    adopted: bool = False
    undecidable: bool = False
    misses: int = 0
    rounds: int = 0
    asked: trio.Event = msgspec.field(default_factory=trio.Event)
    settled: trio.Event = msgspec.field(default_factory=trio.Event)
    ended: bool = False


class Inquiries:
    """At most one inquiry an order."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._open: dict[str, Inquiry] = {}
        self._places = trio.CapacityLimiter(LOOKS_AT_ONCE)

    def begin(
        self,
        order: Order,
        why: str,
        *,
        unresolved: bool = False,
        signed_at_us: int | None = None,
        after_cancel: bool = False,
        delay: float = 0.0,
        adopted: bool = False,
    ) -> Inquiry:
        """Ask for the order's fate; a second reason joins the inquiry that is already open.

        `delay` (seconds) gives what is already on its way time to arrive by itself; `adopted` lets the
        reconciliation of a new life go first.
        """
        running = self._open.get(order.order_id)
        if running is not None and running.order.intent.venue_id != order.intent.venue_id:
            # It asks for what has been replaced meanwhile.
            self._end(running)
            running = None
        if running is not None:
            running.after_cancel = running.after_cancel or after_cancel
            running.asked.set()
            return running
        inquiry = Inquiry(
            order=order,
            why=why,
            begun_at=self._desk.clock.monotonic(),
            unresolved=unresolved,
            signed_at_us=signed_at_us,
            after_cancel=after_cancel,
            delay=delay,
            adopted=adopted,
        )
        self._open[order.order_id] = inquiry
        self._desk.start_task(self._run, inquiry)
        return inquiry

    def is_open(self, order_id: str) -> bool:
        """Whether the order's fate is being asked for."""
        return order_id in self._open

    def unresolved_in(self, symbol: str | None) -> list[str]:
        """Orders that the exchange may or may not have, of one symbol or all."""
        return [
            order_id
            for order_id, inquiry in self._open.items()
            if inquiry.unresolved and symbol in (None, inquiry.order.intent.symbol)
        ]

    def answered(self) -> list[Inquiry]:
        """The open inquiries for orders that the exchange once acknowledged."""
        return [inquiry for inquiry in self._open.values() if not inquiry.unresolved]

    def nudge(self, order_id: str) -> None:
        """Something new is known about the order: look again now."""
        inquiry = self._open.get(order_id)
        if inquiry is not None:
            inquiry.asked.set()

    def record_absence(self, order_id: str, by: str, reason: str) -> Refused | None:
        """A person says that the exchange never took the order; why that can't be taken, or None.

        A verdict counts only where nothing else can decide, and only after a look at the exchange: somebody
        who judges during an outage judges nothing.
        """
        inquiry = self._open.get(order_id)
        if inquiry is None or not inquiry.unresolved:
            return Refused(code="NOT_UNKNOWN", detail="the order's fate is known or being told right now")
        if self._desk.port.capabilities.absence_window_seconds is not None:
            detail = "this exchange's own clock proves whether it took the order; it is being asked"
            return Refused(code="PROOF_PENDING", detail=detail)
        if not inquiry.undecidable:
            detail = "the exchange has not been asked with success since; a verdict needs that first"
            return Refused(code="PROOF_PENDING", detail=detail)
        del self._open[order_id]
        self._say(inquiry, "absent", reason=f"verdict of {by}: {reason}")
        inquiry.asked.set()
        inquiry.settled.set()
        return None

    def _end(self, inquiry: Inquiry) -> None:
        """Ask no more for an order that another has replaced."""
        inquiry.ended = True
        self._open.pop(inquiry.order.order_id, None)
        inquiry.asked.set()
        inquiry.settled.set()

    async def _run(self, inquiry: Inquiry) -> None:
        order_id = inquiry.order.order_id
        if inquiry.delay:
            await trio.sleep(inquiry.delay)
        if inquiry.adopted:
            with trio.move_on_after(ADOPTED_SECONDS):
                while not self._desk.trading:
                    await self._desk.woken.wait()
        while self._open.get(order_id) is inquiry:
            pause = await self._round(inquiry)
            if pause is None:
                if self._open.get(order_id) is inquiry:
                    del self._open[order_id]
                inquiry.settled.set()
                return
            inquiry.rounds += 1
            with trio.move_on_after(pause):
                await inquiry.asked.wait()
            inquiry.asked = trio.Event()

    async def _round(self, inquiry: Inquiry) -> float | None:
        """Look once; None when the order's fate is told, else how long to wait before the next look."""
        known = self._desk.log.book.order(inquiry.order.order_id)
        replaced = known is not None and known.intent.venue_id != inquiry.order.intent.venue_id
        if known is None or replaced or known.terminal is Terminal.FILLED:
            inquiry.ended = True
            return None
        try:
            looked = await self._look(inquiry)
            if self._open.get(inquiry.order.order_id) is not inquiry:
                return None
            return await self._judge(inquiry, looked)
        except Unavailable:
            return min(self._pause(inquiry), LONGEST_UNANSWERED)

    async def _look(self, inquiry: Inquiry) -> Looked:
        """Ask by our id; only when that misses, and it could prove something, the other places too."""
        desk, intent = self._desk, inquiry.order.intent
        # The exchange's clock comes first: only what is looked up after the deadline counts.
        server_us = 0
        if inquiry.unresolved:
            unsigned = inquiry.signed_at_us is None
            server_us = await desk.server_us(since=inquiry.begun_at if unsigned else self._recently())
            if unsigned:
                inquiry.signed_at_us = server_us
        async with self._places:
            report = await desk.ask("order", lambda: desk.port.order(intent.symbol, intent.venue_id))
        looked = Looked(server_us=server_us, report=report, among_open=None, fills=())
        if report is not None or isinstance(self._verdict(inquiry, looked), TooEarly):
            return looked
        open_orders = await desk.open_orders(intent.symbol)
        fills = await self._fills(inquiry)
        among_open = next((item for item in open_orders if item.venue_id == intent.venue_id), None)
        return Looked(server_us=server_us, report=None, among_open=among_open, fills=fills)

    async def _fills(self, inquiry: Inquiry) -> tuple[Fill, ...]:
        """The order's trades; those of other orders that come along are taken too."""
        desk, intent = self._desk, inquiry.order.intent
        since_us = inquiry.order.created_us - round(desk.timings.overlap * MICROSECONDS)
        fills = await desk.fills_since(intent.symbol, since_us)
        desk.take_fills(fills)
        return tuple(fill for fill in fills if fill.order_id == intent.venue_id)

    async def _judge(self, inquiry: Inquiry, looked: Looked) -> float | None:
        if not inquiry.unresolved and looked.report is None and looked.among_open is None:
            return self._missed(inquiry)
        judged = self._verdict(inquiry, looked)
        if isinstance(judged, Absent):
            self._say(inquiry, "absent", reason=judged.proof)
            return None
        if isinstance(judged, TooEarly):
            soonest = judged.remaining_us / MICROSECONDS
            return min(soonest, self._pause(inquiry)) if inquiry.rounds < 3 else soonest
        inquiry.undecidable = isinstance(judged, NeedsOperator)
        if isinstance(judged, NeedsOperator) or judged.report is None:
            return self._pause(inquiry)
        return await self._found(inquiry, judged.report)

    def _verdict(self, inquiry: Inquiry, looked: Looked) -> Found | Absent | TooEarly | NeedsOperator:
        desk = self._desk
        return verdict(
            looked,
            inquiry.signed_at_us or 0,
            desk.port.capabilities.absence_window_seconds,
            desk.timings.absence_margin,
        )

    async def _found(self, inquiry: Inquiry, report: OrderReport) -> float | None:
        """The exchange told its story: complete it with fills, then repeat it as evidence."""
        inquiry.misses = 0
        desk = self._desk
        if report.status == "rejected":
            self._say(inquiry, "refused", code="EXCHANGE_REJECTED", reason=report.reason)
            return None
        self._say(inquiry, "acknowledged", exchange_order_id=report.exchange_order_id)
        inquiry.unresolved = False
        if report.executed > desk.executed(inquiry.order):
            await self._fills(inquiry)
            if report.executed > desk.executed(inquiry.order):
                return self._pause(inquiry) if self._may_be_late(inquiry, report) else None
        if report.status in ENDED:
            self._say(inquiry, report.status, reason=report.reason or f"{report.status} at the exchange")
        elif report.status == "filled":
            inquiry.ended = True
        elif report.status == "open" and inquiry.after_cancel and inquiry.rounds < desk.timings.looks:
            return self._pause(inquiry)
        return None

    def _may_be_late(self, inquiry: Inquiry, report: OrderReport) -> bool:
        """Trades are listed late, but not by minutes: then the exchange halts, and only a person can tell."""
        if inquiry.rounds < ROUNDS_FOR_FILLS:
            return True
        self._desk.halt(
            f"order {inquiry.order.order_id}: the exchange says that {report.executed} is executed, "
            f"but lists trades for {self._desk.executed(inquiry.order)} only"
        )
        return False

    def _missed(self, inquiry: Inquiry) -> float | None:
        """An order that the exchange once had is nowhere: believed only after several looks in a row."""
        inquiry.misses += 1
        desk = self._desk
        order = desk.current(inquiry.order)
        if not order.is_open or desk.executed(order) == order.placed:
            inquiry.ended = True
            return None
        if inquiry.misses < desk.timings.looks:
            return min(self._pause(inquiry), desk.timings.inflight_every)
        self._say(
            inquiry, "canceled", reason=f"the exchange does not have it any more ({inquiry.misses} looks)"
        )
        return None

    def _say(
        self, inquiry: Inquiry, kind: str, *, exchange_order_id: str = "", code: str = "", reason: str = ""
    ) -> None:
        if kind != "acknowledged":
            inquiry.ended = True
            order_id = inquiry.order.order_id
            _log.info("order_resolved", order_id=order_id, outcome=kind, why=inquiry.why, detail=reason)
        elif self._desk.current(inquiry.order).submission is Submission.WORKING:
            return
        intent = inquiry.order.intent
        self._desk.outbox.add(
            intent.symbol,
            kind,
            venue_id=intent.venue_id,
            exchange_order_id=exchange_order_id,
            code=code,
            reason=reason,
        )

    def _recently(self) -> float:
        return self._desk.clock.monotonic() - READING_SECONDS

    def _pause(self, inquiry: Inquiry) -> float:
        longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(inquiry.rounds, 12))
        return longest * (0.5 + 0.5 * self._desk.rng.random())
