"""The broker dies a hundred times under load, with ccxt and the local venue under it.

Orders are accepted, rest and are cancelled all the while; at a random moment the broker's life is ended as a
crash ends it, requests on their way included. Afterwards the journal is compared with the venue's ledger, as
in `venue_faults`. Recovery is the time from the crash until the next life trades; what of it are the
exchange's own round trips is told beside it.

    python -m ops.proof.broker_crashes --exchange binance-spot --crashes 100
"""

import argparse
import json
import logging
import random
import sys
from decimal import Decimal

import structlog
import trio
import trio_asyncio

from actors.broker.port import ExchangePort
from ops.proof.venue_faults import EXCHANGES, Desk, compare, open_desk, settled
from ops.venue.exchange import VenueExchange
from ops.venue.running import Plan, open_venue
from ops.venue.service import Limits

MARKET = "BTCUSDT"
LOAD_PAUSE = 0.15
GOAL_SECONDS = 1.0
ROUND_TRIPS = 8
"""What a recovery asks one after the other: clock, account (two), trades, open orders, order, balances,
positions.
"""


class Load:
    """Orders at random: most trade, some rest and are cancelled after a while."""

    def __init__(self, desk: Desk, exchange: VenueExchange, seed: int) -> None:
        self._desk = desk
        self._lot = exchange.markets[MARKET].lot * 10
        self._dice = random.Random(seed)
        self.ids: list[str] = []

    async def run(self) -> None:
        """For ever."""
        resting: list[str] = []
        while True:
            side = self._dice.choice(("buy", "sell"))
            quantity = Decimal("0.01") + self._lot * self._dice.randint(0, 50)
            rests = self._dice.random() < 0.3
            price = Decimal(36_000 if side == "buy" else 44_000) if rests else None
            self.ids.append(self._desk.accept(side, quantity, price))
            if rests:
                resting.append(self.ids[-1])
            if len(resting) > 5:
                await self._desk.cancel(resting.pop(0))
            await trio.sleep(self._dice.random() * LOAD_PAUSE)


async def _round_trip_seconds(port: ExchangePort) -> float:
    """The median of some answers of the exchange."""
    took = []
    for _ in range(15):
        began = trio.current_time()
        await port.server_time_us()
        took.append(trio.current_time() - began)
    return sorted(took)[7]


async def prove(name: str, crashes: int, seed: int) -> dict[str, object]:
    """One run; the counts and findings, `ok` when there is nothing to object to."""
    plan = Plan(limits=Limits.none(), seed=seed)
    async with open_venue(plan) as running, open_desk(running, name, seed) as desk:
        ledger, dice = running.venue.exchanges[name], random.Random(seed)
        load, recoveries = Load(desk, ledger, seed), []
        round_trip = await _round_trip_seconds(desk.port)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(load.run)
            for _ in range(crashes):
                await trio.sleep(0.05 + dice.random() * 0.5)
                began = trio.current_time()
                await desk.crash_broker()
                await desk.trading()
                recoveries.append(trio.current_time() - began)
            nursery.cancel_scope.cancel()
        await settled(desk, load.ids, ledger)
        compared = compare(desk, load.ids, ledger)
    ordered = sorted(recoveries)
    p99 = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
    allowed = GOAL_SECONDS + ROUND_TRIPS * round_trip
    return {
        "exchange": name,
        **compared,
        "ok": bool(compared["ok"]) and p99 <= allowed,
        "crashes": crashes,
        "orders": len(load.ids),
        "recovery_p50_seconds": round(ordered[len(ordered) // 2], 3),
        "recovery_p99_seconds": round(p99, 3),
        "round_trip_ms": round(round_trip * 1000, 1),
        "allowed_seconds": round(allowed, 3),
    }


def main(argv: list[str]) -> int:
    """0 when nothing was lost or doubled and recovery is fast."""
    parser = argparse.ArgumentParser(prog="python -m ops.proof.broker_crashes", description=__doc__)
    parser.add_argument("--exchange", choices=[*EXCHANGES, "all"], default="binance-spot")
    parser.add_argument("--crashes", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(argv)
    logging.disable(logging.ERROR)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    names = list(EXCHANGES) if asked.exchange == "all" else [asked.exchange]

    async def run() -> bool:
        good = True
        async with trio_asyncio.open_loop():
            for name in names:
                report = await prove(name, asked.crashes, asked.seed)
                print(json.dumps(report), flush=True)
                good = good and bool(report["ok"])
        return good

    return 0 if trio.run(run) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
