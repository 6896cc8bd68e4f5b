"""BrokerActor: one account at one exchange.

The actor's loop only routes: committed orders to the submits, requests to the cancels, questions to what is
known. Everything that waits for the exchange is a child task in `shell/`. Those tasks run on the same
thread and meet only at their awaits; what they find out leaves as evidence through the outbox, never as a
decision about an order.

A life begins at the journal's head. Orders accepted after it are sent, once; orders accepted before it that
have no answer are never sent, because a former life may have sent them: they are unresolved until the
exchange tells.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from decimal import Decimal
from random import Random
from typing import Any, ClassVar

import structlog
import trio

from actors.broker.breaker import Breaker, BreakerSettings, Circuit
from actors.broker.intake import Intake
from actors.broker.limiter import Limiter
from actors.broker.outbox import Outbox
from actors.broker.port import DeadMansSwitch, ExchangePort, Metered, OrderReport, SendGate, Unavailable
from actors.broker.reconcile import balances_apart, was_judged_absent
from actors.broker.shell.amends import Amends
from actors.broker.shell.cancels import Cancels
from actors.broker.shell.connection import Connection
from actors.broker.shell.desk import Desk
from actors.broker.shell.guard import Guard
from actors.broker.shell.inquiries import Inquiries
from actors.broker.shell.line import Line
from actors.broker.shell.reconciling import Reconciling
from actors.broker.shell.streams import Streams
from actors.broker.shell.submits import Submits
from actors.broker.timings import BrokerTimings
from actors.kernel import Deferred, MailboxSpec, TrioActor
from actors.model import messages as say
from actors.model.addresses import position_address
from actors.model.book import scope_key
from actors.model.clock import Clock
from actors.model.events import AmendAccepted, OrderAccepted, OrderReplaced, TradingStateChanged
from actors.model.instrument import Instrument
from actors.model.journal import CommittedLog, Record
from actors.model.order import Order, Submission
from actors.model.stages import NoStages, Stages

_EVIDENCE_READY = say.EvidenceReady()
BALANCES_SECONDS = 1.0
"""How long whoever reads the balances waits for the exchange before he gets what was seen last."""
_log = structlog.get_logger(room="broker")

CIRCUIT_LOOK = 0.25
"""How often the circuit's state is looked at, to tell others when it changed by time, in seconds."""


class Advance(say.Message, frozen=True):
    """Told to itself, conflated: committed orders of this exchange wait."""


class BrokerActor(TrioActor):
    """`symbols` are those with a position actor. `limiter` and the breakers outlive this life, and so does
    `port`. `switch` is a dead-man's switch to use instead of the exchange's own.
    """

    rank: ClassVar[int | None] = 20
    mailbox: ClassVar[MailboxSpec] = MailboxSpec(capacity=65_536, policy="refuse")

    def __init__(
        self,
        *,
        exchange: str,
        symbols: Sequence[str],
        port: ExchangePort,
        log: CommittedLog,
        gate: SendGate,
        clock: Clock,
        rng: Random,
        limiter: Limiter | None = None,
        breaker: Breaker | None = None,
        cancel_breaker: Breaker | None = None,
        timings: BrokerTimings | None = None,
        switch: DeadMansSwitch | None = None,
        stages: Stages | None = None,
    ) -> None:
        super().__init__()
        self._exchange = exchange
        self._symbols = tuple(symbols)
        self._port = port
        self._log = log
        self._gate = gate
        self._clock = clock
        self._rng = rng
        self._line = Line(
            port,
            clock,
            limiter or Limiter(),
            breaker or Breaker(BreakerSettings()),
            cancel_breaker or Breaker(BreakerSettings()),
        )
        self._timings = timings or BrokerTimings()
        self._switch = switch
        self._stages = stages or NoStages()
        self._accepted: list[Record] = []
        self._balances: tuple[say.Balance, ...] = ()
        self._apart: tuple[tuple[str, Decimal], ...] = ()
        self._instruments: tuple[Instrument, ...] = ()
        self._state = ("", Circuit.CLOSED, "")

    async def on_start(self) -> None:
        """Ready at once: the exchange is connected and reconciled by a child task, however long that
        takes.
        """
        desk = self._desk = self._make_desk()
        self._inquiries = Inquiries(desk)
        self._cancels = Cancels(desk, self._inquiries, self._tell_operator)
        self._submits = Submits(desk, self.system.agenda, self._inquiries, self._cancels.begin)
        self._amends = Amends(desk, self._inquiries, self._cancels)
        self._reconciling = Reconciling(
            desk,
            self._submits,
            self._inquiries,
            self._revived,
            self._take_balances,
            self._tell_operator,
        )
        self._streams = Streams(
            desk, self._submits, self._inquiries, self._amends, self._revived, self._take_tick
        )
        native = _native_switch(self._port)
        self._guard = Guard(desk, self._switch or native, elsewhere=self._switch is not None)
        self._connection = Connection(
            desk,
            self._reconciling,
            self._streams,
            self._guard,
            self._announce,
            self._take_instruments,
        )
        if isinstance(self._port, Metered):
            self._port.on_usage(self._line.learn)
        self.start_task(self._hold, self._log.subscribe(self._wake))
        self._adopt()
        self.start_task(self._submits.announce_late)
        self.start_task(self._reconciling.keep_inflight)
        self.start_task(self._watch_circuit)
        self.start_task(self._announce_again)
        self.start_task(self._connection.run)
        self.start_task(self._guard.keep)

    async def on_stop(self) -> None:
        """A planned end: the exchange need not cancel our orders because we fall silent."""
        await self._guard.disarm()

    def on_receive(self, message: object) -> object:
        """Route one message; nothing here waits."""
        handler = _ROUTES.get(type(message))
        if handler is None:
            raise TypeError(f"BrokerActor does not handle {type(message).__name__}")
        return handler(self, message)

    # Orders in, evidence out.

    def _wake(self, records: Sequence[Record]) -> None:
        """Called with every committed batch, so it has to be short."""
        accepted = self._accepted
        before = len(accepted)
        for record in records:
            event = record.event
            if type(event) is OrderAccepted:
                if event.intent.exchange == self._exchange:
                    accepted.append(record)
            elif type(event) is AmendAccepted or type(event) is OrderReplaced:
                if event.exchange == self._exchange:
                    accepted.append(record)
            elif type(event) is TradingStateChanged:
                self._resume_if(event)
        if before == 0 and accepted:
            self.actor_ref.tell(Advance(), key="advance")

    def _resume_if(self, event: TradingStateChanged) -> None:
        """A person has looked at what halted this exchange, and lets it go on.

        Only a person ends a halt, and whoever resumes everything ends that of this exchange by name. The end
        of another restriction that covers it, such as one that prices brought, says nothing about it.
        """
        own = (event.exchange, event.symbol) == (self._exchange, None)
        if own and (event.old, event.new) == ("halted", "active") and self._desk.halted:
            self._desk.halted = ""
            self._announce("trading" if self._desk.trading else self._state[0], "")

    def _advance(self, _message: object = None) -> None:
        accepted, self._accepted = self._accepted, []
        for record in accepted:
            event = record.event
            if isinstance(event, OrderAccepted):
                self._submits.accept(event.intent, event.send_before_us, record.correlation_id)
            elif isinstance(event, AmendAccepted):
                self._amends.accept(event.order_id, event.asked.amend_id)
            elif isinstance(event, OrderReplaced):
                self._replace(event, record)

    def _replace(self, event: OrderReplaced, record: Record) -> None:
        """What an order was at the exchange has ended for sure: let its replacement leave."""
        order = self._log.book.orders.get(event.order_id)
        if order is None or order.intent.venue_id != event.venue_id:
            return
        before_us = record.at_us + round(self._desk.timings.replace_within * 1_000_000)
        self._submits.accept(order.at_exchange, before_us, record.correlation_id, event.amend_id)
        if self._cancels.is_wanted(event.order_id):
            self._submits.stop(event.order_id, "a cancel was asked for first")

    def _give_evidence(self, message: say.TakeEvidence) -> say.EvidenceTaken:
        return say.EvidenceTaken(evidence=self._desk.outbox.take(message.symbol, message.acknowledged))

    def _cancel(self, message: say.CancelAtExchange) -> None:
        # The order may have been committed so recently that it waits to be accepted here.
        self._advance()
        self._cancels.request(message.order, self._submits, message.correlation_id)

    def _sweep(self, message: say.Sweep) -> None:
        self._advance()
        self._cancels.sweep(message, self._submits)

    def _reconcile(self, message: say.ReconcileSymbol) -> None:
        desk = self._desk
        desk.intake.forget_symbol(message.symbol)
        desk.outbox.remind(message.symbol)
        if desk.trading:
            self.start_task(self._reconciling.again, message.symbol)

    def _record_absence(self, message: say.RecordAbsence) -> say.AbsenceTaken | say.Refused:
        refused = self._inquiries.record_absence(message.order_id, message.by, message.reason)
        return refused or say.AbsenceTaken(order_id=message.order_id)

    def _halt(self, message: say.HaltExchange) -> None:
        """A position actor found the contradiction, and has told the operator."""
        if not self._desk.halted:
            self._desk.halted = message.cause
            self._announce(self._state[0], message.cause)

    def _give_balances(self, _message: say.ReadBalances) -> object:
        answer = self.defer()
        self.start_task(self._read_balances, answer)
        return answer

    async def _read_balances(self, answer: Deferred) -> None:
        """Ask the exchange; what was seen last stands in when it does not answer in time."""
        desk = self._desk
        if desk.port.capabilities.reports_balances:
            with trio.move_on_after(BALANCES_SECONDS), suppress(Unavailable):
                self._take_balances(await desk.ask("balances", desk.port.balances))
        answer.reply(say.Balances(balances=self._balances))

    # The life of the connection.

    def _adopt(self) -> None:
        """Take over what former lives left: no answer means unresolved, a wish to cancel is carried out, and
        what halted the exchange halts it until a person has looked.
        """
        book, scope = self._log.book, scope_key(self._exchange, None)
        if book.trading_states.get(scope) == "halted":
            self._desk.halted = book.trading_causes[scope]
        self._end_former_sends()
        for order in self._log.book.orders.values():
            intent = order.intent
            if intent.exchange != self._exchange:
                continue
            if order.submission in (Submission.ACCEPTED, Submission.SENT, Submission.UNKNOWN):
                why = "accepted before the broker started; it may have been sent"
                self._desk.outbox.add(intent.symbol, "unresolved", venue_id=intent.venue_id, reason=why)
                self._inquiries.begin(order, why, unresolved=True, adopted=True)
            if order.cancel_requested:
                self._cancels.begin(order)
            self._amends.adopt(order)

    def _end_former_sends(self) -> None:
        """What a former life was sending is sent by nobody now, whatever the journal says of it meanwhile."""
        for order_id, amend_id in self._gate.sends:
            order = self._log.book.order(order_id)
            if order is None or order.intent.exchange == self._exchange:
                self._gate.end_send(order_id, amend_id)

    async def _watch_circuit(self) -> None:
        while True:
            await trio.sleep(CIRCUIT_LOOK)
            if self._line.circuit() is not self._state[1]:
                self._announce(self._state[0], self._state[2])

    async def _announce_again(self) -> None:
        """A message to an actor that is just being restarted is lost: what stands is said again and again."""
        while True:
            await trio.sleep(self._timings.announce_every)
            self._tell_state()
            self._insist_on_halt()

    async def _hold(self, unsubscribe: Callable[[], None]) -> None:
        """Keep the subscription exactly as long as this life."""
        try:
            await trio.sleep_forever()
        finally:
            unsubscribe()

    # What others are told.

    def _announce(self, state: str, detail: str, *, news: bool = False) -> None:
        if self._desk.halted and state in ("trading", "halted"):
            state, detail = "halted", self._desk.halted
        now = (state, self._line.circuit(), detail)
        if now == self._state and not news:
            return
        self._state = now
        _log.info("broker_state", exchange=self._exchange, state=state, circuit=now[1].value, detail=detail)
        self._tell_state()

    def _tell_state(self) -> None:
        state, circuit, detail = self._state
        told = say.BrokerState(
            exchange=self._exchange,
            state=state,
            circuit=circuit.value,
            detail=detail,
            instruments=self._instruments,
            balances=tuple((balance.asset, balance.total) for balance in self._balances),
            apart=self._apart,
            amends_in_place=self._port.capabilities.amends_in_place,
            takes_stops=self._port.capabilities.takes_stops,
        )
        for address in ("risk", "operator", "market"):
            self.system.ref(address).tell(told, key=f"broker {self._exchange}")

    def _tell_halt(self, cause: str) -> None:
        _log.error("exchange_halted", exchange=self._exchange, cause=cause)
        self._tell_operator(say.HaltExchange(exchange=self._exchange, cause=cause))
        self._announce(self._state[0], cause)

    def _insist_on_halt(self) -> None:
        """A halt has to be in the journal, where a person ends it and a restart finds it."""
        halted, states = self._desk.halted, self._log.book.trading_states
        if halted and states.get(scope_key(self._exchange, None)) != "halted":
            self._tell_operator(say.HaltExchange(exchange=self._exchange, cause=halted))

    def _tell_skew(self, skew_us: int) -> None:
        told = say.ClockSkew(exchange=self._exchange, skew_us=skew_us)
        self.system.ref("risk").tell(told, key=f"skew {self._exchange}")

    def _revived(self, order: Order, report: OrderReport) -> None:
        """The exchange lists an open order that the journal has over."""
        if report.venue_id in order.former:
            self._desk.halt(
                f"order {order.order_id} was replaced, yet {report.venue_id} lives at the exchange"
            )
        elif was_judged_absent(order):
            self._desk.outbox.add(
                report.symbol,
                "acknowledged",
                venue_id=report.venue_id,
                exchange_order_id=report.exchange_order_id,
            )
            self._desk.halt(f"order {order.order_id} was judged {order.status}, yet lives at the exchange")
        self._cancels.end_ghost(order, report.venue_id)

    def _take_balances(self, balances: Sequence[say.Balance]) -> None:
        self._balances = tuple(balances)
        totals = {balance.asset: balance.total for balance in balances}
        self._apart = balances_apart(self._log.book, self._exchange, totals)

    def _take_instruments(self, instruments: Sequence[Instrument]) -> None:
        listed = tuple(instruments)
        if listed != self._instruments:
            self._instruments = listed
            self._desk.take_listing(self._symbols, listed)
            self._announce(self._state[0], self._state[2], news=True)

    def _take_tick(self, tick: say.Tick) -> None:
        price = tick.mark or tick.last or tick.bid or tick.ask
        if price is not None:
            self._desk.prices[tick.symbol] = price
        self.system.ref("market").tell(tick, key=f"{tick.exchange}/{tick.symbol}")

    def _tell_operator(self, message: say.Message) -> None:
        self.system.ref("operator").tell(message)

    def _tell_position(self, symbol: str) -> None:
        ref = self.system.ref(position_address(self._exchange, symbol))
        ref.tell(_EVIDENCE_READY, key="evidence")

    def _make_desk(self) -> Desk:
        outbox = Outbox(self.generation, self._tell_position)
        return Desk(
            exchange=self._exchange,
            symbols=self._symbols,
            port=self._port,
            log=self._log,
            clock=self._clock,
            rng=self._rng,
            gate=self._gate,
            timings=self._timings,
            stages=self._stages,
            line=self._line,
            outbox=outbox,
            intake=Intake(outbox),
            start_task=self.start_task,
            tell_halt=self._tell_halt,
            tell_skew=self._tell_skew,
        )


def _native_switch(port: ExchangePort) -> DeadMansSwitch | None:
    return port if isinstance(port, DeadMansSwitch) and port.capabilities.dead_mans_switch else None


_ROUTES: dict[type, Callable[[BrokerActor, Any], object]] = {
    Advance: BrokerActor._advance,
    say.TakeEvidence: BrokerActor._give_evidence,
    say.CancelAtExchange: BrokerActor._cancel,
    say.Sweep: BrokerActor._sweep,
    say.ReconcileSymbol: BrokerActor._reconcile,
    say.RecordAbsence: BrokerActor._record_absence,
    say.HaltExchange: BrokerActor._halt,
    say.ReadBalances: BrokerActor._give_balances,
}
