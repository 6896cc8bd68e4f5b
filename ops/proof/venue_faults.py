"""Thousands of submits through ccxt to the local venue while a part of all answers is lost or damaged.

The real journal actor (on its store's twin in memory), broker, position actor and ccxt adapter trade against
the venue over TLS in this process. Afterwards the journal is compared with the venue's ledger: every order
once, none lost, no refusal that the venue did not make, nothing unresolved, positions and fees equal to the
last digit.

    python -m ops.proof.venue_faults --exchange binance-spot --orders 2000 --share 0.2
"""

import argparse
import json
import logging
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal

import structlog
import trio
import trio_asyncio

from actors.broker.actor import BrokerActor
from actors.broker.adapters.ccxt.build import build
from actors.broker.adapters.ccxt.session import Redirect
from actors.broker.breaker import Breaker, BreakerSettings
from actors.broker.port import ExchangePort
from actors.broker.timings import BrokerTimings
from actors.journal.actor import JournalActor
from actors.journal.port import StoreUnavailable
from actors.journal.tail import CommittedTail
from actors.kernel import System, TrioActor, open_system
from actors.model.addresses import broker_address, position_address
from actors.model.events import AccountOpened, AnyEvent, OrderAccepted
from actors.model.journal import Append, Fence, Fenced
from actors.model.messages import BrokerState, CancelOrder
from actors.model.money import ZERO
from actors.model.order import Order, OrderIntent
from actors.position.actor import PositionActor
from ops.venue.exchange import VenueExchange
from ops.venue.running import Plan, Running, open_venue
from ops.venue.service import Limits
from persistence.memory import Faults, MemoryArchive, MemoryDisk, MemoryJournalStore

SYMBOL, MARKET = "BTC/USDT", "BTCUSDT"
ANSWER_SECONDS = 3.0
FUNDS = {"USDT": Decimal(10_000_000_000), "BTC": Decimal(1_000_000)}
HEAL_SECONDS = 60.0
EXCHANGES: Mapping[str, tuple[str, str]] = {
    "binance-spot": ("binance", "spot"),
    "binance-usdm": ("binanceusdm", "linear"),
    "bybit-spot": ("bybit", "spot"),
    "bybit-linear": ("bybit", "linear"),
}
_PATIENT = BreakerSettings(minimum_calls=1_000_000_000, run=1_000_000_000)
"""A breaker that stays closed: with it this run would show how orders are held back, not how they are
found.
"""

CREATE = {"binance-spot": "POST /api/v3/order", "binance-usdm": "POST /fapi/v1/order"}
DAMAGE = (
    "drop_before",
    "drop_after",
    "timeout_after",
    "error_before",
    "error_after",
    "truncate",
    "cut",
    "html",
    "empty",
    "unknown",
)


class Clock:
    """The machine's wall clock and trio's monotonic one."""

    def now_us(self) -> int:
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        return trio.current_time()


class OpenGate:
    """Lets everything pass: limits and halts are proven elsewhere."""

    def may_send(self, intent: OrderIntent, reduces: bool) -> str | None:
        return None

    def begin_send(self, order_id: str, amend_id: str = "") -> None:
        """Nothing is kept."""

    def end_send(self, order_id: str, amend_id: str = "") -> None:
        """Nothing is kept."""

    def in_force(self, kill_id: str) -> bool:
        """Nobody lifts anything."""
        return True

    @property
    def sends(self) -> tuple[tuple[str, str], ...]:
        """Nothing is kept."""
        return ()


class Listener(TrioActor):
    """Hears when the broker trades."""

    def __init__(self) -> None:
        super().__init__()
        self.trades = trio.Event()

    def on_receive(self, message: object) -> object:
        if isinstance(message, BrokerState) and message.state == "trading":
            self.trades.set()
        return None


class Desk:
    """The actors around one exchange account, and the way to place an order as the risk actor does."""

    def __init__(
        self, system: System, port: ExchangePort, seed: int, timings: BrokerTimings | None = None
    ) -> None:
        self.clock = Clock()
        self.disk, self.faults = MemoryDisk(), Faults()
        self.log = CommittedTail()
        self._system = system
        self.port = port
        self._seed = seed
        self._timings = timings or BrokerTimings(submit=ANSWER_SECONDS + 1)
        self._listener = Listener()
        self._generation = 0
        self._count = 0

    async def start(self) -> None:
        """Start everything and wait until the broker trades."""
        store = MemoryJournalStore(self.disk, self.faults)
        journal = JournalActor(store=store, log=self.log, clock=self.clock, on_deposed=_deposed)
        await self._system.start(journal, "journal")
        await self._system.start(self._listener, "risk")
        for address in ("operator", "market"):
            await self._system.start(Listener(), address)
        fenced = await self._system.ref("journal").ask(Fence("risk"), timeout=5)
        self._generation = fenced.generation if isinstance(fenced, Fenced) else 0
        opened = AccountOpened(exchange="venue", balances=tuple(FUNDS.items()))
        self._append("opened", opened)
        await self._start_broker()
        archive = MemoryArchive(self.disk, self.faults)
        position = PositionActor(
            exchange="venue", symbol=SYMBOL, log=self.log, archive=archive, archive_away=StoreUnavailable
        )
        await self._system.start(position, position_address("venue", SYMBOL))
        await self.trading()

    async def _start_broker(self) -> None:
        broker = BrokerActor(
            exchange="venue",
            symbols=(SYMBOL,),
            port=self.port,
            log=self.log,
            gate=OpenGate(),
            clock=self.clock,
            rng=random.Random(self._seed),
            timings=self._timings,
            breaker=Breaker(_PATIENT),
            cancel_breaker=Breaker(_PATIENT),
        )
        await self._system.start(broker, broker_address("venue"))

    async def crash_broker(self) -> None:
        """End the broker's life at once, as a crash does, and start the next; it does not trade yet."""
        cell = self._system.ref(broker_address("venue")).cell
        if cell is not None:
            cell.kill()
            await cell.wait_ended()
        self._listener.trades = trio.Event()
        await self._start_broker()

    async def trading(self) -> None:
        """Wait until the broker trades; raise TooSlowError."""
        with trio.fail_after(HEAL_SECONDS):
            await self._listener.trades.wait()

    def accept(self, side: str, quantity: Decimal, price: Decimal | None) -> str:
        """Journal an accepted order; its id."""
        self._count += 1
        order_id = f"order-{self._count}"
        intent = OrderIntent(
            order_id=order_id,
            client_order_id=order_id,
            exchange="venue",
            symbol=SYMBOL,
            side=side,
            type="market" if price is None else "limit",
            quantity=quantity,
            limit_price=price,
            venue_id=f"proof{self._seed}-{self._count}",
        )
        accepted = OrderAccepted(
            intent=intent,
            reserve_price=price or Decimal(44_000),
            mark=Decimal(40_000),
            send_before_us=self.clock.now_us() + 30_000_000,
        )
        self._append(order_id, accepted)
        return order_id

    def _append(self, append_id: str, event: AnyEvent) -> None:
        self._system.ref("journal").tell(
            Append(
                append_id=append_id,
                stream="risk",
                generation=self._generation,
                events=(event,),
                correlation_id=append_id,
                reply_to="risk",
            )
        )

    async def cancel(self, order_id: str) -> object:
        """Ask the position actor to cancel; its answer."""
        message = CancelOrder(order_id=order_id, by="proof", correlation_id=order_id)
        return await self._system.ref(position_address("venue", SYMBOL)).ask(message, timeout=10)

    def order(self, order_id: str) -> Order | None:
        """The order as journaled, open or closed."""
        return self.log.book.order(order_id) or self.disk.orders.get(order_id)


def _deposed(*_: object) -> None:
    raise RuntimeError("the journal was taken over by somebody else")


@asynccontextmanager
async def open_desk(
    running: Running,
    exchange: str,
    seed: int,
    timings: BrokerTimings | None = None,
    answer_seconds: float = ANSWER_SECONDS,
) -> AsyncIterator[Desk]:
    """A started desk whose orders go to the venue, which has so long for an answer."""
    kind, account_type = EXCHANGES[exchange]
    key, secret = "proof-api-key-0001", "proof-secret-0001"
    running.venue.open_account(exchange, key, secret, FUNDS)
    port = build(
        "venue",
        kind,
        api_key=key,
        api_secret=secret,
        account_type=account_type,
        clock=Clock(),
        redirect=Redirect(host=running.host, port=running.port, ca_file=str(running.ca_file)),
        timeout_seconds=answer_seconds,
    )
    try:
        async with open_system() as system:
            desk = Desk(system, port, seed, timings)
            await desk.start()
            yield desk
    finally:
        await port.close()


async def prove(
    exchange: str, orders: int, share: float, seed: int, in_flight: int, kinds: Sequence[str] = DAMAGE
) -> dict[str, object]:
    """One run; the counts and findings, `ok` when there is nothing to object to."""
    plan = Plan(limits=Limits.none(), seed=seed)
    async with open_venue(plan) as running, open_desk(running, exchange, seed) as desk:
        venue, ledger = running.venue, running.venue.exchanges[exchange]
        for rule in _damage(exchange, share, kinds):
            venue.faults.add(rule)
        began = trio.current_time()
        ids = await _place_all(desk, ledger, orders, seed, in_flight)
        placed_seconds = trio.current_time() - began
        damaged = Counter({rule.kind: rule.used for rule in venue.faults.listed()})
        venue.faults.clear()
        healed = trio.current_time()
        await settled(desk, ids, ledger)
        compared = compare(desk, ids, ledger)
        # A run in which hardly anything was sent proves nothing.
        enough = len(ledger.orders) >= orders * (1 - share)
        return {
            "exchange": exchange,
            **compared,
            "ok": bool(compared["ok"]) and enough,
            "sent": len(ledger.orders),
            "orders": orders,
            "damaged": sum(damaged.values()),
            "damage": dict(sorted(damaged.items())),
            "placing_seconds": round(placed_seconds, 2),
            "healing_seconds": round(trio.current_time() - healed, 2),
        }


def _damage(exchange: str, share: float, kinds: Sequence[str]) -> list[dict[str, object]]:
    """A rule for each kind of damage.

    They are asked in turn, so each gets its part of what the ones before left.
    """
    part = share / len(kinds)
    where = CREATE.get(exchange, "POST /v5/order/create")
    return [
        {
            "kind": kind,
            "where": where,
            "probability": part / (1 - part * index),
            "seconds": ANSWER_SECONDS + 0.5,
        }
        for index, kind in enumerate(kinds)
    ]


async def _place_all(
    desk: Desk, exchange: VenueExchange, orders: int, seed: int, in_flight: int
) -> list[str]:
    """Place at the pace at which answers come, at most `in_flight` without one."""
    rng = random.Random(seed)
    lot = exchange.markets[MARKET].lot * 10
    ids: list[str] = []
    waiting: list[str] = []
    for _ in range(orders):
        while len(waiting) >= in_flight:
            await trio.sleep(0.002)
            waiting = [one for one in waiting if _is_underway(desk.order(one))]
        side = rng.choice(("buy", "sell"))
        quantity = Decimal("0.01") + lot * rng.randint(0, 500)
        price = None if rng.random() < 0.7 else Decimal(36_000 if side == "buy" else 44_000)
        ids.append(desk.accept(side, quantity, price))
        waiting.append(ids[-1])
    return ids


def _is_underway(order: Order | None) -> bool:
    return order is None or order.status in ("accepted", "submitted")


async def settled(desk: Desk, ids: list[str], exchange: VenueExchange) -> None:
    """Wait until no order is unknown, and the fills of the venue have come in."""
    waiting = list(ids)
    with trio.move_on_after(HEAL_SECONDS):
        while True:
            # Only what still waits is looked at: a look at all of them would eat the time that it measures.
            waiting = [order_id for order_id in waiting if _is_unsettled(desk.order(order_id))]
            if not waiting and _executed(desk, ids) == sum((t.quantity for t in exchange.trades), ZERO):
                return
            await trio.sleep(0.05)


def _is_unsettled(order: Order | None) -> bool:
    return order is None or order.status in ("unknown", "accepted", "submitted")


def _executed(desk: Desk, ids: list[str]) -> Decimal:
    found = [desk.order(order_id) for order_id in ids]
    return sum((order.executed for order in found if order is not None), ZERO)


def compare(desk: Desk, ids: list[str], exchange: VenueExchange) -> dict[str, object]:
    """The journal against the venue's ledger."""
    at_venue: dict[str, list[str]] = {}
    for placed in exchange.orders.values():
        at_venue.setdefault(placed.spec.client_id, []).append(placed.status)
    journaled = [order for order_id in ids if (order := desk.order(order_id)) is not None]
    executed = {order.intent.venue_id: order.executed for order in journaled}
    statuses = Counter(order.status for order in journaled)
    findings = {
        "duplicates": sum(len(found) - 1 for found in at_venue.values()),
        "missing_in_journal": len(ids) - len(journaled),
        "unresolved": statuses["unknown"] + statuses["accepted"] + statuses["submitted"],
        "lost": sum(
            1 for order in journaled if order.status == "denied" and order.intent.venue_id in at_venue
        ),
        "phantom": sum(
            1 for order in journaled if order.status != "denied" and order.intent.venue_id not in at_venue
        ),
        "rejected_without_proof": statuses["rejected"],
        "executed_differs": sum(
            1
            for placed in exchange.orders.values()
            if executed.get(placed.spec.client_id, Decimal(-1)) != placed.executed
        ),
        "position_differs": int(_position_differs(desk, exchange)),
        "fees_differ": int(_fees_at(exchange) != _fees_of(desk)),
    }
    return {"ok": not any(findings.values()), **findings, "statuses": dict(sorted(statuses.items()))}


def _position_differs(desk: Desk, exchange: VenueExchange) -> bool:
    signed = sum(
        (trade.quantity if trade.order.spec.side == "buy" else -trade.quantity for trade in exchange.trades),
        ZERO,
    )
    return desk.log.book.position("venue", SYMBOL).quantity != signed


def _fees_at(exchange: VenueExchange) -> dict[str, Decimal]:
    totals: dict[str, Decimal] = {}
    for trade in exchange.trades:
        if trade.fee:
            totals[trade.fee_asset] = totals.get(trade.fee_asset, ZERO) + trade.fee
    return totals


def _fees_of(desk: Desk) -> dict[str, Decimal]:
    return dict(desk.log.book.position("venue", SYMBOL).fees)


async def _run(arguments: argparse.Namespace) -> bool:
    names = list(EXCHANGES) if arguments.exchange == "all" else [arguments.exchange]
    good = True
    async with trio_asyncio.open_loop():
        for name in names:
            report = await prove(name, arguments.orders, arguments.share, arguments.seed, arguments.in_flight)
            print(json.dumps(report), flush=True)
            good = good and bool(report["ok"])
    return good


def main(argv: list[str]) -> int:
    """0 when every run came out clean."""
    parser = argparse.ArgumentParser(prog="python -m ops.proof.venue_faults", description=__doc__)
    parser.add_argument("--exchange", choices=[*EXCHANGES, "all"], default="all")
    parser.add_argument("--orders", type=int, default=2000)
    parser.add_argument("--share", type=float, default=0.2, help="share of submits whose answer is damaged")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--in-flight", type=int, default=20)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    return 0 if trio.run(_run, parser.parse_args(argv)) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
