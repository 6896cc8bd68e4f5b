"""A month of recorded prices against the daily loss limit, beside plain arithmetic that shares nothing."""

import csv
import gzip
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise

import pytest

from actors.model.instrument import Instrument
from actors.model.messages import BrokerState, Mark
from actors.risk.state import day_of
from actors.risk.watch import Watch
from tests.actors.risk.desk import D, Desk

PERP = "BTC/USDT:USDT"
LIMIT = D(1000)
MOST = D(50_000)
FEE = D("0.0004")
LOT = D("0.001")
START = D(1_000_000)


def bars(folder):
    """Time in microseconds and the four prices of each minute: open, low, high, close."""
    with gzip.open(folder / "btc-perp-1m-2022-01.csv.gz", "rt") as lines:
        for row in csv.DictReader(lines):
            at = datetime.fromisoformat(row["timestamp"]).replace(tzinfo=UTC)
            yield (
                int(at.timestamp()) * 1_000_000,
                tuple(D(row[name]) for name in ("open", "low", "high", "close")),
            )


class Plain:
    """The same month in plain arithmetic: cash, a quantity, and the equity at which the day began."""

    def __init__(self):
        self.cash, self.held, self.day_equity, self.halted = START, D(0), START, False

    def equity(self, price):
        return self.cash + self.held * price

    def trade(self, quantity, price):
        self.cash -= quantity * price + abs(quantity) * price * FEE
        self.held += quantity


def lots(value):
    """Whole lots, rounded down."""
    return value // LOT * LOT


@pytest.mark.recorded
def test_a_month_halts_on_the_right_bars_and_the_equity_is_equal_to_the_last_digit(recorded_data):
    desk = month_desk()
    plain, watch = Plain(), Watch()
    halts, plain_halts, lost = [], [], []
    day = ""
    for number, (at, prices) in enumerate(bars(recorded_data)):
        today = day_of(at)
        for step, price in enumerate(prices):
            desk.now_us = at + step * 15_000_000
            desk.state.set_mark(mark(price, desk.now_us))
            if today != day:
                if day:
                    lost.append(plain.day_equity - plain.equity(price))
                day = today
                desk.open_day()
                plain.day_equity, plain.halted = plain.equity(price), False
                desk.killed, desk.trading_state = False, "active"
                buy(desk, plain, price)
            if any(found.code == "MAX_DAILY_LOSS" for found in watch.look(desk.state, desk.now_us).began):
                halts.append((number, step))
                desk.killed, desk.trading_state = True, "halted"
                close(desk, price)
            if not plain.halted and plain.day_equity - plain.equity(price) > LIMIT:
                plain_halts.append((number, step))
                plain.halted = True
                plain.trade(-plain.held, price)
            assert desk.state.valuation.equity() == plain.equity(price)
    assert halts == plain_halts
    assert len(halts) > 3
    worst_bar = max(abs(b[1][0] - a[1][3]) + b[1][2] - b[1][1] for a, b in pairwise(bars(recorded_data)))
    assert max(lost) <= LIMIT + worst_bar * MOST / D(30_000) + MOST * FEE * 2


def month_desk() -> Desk:
    """A desk that trades the perpetual only."""
    desk = Desk(
        symbol_whitelist=(PERP,), max_daily_loss_usd=LIMIT, max_pos_usd=MOST, max_price_age_seconds=None
    )
    perp = Instrument(
        exchange="sim",
        symbol=PERP,
        base="BTC",
        quote="USDT",
        tick=D("0.01"),
        lot=LOT,
        min_notional=D(5),
        market_type="swap",
        initial_margin=D("0.1"),
    )
    desk.state.set_broker(
        BrokerState(exchange="sim", state="trading", circuit="closed", detail="", instruments=(perp,))
    )
    return desk


def mark(price: Decimal, at_us: int) -> Mark:
    """A price of the perpetual."""
    return Mark(exchange="sim", symbol=PERP, bid=price, ask=price, last=price, mark=price, at_us=at_us)


def buy(desk: Desk, plain: Plain, price: Decimal) -> None:
    """Buy up to the limit, in both worlds."""
    quantity = lots(MOST / price - plain.held)
    if quantity > 0:
        order_id = desk.place("buy", quantity, symbol=PERP)
        desk.fill(order_id, quantity, price, fee=str(quantity * price * FEE), market="swap")
        plain.trade(quantity, price)
    more = desk.judge(desk.intent("buy", LOT * 2, symbol=PERP))
    assert plain.held * price + LOT * 2 * price <= MOST or more.code == "MAX_POSITION"


def close(desk: Desk, price: Decimal) -> None:
    """What a kill of level flatten does."""
    held = desk.book.position("sim", PERP).quantity
    order_id = desk.place("sell", held, symbol=PERP, reduce_only=True)
    desk.fill(order_id, held, price, fee=str(held * price * FEE), market="swap")
