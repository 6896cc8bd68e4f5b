"""Orders on their way out: each accepted order leaves at most once, and each ends as evidence.

An order is sent by this life of the broker only if it was accepted during it. From `begin_send` on nothing
but an outcome ends its sending: when this life dies in between, the next one finds the order unanswered in
the journal and calls it unresolved.
"""

from collections import deque
from collections.abc import Callable

import msgspec
import structlog
import trio

from actors.broker.breaker import Permit
from actors.broker.limiter import Priority
from actors.broker.outcome import ENDED, is_whole, not_in_time, reduces
from actors.broker.port import Confirmed, NotSent, Outcome, Rejected, Unresolved
from actors.broker.shell.desk import Desk
from actors.broker.shell.inquiries import Inquiries
from actors.kernel import Agenda
from actors.model.order import Order, OrderIntent, Submission

MICROSECONDS = 1_000_000

_log = structlog.get_logger(room="broker")


class Sending(msgspec.Struct, kw_only=True, eq=False):
    """One order between the journal and its evidence.

    While the exchange is asked, `asking` is the scope of its sender, which is cancelled when the answer is
    not there in time (`actors.kernel.agenda.Due`). `ended` is the end that a stream told before the answer.
    """

    intent: OrderIntent
    send_before_us: int
    correlation_id: str = ""
    taken_us: int = 0
    begun_us: int = 0
    amend_id: str = ""
    begun_at: float | None = None
    announced: bool = False
    cancel_wanted: bool = False
    withdrawn: bool = False
    ended: str = ""
    waiting: trio.CancelScope | None = None
    asking: trio.CancelScope | None = None

    @property
    def wanted(self) -> bool:
        """Whether the exchange still owes the answer."""
        return self.asking is not None

    def expire(self, _now: float) -> None:
        """Wait no longer for the answer."""
        asking, self.asking = self.asking, None
        if asking is not None:
            asking.cancel()


class Turn:
    """What one sender sends under one cancel scope: most orders are answered at once, and many share it; one
    that has no answer in time spends it.
    """

    __slots__ = ("scope", "unanswered")

    def __init__(self) -> None:
        self.scope = trio.CancelScope()
        self.unanswered: tuple[Sending, Permit] | None = None


IDLE_KEPT = 16
"""How many senders without work wait for more; beyond them a sender that has nothing to do ends."""

BURST = 32
"""Orders that one sender takes in a row before others get a turn."""


class Submits:
    """`inquiries` take over what stays open after an answer, `cancel` what shall end.

    Orders leave in the order of their commits, through child tasks that take one after the other. One that
    takes an order calls the next sender first, so an exchange that lets one order wait holds up no other;
    one that answers at once has a whole batch sent by one task. `agenda` keeps their time limits.
    """

    def __init__(
        self,
        desk: Desk,
        agenda: Agenda,
        inquiries: Inquiries,
        cancel: Callable[[Order], None],
    ) -> None:
        self._desk = desk
        self._agenda = agenda
        self._inquiries = inquiries
        self._cancel = cancel
        self._sending: dict[str, Sending] = {}
        self._next: deque[Sending] = deque()
        self._idle: list[trio.Event] = []
        self._called = False

    def accept(
        self, intent: OrderIntent, send_before_us: int, correlation_id: str, amend_id: str = ""
    ) -> None:
        """An order of ours was committed, or the replacement that an amend made: let it leave as soon as it
        may.
        """
        sending = Sending(
            intent=intent,
            send_before_us=send_before_us,
            correlation_id=correlation_id,
            taken_us=self._desk.clock.now_us(),
            amend_id=amend_id,
        )
        self._sending[intent.order_id] = sending
        self._next.append(sending)
        self._call_sender()

    def is_sending(self, order_id: str) -> bool:
        """Whether the order is between the journal and its evidence."""
        return order_id in self._sending

    def hear(self, order_id: str, status: str) -> None:
        """A stream says of an order on its way out what it is now. An answer that merely acknowledges it may
        come later than its end.
        """
        sending = self._sending.get(order_id)
        if sending is not None and status in (*ENDED, "rejected"):
            sending.ended = status

    def orders_in(self, symbol: str | None) -> list[str]:
        """The orders on their way out, of one symbol or all, oldest first."""
        return [
            order_id
            for order_id, sending in self._sending.items()
            if symbol is None or sending.intent.symbol == symbol
        ]

    def stop(self, order_id: str, why: str) -> bool:
        """Withdraw the order if nothing of it has left, else have it cancelled once its answer is there.

        False when the order is not on its way out.
        """
        sending = self._sending.get(order_id)
        if sending is None:
            return False
        if sending.begun_at is None:
            sending.withdrawn = True
            if sending.waiting is not None:
                sending.waiting.cancel()
            self._not_sent(sending, why)
        else:
            sending.cancel_wanted = True
        return True

    async def announce_late(self) -> None:
        """Report as sent what has had no answer for a while; runs as long as the broker lives."""
        desk = self._desk
        while True:
            await trio.sleep(desk.timings.sent_after / 2)
            late = desk.clock.monotonic() - desk.timings.sent_after
            for sending in self._sending.values():
                if sending.begun_at is not None and sending.begun_at <= late and not sending.announced:
                    sending.announced = True
                    desk.outbox.add(sending.intent.symbol, "sent", venue_id=sending.intent.venue_id)

    def _call_sender(self) -> None:
        """See to it that a sender comes, unless one is on its way."""
        if self._called:
            return
        self._called = True
        if self._idle:
            self._idle.pop().set()
        else:
            self._desk.start_task(self._send_all)

    async def _send_all(self) -> None:
        """Send what waits, then wait for more; as long as the broker lives."""
        while True:
            self._called = False
            await self._send_waiting()
            if len(self._idle) >= IDLE_KEPT:
                return
            called = trio.Event()
            self._idle.append(called)
            await called.wait()

    async def _send_waiting(self) -> None:
        while self._next:
            turn = Turn()
            try:
                with turn.scope:
                    await self._send_under(turn)
            except BaseException:
                # Given up on our side: the life ends. The next one finds the order unanswered in the journal.
                if turn.unanswered is not None:
                    self._desk.line.release(turn.unanswered[1])
                raise
            if turn.unanswered is not None:
                sending, permit = turn.unanswered
                self._desk.line.done(permit, good=False)
                reason = f"no answer in {self._desk.timings.submit:g} s"
                self._conclude(sending, Unresolved(reason=reason))

    async def _send_under(self, turn: Turn) -> None:
        sent = 0
        while self._next and not turn.scope.cancel_called:
            sending = self._next.popleft()
            if self._next:
                self._call_sender()
            await self._send(sending, turn)
            sent += 1
            if sent % BURST == 0:
                await trio.lowlevel.checkpoint()

    async def _send(self, sending: Sending, turn: Turn) -> None:
        desk, intent = self._desk, sending.intent
        if not desk.trading or not desk.line.admit_nowait("submit", Priority.ENTRY):
            await self._wait_for_room(sending)
        if sending.withdrawn:
            return
        refusal = self._refusal(sending)
        permit = desk.line.permit() if refusal is None else None
        if permit is None:
            self._not_sent(sending, refusal or "the circuit to the exchange is open")
            return
        sending.begun_at, sending.begun_us = desk.clock.monotonic(), desk.clock.now_us()
        desk.gate.begin_send(intent.order_id, sending.amend_id)
        sending.asking, turn.unanswered = turn.scope, (sending, permit)
        self._agenda.add(sending.begun_at + desk.timings.submit, sending)
        try:
            outcome = await desk.port.submit(intent)
        finally:
            if sending.asking is not None:
                sending.asking = None
                self._agenda.settled()
        turn.unanswered = None
        if isinstance(outcome, NotSent) and outcome.local:
            desk.line.release(permit)
        else:
            desk.line.done(permit, isinstance(outcome, Confirmed | Rejected))
        self._conclude(sending, outcome)

    async def _wait_for_room(self, sending: Sending) -> None:
        """Wait until the broker trades and the budgets have room, but no longer than the order may wait at
        all.
        """
        desk = self._desk
        left = (sending.send_before_us - desk.clock.now_us()) / MICROSECONDS
        with trio.move_on_after(max(0.0, left) + 0.001) as sending.waiting:
            while not desk.trading:
                await desk.woken.wait()
            await desk.line.admit("submit", Priority.ENTRY)
        sending.waiting = None

    def _refusal(self, sending: Sending) -> str | None:
        """Why the order may not leave at this moment; asked immediately before it does."""
        desk, intent = self._desk, sending.intent
        late = not_in_time(desk.clock.now_us(), sending.send_before_us)
        if late is not None:
            return late
        if not desk.trading:
            return "the exchange is not ready for orders"
        order = desk.log.book.orders.get(intent.order_id)
        if order is None or order.submission is not Submission.ACCEPTED:
            return "the journal says that the order is over or has left"
        if order.cancel_requested:
            return "cancelled before it was sent"
        shrinks = intent.reduce_only and reduces(intent, desk.log.book.position(desk.exchange, intent.symbol))
        if not shrinks and (closed := desk.closed_to_openings):
            return closed
        return desk.gate.may_send(intent, shrinks)

    def _leave(self, sending: Sending) -> None:
        """It is on its way no more. Where a replacement has taken its place, that one stays."""
        order_id = sending.intent.order_id
        if self._sending.get(order_id) is sending:
            del self._sending[order_id]

    def _not_sent(self, sending: Sending, why: str) -> None:
        self._leave(sending)
        self._desk.outbox.add(sending.intent.symbol, "not_sent", venue_id=sending.intent.venue_id, reason=why)
        self._note(sending, "not_sent", why)

    def _note(self, sending: Sending, outcome: str, detail: str) -> None:
        """One line an order: from its request to the exchange's answer by one correlation id."""
        desk, intent = self._desk, sending.intent
        begun, ended_us = sending.begun_at, desk.clock.now_us()
        told = desk.stages.stage
        told("broker", sending.correlation_id, intent.order_id, sending.taken_us, ended_us, outcome)
        if begun is not None:
            told("exchange", sending.correlation_id, intent.order_id, sending.begun_us, ended_us, outcome)
        _log.info(
            "order_answered",
            correlation_id=sending.correlation_id,
            user_id=intent.user,
            order_id=intent.order_id,
            venue_id=intent.venue_id,
            exchange=desk.exchange,
            outcome=outcome,
            detail=detail,
            seconds=None if begun is None else round(desk.clock.monotonic() - begun, 6),
        )

    def _conclude(self, sending: Sending, outcome: Outcome) -> None:
        desk, intent = self._desk, sending.intent
        self._leave(sending)
        add = desk.outbox.add
        if isinstance(outcome, Confirmed):
            self._confirmed(sending, outcome)
            self._note(sending, "confirmed", outcome.status)
        elif isinstance(outcome, Rejected):
            desk.line.heed(outcome.retry_after_seconds)
            add(
                intent.symbol,
                "refused",
                venue_id=intent.venue_id,
                code=outcome.code,
                reason=outcome.reason,
            )
            self._note(sending, "refused", f"{outcome.code}: {outcome.reason}")
        elif isinstance(outcome, NotSent):
            add(intent.symbol, "not_sent", venue_id=intent.venue_id, reason=outcome.reason)
            self._note(sending, "not_sent", outcome.reason)
        else:
            self._unresolved(sending, outcome)
            self._note(sending, "unresolved", outcome.reason)
        desk.gate.end_send(intent.order_id, sending.amend_id)

    def _still_current(self, intent: OrderIntent) -> Order | None:
        """The order as committed by now; None when it left memory, or was replaced before this answer came:
        then what was sent has ended for sure, and the answer must not be taken for the replacement's.
        """
        order = self._desk.log.book.order(intent.order_id)
        return order if order is not None and order.intent.venue_id == intent.venue_id else None

    def _confirmed(self, sending: Sending, answer: Confirmed) -> None:
        desk, intent = self._desk, sending.intent
        desk.outbox.add(
            intent.symbol,
            "acknowledged",
            venue_id=intent.venue_id,
            exchange_order_id=answer.exchange_order_id,
        )
        desk.take_fills(answer.fills)
        order = self._still_current(intent)
        if order is None:
            return
        if not is_whole(answer, intent, desk.port.capabilities.fills_with_answer):
            self._inquiries.begin(order, f"said to be {answer.status}")
        elif answer.status in ENDED:
            desk.outbox.add(
                intent.symbol,
                answer.status,
                venue_id=intent.venue_id,
                reason=f"{answer.status} by the exchange",
            )
        elif sending.ended:
            self._inquiries.begin(order, f"said to be {sending.ended}")
        elif sending.cancel_wanted and answer.status == "open":
            self._cancel(order)

    def _unresolved(self, sending: Sending, outcome: Unresolved) -> None:
        desk, intent = self._desk, sending.intent
        desk.outbox.add(intent.symbol, "unresolved", venue_id=intent.venue_id, reason=outcome.reason)
        order = self._still_current(intent)
        if order is None:
            return
        self._inquiries.begin(order, outcome.reason, unresolved=True, signed_at_us=outcome.signed_at_us)
        if sending.cancel_wanted:
            self._cancel(order)
