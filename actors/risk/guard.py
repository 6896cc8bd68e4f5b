"""What follows from a breach: the gate at once, then the journal and the operator's actor.

A loss beyond its limit is an automatic kill, since nothing but a person should end it, and so may be a
position that no stop protects. A limit that is passed by what is held leads to reducing in its scope. What
left without having entered, or came back as something else, halts its exchange. The gate changes here and
now; the operator's actor is told, journals it and has orders cancelled.

A guard ends only a reducing that it brought itself, and only that very one. What it needs for this outlives
it. A new process remembers only after which losses a person has resumed: what it finds restricted waits for
a person.
"""

from collections.abc import Callable, Sequence

import msgspec

from actors.model.book import Book, Kill, scope_key
from actors.model.clock import Clock, Ids
from actors.model.closing import apart_at
from actors.model.events import LimitBreached, LimitChanged, OrderFilled
from actors.model.journal import Record
from actors.model.messages import EndRestriction, GateChanged, KillPulled, Message
from actors.model.money import text
from actors.model.order import Terminal
from actors.risk.owed import Owed
from actors.risk.port import TradingGate
from actors.risk.protection import Protection
from actors.risk.state import RiskState
from actors.risk.watch import (
    HALT,
    NO_LIVE_STOP,
    Found,
    GoingOn,
    Outgoing,
    Turn,
    Watch,
    fill_difference,
    resumed_after,
)

Key = tuple[str, str | None, str | None]
"""What makes a breach the same as a moment ago."""

BY = "risk"
"""Who the automatic kills and restrictions of this room are by."""

STOP_MISSING = "a stop is missing, or smaller than the position"

PRICES = "prices moved"
"""The cause of a breach that nobody's order, fill or command brought about."""


class Reducing(msgspec.Struct):
    """A reducing that a guard brought to a scope, and the breaches that go on there.

    `cause` is that of the restriction, by which it is told from another one. `end` is what was told when the
    last breach was over; it is told again until the gate shows that it was heard.
    """

    cause: str
    by_prices: bool
    going_on: dict[Key, Found]
    end: EndRestriction | None = None


class Memory:
    """What a guard must not forget with a life of RiskActor: the breaches of which it has seen to what they
    lead to (None until the journal was read), and `reducing` by scope.
    """

    def __init__(self) -> None:
        self.going_on: GoingOn | None = None
        self.protection = Protection()
        self.outgoing = Outgoing()
        self.reducing: dict[str, Reducing] = {}
        self.owed = Owed()


class Guard:
    """Watches on behalf of RiskActor. `append` journals a breach, `tell` reaches the operator's actor;
    neither waits. `memory` is what former guards left; the grace of positions without a stop begins anew
    unless it is over.
    """

    def __init__(
        self,
        *,
        gate: TradingGate,
        clock: Clock,
        ids: Ids,
        append: Callable[[LimitBreached], None],
        tell: Callable[[Message], None],
        memory: Memory,
    ) -> None:
        self._gate = gate
        self._clock = clock
        self._ids = ids
        self._append = append
        self._tell = tell
        self._memory = memory
        self._watch = Watch(memory.going_on)
        self._protection, self._outgoing, self._reducing = memory.protection, memory.outgoing, memory.reducing
        self._cause = PRICES
        stopless = [each for each in self._watch.going_on.values() if each.code == NO_LIVE_STOP]
        self._protection.grant_anew(but=[(each.exchange, each.symbol) for each in stopless])

    def begin(self, book: Book) -> None:
        """The journal is read; in a new process it tells what a person has already let go on."""
        if self._memory.going_on is None:
            self._memory.going_on = resumed_after(book)
            self._watch = Watch(self._memory.going_on)

    def on_mark(self, state: RiskState) -> None:
        """A price moved: losses are looked at right away."""
        self._react(state, self._watch.look(state, self._clock.now_us(), losses_only=True))

    def on_second(self, state: RiskState, book: Book, changing: Sequence[str] = ()) -> None:
        """Look at everything. `changing` names the limits whose change is in force and not yet journaled."""
        self._heed_resumes()
        if state.limits.max_seconds_without_stop is None:
            self._protection.forget()
        else:
            instruments, marks = state.valuation.instruments, state.valuation.marks
            apart = apart_at(state.brokers.values())
            self._protection.look(book, instruments, marks, apart, self._clock.now_us())
        self._end_again()
        self._look(state, f"the limit {changing[-1]} is being set" if changing else PRICES)
        for difference in self._outgoing.differences(self._gate.drain_sent(), state.accepted.__contains__):
            self.halt(None, None, difference)

    def on_records(self, state: RiskState, book: Book, records: Sequence[Record]) -> None:
        """Fills must fit their orders; late ones and changed limits are looked at before the next order."""
        cause = None
        for record in records:
            event = record.event
            if isinstance(event, OrderFilled):
                order = book.order(event.order_id) or event.recalled
                over = order is not None and order.terminal not in (None, Terminal.FILLED)
                # By now it may look as if it never had been; a fill recalls no order but one that was over.
                if over or event.recalled is not None or event.former:
                    cause = f"a late fill of order {event.order_id}"
                difference = None
                if order is not None:
                    difference = fill_difference(event.fill, order.intent, order.widest_price)
                if difference is not None:
                    self.halt(event.exchange, None, difference)
            elif isinstance(event, LimitChanged):
                cause = f"the limit {event.name} was set to {event.new}"
        if cause is not None:
            self._look(state, cause)

    def _look(self, state: RiskState, cause: str) -> None:
        without_stop = self._protection.seconds
        self._cause = cause
        self._react(state, self._watch.look(state, self._clock.now_us(), without_stop=without_stop))
        self._cause = PRICES

    def halt(self, exchange: str | None, symbol: str | None, cause: str) -> None:
        """Halt a scope until a person resumes. Another cause halts it anew: a resume that is under way ends
        only what it found.
        """
        held = self._gate.restrictions.get(scope_key(exchange, symbol))
        if held is None or (held.state, held.cause) != (HALT, cause):
            self._gate.restrict(exchange, symbol, HALT, cause)
            self._tell(GateChanged())

    def _react(self, state: RiskState, turn: Turn) -> None:
        for found in turn.began:
            if found.leads_to == HALT:
                self._kill(state, found)
            else:
                self._reduce(found)
        for found in turn.ended:
            if found.leads_to != HALT:
                self._within_again(state, found)
        if turn.began or turn.ended:
            self._memory.going_on = self._watch.going_on

    def _within_again(self, state: RiskState, found: Found) -> None:
        """The reducing of a scope can end when the last breach there has ended."""
        scope = scope_key(found.exchange, found.symbol)
        own = self._reducing.get(scope)
        if own is None:
            return
        own.going_on.pop(found.key, None)
        if own.going_on:
            return
        ends = state.limits.resume_within_limits
        if self._in_force(scope) and (ends == "always" or (ends == "price" and own.by_prices)):
            cause = f"{found.code} is within its limit again"
            own.end = EndRestriction(
                exchange=found.exchange, symbol=found.symbol, brought_by=own.cause, cause=cause
            )
            self._tell(own.end)
        else:
            del self._reducing[scope]

    def _heed_resumes(self) -> None:
        """A person let a place go on that has no stop: it has its grace once more, and is found again then.

        No rule that orders pass asks for a stop; otherwise nothing would, for as long as the position lasts.
        """
        for found in self._watch.let_go(self._was_lifted):
            scope = scope_key(found.exchange, found.symbol)
            own = self._reducing.get(scope)
            if own is not None:
                own.going_on.pop(found.key, None)
                if not own.going_on:
                    del self._reducing[scope]
            if found.exchange is not None and found.symbol is not None:
                self._protection.begin_again((found.exchange, found.symbol))
            self._memory.going_on = self._watch.going_on

    def _was_lifted(self, found: Found) -> bool:
        return found.code == NO_LIVE_STOP and self._gate.state_for(found.exchange, found.symbol) == "active"

    def _end_again(self) -> None:
        """Say once more what should have ended: whoever is just being restarted did not hear it."""
        for scope, own in tuple(self._reducing.items()):
            if own.end is not None and self._in_force(scope):
                self._tell(own.end)
            elif own.end is not None:
                del self._reducing[scope]

    def _in_force(self, scope: str) -> bool:
        """Whether what restricts the scope is what was brought from here."""
        own, held = self._reducing.get(scope), self._gate.restrictions.get(scope)
        return own is not None and held is not None and held.cause == own.cause

    def _kill(self, state: RiskState, found: Found) -> None:
        cause = _cause(found)
        for engaged in self._gate.kills.values():
            kill = engaged.kill
            same_place = (kill.exchange, kill.symbol) == (found.exchange, found.symbol)
            if kill.by == BY and same_place and kill.reason.startswith(found.code):
                return
        daily_loss = found.code == "MAX_DAILY_LOSS" and state.limits.flatten_on_daily_loss
        flatten = daily_loss or found.code == NO_LIVE_STOP
        kill = Kill(
            kill_id=self._ids.order_id(),
            level="flatten" if flatten else "halt",
            exchange=found.exchange,
            symbol=found.symbol,
            reason=cause,
            by=BY,
            at_us=self._clock.now_us(),
            automatic=True,
        )
        self._gate.engage(kill)
        self._append(self._breached(found))
        self._tell(
            KillPulled(
                kill_id=kill.kill_id,
                level=kill.level,
                exchange=kill.exchange,
                symbol=kill.symbol,
                reason=cause,
                by=BY,
                correlation_id=kill.kill_id,
                automatic=True,
            )
        )

    def _reduce(self, found: Found) -> None:
        scope = scope_key(found.exchange, found.symbol)
        own, held = self._reducing.get(scope), self._gate.restrictions.get(scope)
        ending = own is not None and own.end is not None and self._in_force(scope)
        if held is None or ending:
            going_on = {} if own is None else own.going_on
            own = Reducing(_cause(found), self._cause == PRICES, going_on)
            self._append(self._breached(found))
            self._gate.restrict(found.exchange, found.symbol, found.leads_to, own.cause)
            self._tell(GateChanged())
            self._reducing[scope] = own
        elif not held.cause.startswith(found.code):
            self._append(self._breached(found))
        if own is not None:
            own.by_prices = own.by_prices and self._cause == PRICES
            own.going_on[found.key] = found

    def _breached(self, found: Found) -> LimitBreached:
        return LimitBreached(
            code=found.code,
            exchange=found.exchange,
            symbol=found.symbol,
            limit=found.limit,
            value=found.value,
            cause=STOP_MISSING if found.code == NO_LIVE_STOP else self._cause,
        )


def _cause(found: Found) -> str:
    return f"{found.code}: {text(found.value)} is beyond {text(found.limit)}"
