"""What the runtime is like at the moment that the metrics are asked for; it costs nothing in between."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import trio
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from actors.halt.gate import Gate
from actors.kernel import System
from actors.model.book import Book
from actors.model.clock import Clock
from actors.model.messages import BrokerState
from actors.model.order import Submission

BROKER_STATES = ("connecting", "reconciling", "trading", "reconnecting", "halted")
CIRCUITS = ("closed", "open", "half_open")
TRADING_STATES = ("active", "reducing", "halted")
SECOND_US = 1_000_000


class JournalView(Protocol):
    """What is asked of the committed log."""

    @property
    def head(self) -> int: ...
    @property
    def available(self) -> bool: ...
    @property
    def book(self) -> Book: ...


class Actors(Collector):
    """Mailboxes, and the tasks behind them."""

    def __init__(self, system: System) -> None:
        self._system = system

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """No collection at registration."""
        return ()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Depth and age of each."""
        depth = GaugeMetricFamily("actor_mailbox_depth", "Messages that wait.", labels=["address"])
        age = GaugeMetricFamily(
            "actor_mailbox_age_seconds", "How long the next message has waited.", labels=["address"]
        )
        for actor in self._system.statistics().actors:
            depth.add_metric([actor.address], actor.mailbox.depth)
            age.add_metric([actor.address], actor.oldest_seconds)
        tasks = GaugeMetricFamily("runtime_tasks", "Tasks of the event loop.")
        if trio.lowlevel.in_trio_run():
            tasks.add_metric([], trio.lowlevel.current_statistics().tasks_living)
        return depth, age, tasks


class Exchanges(Collector):
    """States, circuits and clocks. `skews` are the exchanges' clocks minus ours, in microseconds."""

    def __init__(self, brokers: Callable[[], Sequence[BrokerState]], skews: Mapping[str, int]) -> None:
        self._brokers = brokers
        self._skews = skews

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """No collection at registration."""
        return ()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """One sample for each state that there is, 1 for the one that holds."""
        state = GaugeMetricFamily(
            "exchange_state", "1 for the state that an exchange is in.", labels=["exchange", "state"]
        )
        circuit = GaugeMetricFamily(
            "exchange_circuit", "1 for the state that its breaker is in.", labels=["exchange", "state"]
        )
        for broker in self._brokers():
            _choose(state, [broker.exchange], BROKER_STATES, broker.state)
            _choose(circuit, [broker.exchange], CIRCUITS, broker.circuit)
        skew = GaugeMetricFamily(
            "exchange_clock_skew_seconds", "The exchange's clock minus ours.", labels=["exchange"]
        )
        for exchange, skew_us in self._skews.items():
            skew.add_metric([exchange], skew_us / SECOND_US)
        return state, circuit, skew


class Trading(Collector):
    """Trading states, kills, the journal and the orders in it."""

    def __init__(
        self, gate: Gate, journal: JournalView, clock: Clock, outbox_lag: Callable[[], int] | None
    ) -> None:
        self._gate = gate
        self._journal = journal
        self._clock = clock
        self._outbox_lag = outbox_lag

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """No collection at registration."""
        return ()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauges of this moment."""
        yield self._state()
        kills = GaugeMetricFamily("kills_in_force", "Kills that nobody has lifted yet.")
        kills.add_metric([], len(self._gate.kills))
        yield kills
        yield from self._orders()
        yield from self._lags()

    def _state(self) -> GaugeMetricFamily:
        """The account's state, and that of every scope that is restricted on its own."""
        state = GaugeMetricFamily(
            "trading_state", "1 for the trading state that a scope is in.", labels=["scope", "state"]
        )
        _choose(state, ["*"], TRADING_STATES, self._gate.state_for(None, None))
        for scope, held in self._gate.restrictions.items():
            if scope != "*":
                _choose(state, [scope], TRADING_STATES, held.state)
        return state

    def _orders(self) -> Iterable[GaugeMetricFamily]:
        now_us = self._clock.now_us()
        working: dict[str, int] = {}
        unknown: dict[str, int] = {}
        oldest: dict[str, float] = {}
        for order in self._journal.book.orders.values():
            exchange = order.intent.exchange
            working[exchange] = working.get(exchange, 0) + 1
            if order.submission is Submission.UNKNOWN:
                unknown[exchange] = unknown.get(exchange, 0) + 1
                age = max(0.0, (now_us - order.updated_us) / SECOND_US)
                oldest[exchange] = max(age, oldest.get(exchange, 0.0))
        yield _by_exchange("orders_working", "Orders that may still execute.", working)
        yield _by_exchange("orders_unknown", "Orders whose fate at the exchange is not known.", unknown)
        yield _by_exchange(
            "orders_unknown_oldest_seconds", "How long the oldest of them has been unknown.", oldest
        )

    def _lags(self) -> Iterable[GaugeMetricFamily]:
        head = GaugeMetricFamily("journal_head", "The newest committed sequence number.")
        head.add_metric([], self._journal.head)
        available = GaugeMetricFamily("journal_available", "1 while the store takes appends.")
        available.add_metric([], float(self._journal.available))
        yield from (head, available)
        if self._outbox_lag is not None:
            lag = GaugeMetricFamily(
                "webhook_outbox_lag_records", "Records that have not become deliveries yet."
            )
            lag.add_metric([], self._outbox_lag())
            yield lag


def _choose(family: GaugeMetricFamily, labels: list[str], choices: Sequence[str], chosen: str) -> None:
    for name in choices:
        family.add_metric([*labels, name], float(name == chosen))


def _by_exchange(name: str, text: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=["exchange"])
    for exchange, value in values.items():
        family.add_metric([exchange], value)
    return family
