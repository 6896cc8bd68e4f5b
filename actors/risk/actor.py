"""RiskActor: the one place where it is decided whether an order may go.

One order at a time: it catches up with the journal, judges, reserves and hands the intent to the journal, all
in one synchronous handler, so that no two orders can both fit into the same room. What it reserved it gives
back only when the journal says that the order is over, or that its intent definitely never came in. While it
does not know everything (its fence is not answered, the journal is away) it takes nothing.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import ClassVar

import msgspec

from actors.kernel import Lane, MailboxSpec, TrioActor
from actors.model import messages as m
from actors.model.amending import objection
from actors.model.book import Book
from actors.model.clock import Clock, Ids
from actors.model.events import (
    AmendAsked,
    AnyEvent,
    LimitBreached,
    LimitChanged,
    OrderAccepted,
    OrderDenied,
)
from actors.model.journal import AppendFailed, CommittedLog, Fenced, JournalState
from actors.model.order import Order
from actors.model.stages import NoStages, Stages
from actors.risk import amends
from actors.risk.case import CLOSING
from actors.risk.changes import LimitDesk, settings_changes
from actors.risk.changing import Changing
from actors.risk.checks.breach import Breach
from actors.risk.decide import Decider, Passed
from actors.risk.guard import Guard
from actors.risk.known import Known
from actors.risk.limits import RiskLimits, from_texts
from actors.risk.openings import OWN, Opening, account_openings, day_opening, peak_opening
from actors.risk.port import AdmissionBoard, TradingGate
from actors.risk.state import SECOND_US, RiskState
from actors.risk.view import limits_view, view
from actors.writer import Advance, Whole, Writer

__all__ = ["Known", "RiskActor"]

STREAM = "risk"

Answer = m.Admitted | m.Denied | m.Refused

AMEND = "amend/"
"""How the ids of appends begin that are about an amend; the order's id and the amend's follow."""


class Second(msgspec.Struct, frozen=True):
    """To itself: a second has passed."""


class RiskActor(TrioActor):
    """Handles PlaceOrder(s), ChangeLimit, ReadRisk, ReadLimits (asks); what others tell it.

    `limits` are those of the settings; the journal's stand above them. `known` carries marks, exchange states
    and instruments from one life to the next, since nobody tells them twice. With `second_person` a limit is
    loosened by two people.
    """

    rank: ClassVar[int | None] = 40
    mailbox: ClassVar[MailboxSpec] = MailboxSpec(capacity=65_536, policy="refuse")

    def __init__(
        self,
        *,
        clock: Clock,
        log: CommittedLog,
        ids: Ids,
        gate: TradingGate,
        admissions: AdmissionBoard,
        limits: RiskLimits,
        known: Known | None = None,
        max_age_to_send_seconds: float = 2.0,
        answer_seconds: float = 0.8,
        second_person: bool = False,
        stages: Stages | None = None,
    ) -> None:
        super().__init__()
        self._clock = clock
        self._log = log
        self._ids = ids
        self._gate = gate
        self._admissions = admissions
        self._settings = limits
        self._known = known if known is not None else Known()
        self._send_us = int(max_age_to_send_seconds * SECOND_US)
        self._answer_seconds = answer_seconds
        self._stages = stages or NoStages()
        self._state = RiskState(limits)
        self._decider = Decider()
        self._desk = LimitDesk(second_person=second_person)
        self._changing = Changing()
        self._owed = self._known.guard.owed
        self._numbered = 0
        self._guard = Guard(
            gate=gate,
            clock=clock,
            ids=ids,
            append=self._append_breach,
            tell=self._tell_operator,
            memory=self._known.guard,
        )

    # Life.

    async def on_start(self) -> None:
        """Fence, then fold the journal. When the journal can't answer now this goes on in the background."""
        self._writer = Writer(self, STREAM, self._log)
        self.timers.every("second", 1.0, Second())
        fenced = await self._writer.open()
        if fenced is not None:
            self._become_whole(fenced)

    def _become_whole(self, fenced: Fenced) -> None:
        book, unread = self._log.book, self._writer.unread()
        lost = [order_id for order_id in self._state.pending if book.order(order_id) is None]
        amending = [
            each for order_id, each in self._state.amending.items() if not _has_amend(book, order_id, each)
        ]
        state = self._state = RiskState.rebuild(book, self._settings)
        self._known.recall(state)
        self._writer.begin(fenced)
        for asked, _ in amending:
            self._admissions.fail(
                asked.amend_id, "JOURNAL_UNAVAILABLE", "the amend did not get into the journal"
            )
        for order_id in lost:
            self._admissions.fail(order_id, "JOURNAL_UNAVAILABLE", "the order did not get into the journal")
        self._changing.landed(unread)
        self._changing.fenced(book.limits)
        self._owed.fenced(self._log)
        changes = settings_changes(self._settings, book)
        if changes:
            state.set_limits(from_texts(state.limits, {change.name: change.new for change in changes}))
            self._writer.append(f"{OWN}settings", changes)
        self._open_accounts()
        self._guard.begin(book)
        self._guard.on_records(state, book, unread)

    # Messages.

    def on_receive(self, message: object) -> object:
        """One message; answers at once, never waits."""
        handler = _HANDLERS.get(type(message))
        if handler is None:
            raise TypeError(f"RiskActor does not handle {type(message).__name__}")
        return handler(self, message)

    def _on_whole(self, message: Whole) -> None:
        self._become_whole(message.fenced)

    def _on_advance(self, _message: Advance) -> None:
        self._catch_up()

    def _catch_up(self) -> None:
        writer, log = self._writer, self._log
        if not writer.whole or log.head == writer.cursor:
            return
        book, state = log.book, self._state
        records = writer.unread()
        state.follow_all(book, records, self._changing.names)
        self._changing.landed(records)
        self._owed.landed(records)
        self._guard.on_records(state, book, records)

    def _unavailable(self) -> m.Refused | None:
        if self._writer.can_write:
            return None
        why = "the journal is away" if self._writer.whole else "the risk check is reading the journal"
        return m.Refused(
            code="JOURNAL_UNAVAILABLE", detail=f"{why}; nothing was recorded or sent", retry_after_seconds=1.0
        )

    def _on_place_all(self, message: m.PlaceOrders) -> tuple[Answer, ...]:
        """Many orders, judged one after the other as if each had come alone, and journaled together."""
        with self._writer.together():
            return tuple(self._on_place(each) for each in message.orders)

    def _on_place(self, message: m.PlaceOrder) -> Answer:
        self._catch_up()
        refused = self._unavailable()
        if refused is not None:
            return refused
        intent, state, now_us = message.intent, self._state, self._clock.now_us()
        exchange, symbol = intent.exchange, intent.symbol
        if message.closing and not self._gate.closes_position(exchange, symbol):
            return m.Refused(code="NOT_HALTED", detail="the kill that wanted the position closed is lifted")
        if exchange not in state.opened and not message.dry_run:
            # The exchange may have reported while the journal was away.
            self._open_accounts()
        if state.day_due(now_us) and not message.dry_run:
            self._open(day_opening(self._state, now_us))
        verdict = self._decider.decide(
            state,
            intent,
            self._state_at(exchange, symbol, closing=message.closing),
            self._gate.killed_by_person(exchange, symbol),
            now_us,
        )
        if message.dry_run:
            return (
                m.Admitted(order_id=intent.order_id)
                if isinstance(verdict, Passed)
                else _denied(intent.order_id, verdict)
            )
        if isinstance(verdict, Breach):
            reply: m.Denied | m.Admitted = self._deny(message, verdict)
            outcome = verdict.code
        else:
            reply, outcome = self._admit(message, verdict, now_us), "admitted"
        ended_us = self._clock.now_us()
        self._stages.stage("risk", message.correlation_id, intent.order_id, now_us, ended_us, outcome)
        return reply

    def _state_at(self, exchange: str, symbol: str, *, closing: bool = False) -> str:
        """The trading state that an order meets; `closing`: it is what the kill closes the position with."""
        if not closing and self._gate.closes_position(exchange, symbol):
            return CLOSING
        return self._gate.state_for(exchange, symbol)

    def _admit(self, message: m.PlaceOrder, passed: Passed, now_us: int) -> m.Admitted:
        intent = msgspec.structs.replace(message.intent, venue_id=self._ids.venue_id())
        if passed.shrinks:
            self._gate.verify_exit(intent.order_id)
        self._state.admit(intent, passed.price, now_us)
        accepted = OrderAccepted(
            intent=intent,
            reserve_price=passed.price,
            mark=passed.mark,
            send_before_us=now_us + self._send_us,
            references=passed.references,
            seen=self._writer.cursor,
        )
        self._journal_order(message, accepted)
        return m.Admitted(order_id=intent.order_id)

    def _deny(self, message: m.PlaceOrder, breach: Breach) -> m.Denied:
        intent = message.intent
        if breach.halts:
            self._guard.halt(intent.exchange, intent.symbol, f"{breach.code}: {breach.detail}")
        denied = OrderDenied(
            intent=intent,
            code=breach.code,
            detail=breach.detail,
            limit=breach.limit,
            value=breach.value,
            headroom=breach.headroom,
        )
        self._journal_order(message, denied)
        return _denied(intent.order_id, breach)

    def _journal_order(self, message: m.PlaceOrder, event: AnyEvent) -> None:
        self._writer.append(
            message.intent.order_id,
            (event,),
            correlation_id=message.correlation_id,
            deadline=self._clock.monotonic() + self._answer_seconds,
        )

    def _append_breach(self, event: LimitBreached) -> None:
        append_id = self._own_id("guard")
        self._owed.begin(append_id, event, self._log.head)
        self._writer.append(append_id, (event,), causation_id=append_id)

    def _own_id(self, what: str) -> str:
        """An id for an append, by which its records are known again."""
        self._numbered += 1
        return f"{OWN}{what}/{self._writer.generation}/{self._numbered}"

    def _tell_operator(self, message: m.Message) -> None:
        self.system.ref("operator").tell(message, lane=Lane.CONTROL)

    def _on_append_failed(self, failed: AppendFailed) -> None:
        self._catch_up()
        if failed.append_id.startswith(OWN):
            self._changing.settle(failed.append_id, landed=False)
            # The state is ahead of the journal; what the journal says is what holds.
            self._writer.fence()
            return
        if failed.append_id.startswith(AMEND):
            self._amend_failed(failed)
        elif self._log.book.order(failed.append_id) is None:
            self._state.release(failed.append_id)
            self._admissions.fail(failed.append_id, "JOURNAL_UNAVAILABLE", failed.detail)
        if failed.code != "JOURNAL_UNAVAILABLE":
            self._writer.fence()

    # Amends.

    def _on_amend(self, message: m.AmendOrder) -> m.Admitted | m.Denied | m.Refused:
        self._catch_up()
        refused = self._unavailable()
        if refused is not None:
            return refused
        asked, now_us = message.asked, self._clock.now_us()
        order = self._log.book.order(message.order_id)
        if order is None:
            return m.Refused(code="ORDER_CLOSED", detail="the order is not open")
        found = objection(order, asked.quantity)
        if found is None and order.order_id in self._state.amending:
            found = "AMEND_IN_PROGRESS", "another amend of the order is on its way to the journal"
        if found is not None:
            return m.Refused(code=found[0], detail=found[1])
        if self._state.day_due(now_us):
            self._open(day_opening(self._state, now_us))
        place = (order.intent.exchange, order.intent.symbol)
        killed = self._gate.killed_by_person(*place)
        state_there = self._state_at(*place)
        verdict = amends.judge(self._decider, self._state, order, asked, state_there, killed, now_us)
        if isinstance(verdict, Breach):
            self._journal_amend(message, amends.denied(order, asked, verdict))
            return _denied(order.order_id, verdict)
        return self._admit_amend(message, order, verdict, now_us)

    def _admit_amend(
        self, message: m.AmendOrder, order: Order, passed: Passed, now_us: int
    ) -> m.Admitted | m.Denied:
        asked = message.asked
        broker = self._state.brokers.get(order.intent.exchange)
        in_place = broker is not None and broker.amends_in_place
        venue_id = "" if in_place else self._ids.venue_id()
        if passed.shrinks:
            self._gate.verify_exit(asked.amend_id)
            self._gate.verify_exit(order.order_id)
        self._state.admit_amend(order, asked, passed.price, now_us)
        send_before_us = now_us + self._send_us
        event = amends.accepted(order, asked, passed, venue_id, send_before_us, self._writer.cursor)
        self._journal_amend(message, event)
        return m.Admitted(order_id=order.order_id)

    def _journal_amend(self, message: m.AmendOrder, event: AnyEvent) -> None:
        self._writer.append(
            f"{AMEND}{message.order_id}/{message.asked.amend_id}",
            (event,),
            correlation_id=message.correlation_id,
            deadline=self._clock.monotonic() + self._answer_seconds,
        )

    def _amend_failed(self, failed: AppendFailed) -> None:
        order_id, _, amend_id = failed.append_id.removeprefix(AMEND).partition("/")
        self._state.release_amend(order_id, amend_id, self._log.book.orders.get(order_id))
        self._admissions.fail(amend_id, "JOURNAL_UNAVAILABLE", failed.detail)

    # The outside.

    def _on_mark(self, mark: m.Mark) -> None:
        self._known.marks[mark.exchange, mark.symbol] = mark
        self._state.set_mark(mark)
        account = self._state.ledger.accounts.get((mark.exchange, mark.symbol))
        if self._writer.whole and account is not None and account.position.quantity:
            self._guard.on_mark(self._state)

    def _on_broker(self, broker: m.BrokerState) -> None:
        self._state.set_broker(self._known.keep(broker))
        self._open_accounts()

    def _on_skew(self, skew: m.ClockSkew) -> None:
        self._known.skews[skew.exchange] = self._state.skews[skew.exchange] = skew.skew_us

    def _on_journal_state(self, _state: JournalState) -> None:
        self._catch_up()

    def _on_second(self, _second: Second) -> None:
        self._catch_up()
        if not self._writer.can_write:
            return
        now_us = self._clock.now_us()
        if self._state.day_due(now_us):
            self._open(day_opening(self._state, now_us))
        for breach in self._owed.take_lost():
            self._append_breach(breach)
        self._guard.on_second(self._state, self._log.book, self._changing.names)
        self._open(peak_opening(self._state))

    def _open(self, openings: Iterable[Opening]) -> None:
        for append_id, events in openings:
            self._writer.append(append_id, events)

    def _open_accounts(self) -> None:
        if self._writer.can_write:
            self._open(account_openings(self._state, self._clock.now_us()))

    # Limits.

    def _on_change_limit(self, change: m.ChangeLimit) -> object:
        """In force at once; answered when the journal has it.

        Its append has no deadline: it must not be dropped where an order that it let pass is not.
        """
        self._catch_up()
        refused = self._unavailable()
        if refused is not None:
            return refused
        event = self._desk.ask(change, self._state.limits, self._clock.now_us())
        if not isinstance(event, LimitChanged):
            return event
        self._state.set_limits(from_texts(self._state.limits, {event.name: event.new}))
        append_id = self._own_id("limit")
        self._writer.append(
            append_id,
            (event,),
            correlation_id=change.correlation_id,
            causation_id=append_id,
        )
        deferred = self.defer()
        self._changing.begin(append_id, event, deferred)
        return deferred

    def _on_read(self, read: m.ReadRisk) -> m.RiskView:
        self._catch_up()
        trading_state = self._gate.state_for(None, None)
        return view(self._state, trading_state, reservations=read.reservations)

    def _on_read_limits(self, _read: m.ReadLimits) -> m.LimitsView:
        self._catch_up()
        proposed = self._desk.waiting(self._clock.now_us())
        return limits_view(self._state.limits, self._settings, proposed)


def _has_amend(book: Book, order_id: str, pending: tuple[AmendAsked, Decimal]) -> bool:
    order = book.order(order_id)
    return order is not None and order.amend is not None and order.amend.amend_id == pending[0].amend_id


def _denied(order_id: str, breach: Breach) -> m.Denied:
    return m.Denied(
        order_id=order_id,
        code=breach.code,
        detail=breach.detail,
        limit=breach.limit,
        value=breach.value,
        headroom=breach.headroom,
    )


_HANDLERS: dict[type, Callable[..., object]] = {
    m.PlaceOrder: RiskActor._on_place,
    m.PlaceOrders: RiskActor._on_place_all,
    m.AmendOrder: RiskActor._on_amend,
    m.Mark: RiskActor._on_mark,
    m.BrokerState: RiskActor._on_broker,
    m.ClockSkew: RiskActor._on_skew,
    m.ChangeLimit: RiskActor._on_change_limit,
    m.ReadRisk: RiskActor._on_read,
    m.ReadLimits: RiskActor._on_read_limits,
    AppendFailed: RiskActor._on_append_failed,
    JournalState: RiskActor._on_journal_state,
    Advance: RiskActor._on_advance,
    Second: RiskActor._on_second,
    Whole: RiskActor._on_whole,
}
