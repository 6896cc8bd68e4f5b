"""What follows from a breach: the gate at once, then the journal and the operator's actor.

A loss beyond its limit is an automatic kill, since nothing but a person should end it, and so may be a
position that no stop protects. A limit that is passed by what is held leads to reducing in its scope. What
left without having entered, or came back as something else, halts its exchange. The gate changes here and
now; the operator's actor is told, journals it and has orders cancelled.
"""

from collections.abc import Callable, Sequence

from actors.model.book import Book, Kill, scope_key
from actors.model.clock import Clock, Ids
from actors.model.events import AnyEvent, LimitBreached, LimitChanged, OrderFilled
from actors.model.journal import Record
from actors.model.messages import EndRestriction, GateChanged, KillPulled, Message
from actors.model.money import text
from actors.model.order import Terminal
from actors.risk.port import TradingGate
from actors.risk.protection import Protection
from actors.risk.state import RiskState
from actors.risk.watch import HALT, NO_LIVE_STOP, Found, Outgoing, Turn, Watch, fill_difference

Key = tuple[str, str | None, str | None]
"""What makes a breach the same as a moment ago."""

BY = "risk"
"""Who the automatic kills and restrictions of this room are by."""

STOP_MISSING = "a stop is missing, or smaller than the position"

PRICES = "prices moved"
"""The cause of a breach that nobody's order, fill or command brought about."""


class Guard:
    """Watches on behalf of RiskActor. `append` journals an event, `tell` reaches the operator's actor;
    neither waits.
    """

    def __init__(
        self,
        *,
        gate: TradingGate,
        clock: Clock,
        ids: Ids,
        append: Callable[[AnyEvent], None],
        tell: Callable[[Message], None],
    ) -> None:
        self._gate = gate
        self._clock = clock
        self._ids = ids
        self._append = append
        self._tell = tell
        self._watch = Watch()
        self._protection = Protection()
        self._outgoing = Outgoing()
        self._cause = PRICES
        self._reducing: dict[str, dict[Key, None]] = {}
        """By scope: the breaches that go on there and ask for reducing."""
        self._by_other_means: dict[str, None] = {}
        """The scopes that something else than prices brought to reducing."""

    def on_mark(self, state: RiskState) -> None:
        """A price moved: losses are looked at right away."""
        self._react(state, self._watch.look(state, self._clock.now_us(), losses_only=True))

    def on_second(self, state: RiskState, book: Book) -> None:
        """Look at everything."""
        if state.limits.max_seconds_without_stop is None:
            self._protection.forget()
        else:
            self._protection.look(book, state.valuation.instruments, self._clock.now_us())
        self._look(state)
        for difference in self._outgoing.differences(self._gate.drain_sent(), state.accepted.__contains__):
            self.halt(None, None, difference)

    def on_records(self, state: RiskState, book: Book, records: Sequence[Record]) -> None:
        """Fills must fit their orders; late ones and changed limits are looked at before the next order."""
        cause = None
        for record in records:
            event = record.event
            if isinstance(event, OrderFilled):
                order = book.order(event.order_id) or event.recalled
                if order is not None and order.terminal not in (None, Terminal.FILLED):
                    cause = f"a late fill of order {event.order_id}"
                difference = None
                if order is not None:
                    difference = fill_difference(event.fill, order.intent, order.widest_price)
                if difference is not None:
                    self.halt(event.exchange, None, difference)
            elif isinstance(event, LimitChanged):
                cause = f"the limit {event.name} was set to {event.new}"
        if cause is not None:
            self._cause = cause
            self._look(state)
            self._cause = PRICES

    def _look(self, state: RiskState) -> None:
        without_stop = self._protection.seconds
        self._react(state, self._watch.look(state, self._clock.now_us(), without_stop=without_stop))

    def halt(self, exchange: str | None, symbol: str | None, cause: str) -> None:
        """Halt a scope until a person resumes."""
        held = self._gate.restrictions.get(scope_key(exchange, symbol))
        if held is None or held.state != HALT:
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

    def _within_again(self, state: RiskState, found: Found) -> None:
        """The reducing of a scope can end when the last breach there has ended."""
        scope = scope_key(found.exchange, found.symbol)
        going_on = self._reducing[scope]
        del going_on[found.key]
        if going_on:
            return
        ends = state.limits.resume_within_limits
        if ends == "always" or (ends == "price" and scope not in self._by_other_means):
            cause = f"{found.code} is within its limit again"
            self._tell(EndRestriction(exchange=found.exchange, symbol=found.symbol, cause=cause))

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
        held = self._gate.restrictions.get(scope)
        if held is None:
            self._by_other_means.pop(scope, None)
        if self._cause != PRICES:
            self._by_other_means[scope] = None
        self._reducing.setdefault(scope, {})[found.key] = None
        if held is None or not held.cause.startswith(found.code):
            self._append(self._breached(found))
        if held is None:
            self._gate.restrict(found.exchange, found.symbol, found.leads_to, _cause(found))
            self._tell(GateChanged())

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
