"""What a denied order is told, word for word: the code, what was found, the limit and what is left of it.

These sentences are read by people at night and their numbers by bots.
"""

from collections.abc import Callable

import msgspec
import pytest

from actors.model.order import OrderIntent
from actors.risk.rules import Breach
from tests.actors.risk.desk import BTC, ETH, D, Desk, instrument, mark

Scene = Callable[[], tuple[Desk, OrderIntent]]


def with_position(**limits: object) -> Desk:
    """Long 0.1 BTC and 1 ETH, with a working order to buy 0.05 BTC."""
    desk = Desk(**{"max_net_usd": None, **limits})
    desk.hold("buy", "0.1", "40000")
    desk.hold("buy", "1", "2000", symbol=ETH)
    desk.place("buy", "0.05", "39000")
    return desk


def order(desk: Desk, *terms: str | None, **changes: object) -> tuple[Desk, OrderIntent]:
    return desk, desk.intent(*terms, **changes)


def stop(desk: Desk, side: str, quantity: str, stop_price: str, limit: str | None = None):
    kind = "stop" if limit is None else "stop_limit"
    changes = {"type": kind, "stop_price": D(stop_price), "time_in_force": "GTC"}
    return desk, desk.intent(side, quantity, limit, **changes)


def taking_stops(**limits: object) -> Desk:
    desk = Desk(**limits)
    desk.broker(takes_stops=True)
    return desk


def lost(**limits: object) -> Desk:
    """500 USD were lost today."""
    desk = Desk(**limits)
    desk.hold("buy", "0.1", "45000")
    return desk


def placed_often(count: int, **limits: object) -> Desk:
    desk = Desk(**limits)
    for number in range(count):
        desk.place("buy", "0.001", str(38000 - number))
    return desk


def executed_often(count: int, **limits: object) -> Desk:
    desk = Desk(**limits)
    for _ in range(count):
        desk.fill(desk.place("buy", "0.001"), "0.001", "40000")
    return desk


def limited(desk: Desk, **limits: object) -> Desk:
    """The desk with limits set afterwards."""
    desk.limits(**limits)
    return desk


def owing() -> Desk:
    """An exchange where an asset without a price is owed."""
    desk = Desk(max_daily_loss_usd=None)
    order_id = desk.place("buy", "0.01")
    desk.fill(order_id, "0.01", "40000", fee="1", asset="XYZ")
    return desk


SCENES: dict[str, Scene] = {
    "no quantity": lambda: order(Desk(), "buy", "0"),
    "an endless quantity": lambda: order(Desk(), "buy", "Infinity"),
    "a negative price": lambda: order(Desk(), "buy", "0.1", "-1"),
    "a price of nothing": lambda: order(Desk(), "buy", "0.1", "0"),
    "an endless price": lambda: order(Desk(), "buy", "0.1", "Infinity"),
    "a stop at nothing": lambda: stop(taking_stops(), "sell", "0.1", "0"),
    "a stop at nothing with a limit below one": lambda: stop(taking_stops(), "sell", "0.1", "0", "0.5"),
    "an endless stop": lambda: stop(taking_stops(), "sell", "0.1", "Infinity", "39000"),
    "half a lot": lambda: order(Desk(), "buy", "0.1000005"),
    "half a tick": lambda: order(Desk(), "buy", "0.1", "39000.005"),
    "a stop at half a tick": lambda: stop(taking_stops(), "sell", "0.1", "39000.005"),
    "half a tick before a stop": lambda: stop(taking_stops(), "sell", "0.1", "39000.005", "39000.001"),
    "too little": lambda: order(Desk(), "buy", "0.0001"),
    "too little at its limit": lambda: order(Desk(), "buy", "0.00012", "39000"),
    "too little at its stop": lambda: stop(taking_stops(), "sell", "0.00012", "39000"),
    "too much": lambda: order(Desk(max_order_usd=D(4000)), "buy", "0.2"),
    "too many": lambda: order(Desk(max_order_quantity=D("0.1")), "buy", "0.2"),
    "position": lambda: order(with_position(max_pos_usd=D(10000)), "buy", "0.2"),
    "long": lambda: order(with_position(max_long_usd=D(10000)), "buy", "0.2"),
    "short": lambda: order(with_position(max_short_usd=D(1000)), "sell", "0.2"),
    "exchange": lambda: order(with_position(max_exchange_usd=D(9000)), "buy", "0.1"),
    "gross": lambda: order(with_position(max_gross_usd=D(9000)), "buy", "0.1"),
    "net": lambda: order(with_position(max_net_usd=D(9000)), "buy", "0.1"),
    "net of a short": lambda: order(limited(with_position(), max_net_usd=D(1000)), "sell", "0.2"),
    "margin": lambda: order(with_position_of_little_cash(), "buy", "0.1"),
    "an asset that is owed": lambda: order(owing(), "buy", "0.1"),
    "more than the position": lambda: order(with_position(), "sell", "0.2", reduce_only=True),
    "no position": lambda: order(Desk(), "sell", "0.2", reduce_only=True),
    "daily loss": lambda: order(lost(max_daily_loss_usd=D(400)), "buy", "0.1"),
    "drawdown": lambda: order(lost(max_drawdown_usd=D(400)), "buy", "0.1"),
    "messages": lambda: order(placed_often(3, max_messages=3), "buy", "0.1"),
    "repeated": lambda: order(
        executed_often(2, max_repeated_executions=2, repeated_window_seconds=D(30)), "buy", "0.1"
    ),
    "duplicate": lambda: order(placed_often(1, duplicate_seconds=D(5)), "buy", "0.001", "38000"),
    "own order": lambda: order(placed_often(1, self_match_prevention=True), "sell", "0.1", "38000"),
    "own order at the market": lambda: order(placed_often(1, self_match_prevention=True), "sell", "0.1"),
    "open orders": lambda: order(placed_often(2, max_open_orders=2), "buy", "0.1", "37000"),
    "open orders of a symbol": lambda: order(
        placed_often(2, max_open_orders_per_symbol=2), "buy", "0.1", "37000"
    ),
    "collar": lambda: order(Desk(), "buy", "0.1", "44000.01"),
    "collar of a stop": lambda: stop(taking_stops(), "sell", "0.1", "39000", "30000"),
    "the wrong side of the market": lambda: stop(taking_stops(), "sell", "0.1", "40000"),
    "the other wrong side": lambda: stop(taking_stops(), "buy", "0.1", "39000"),
    "post only to sell": lambda: order(Desk(post_only_check=True), "sell", "0.1", "39999.99", post_only=True),
    "post only": lambda: order(Desk(post_only_check=True), "buy", "0.1", "40000.01", post_only=True),
    "no stops": lambda: stop(Desk(), "sell", "0.1", "39000"),
    "an exchange that reconciles": lambda: order(broken(state="reconciling"), "buy", "0.1"),
    "an exchange that fails": lambda: order(broken(circuit="open"), "buy", "0.1"),
    "an exchange that nobody knows": lambda: order(Desk(), "buy", "0.1", exchange="elsewhere"),
    "killed": lambda: order(in_state(killed=True), "buy", "0.1"),
    "reducing": lambda: order(in_state(trading_state="reducing"), "buy", "0.1"),
    "halted": lambda: order(in_state(trading_state="halted"), "buy", "0.1"),
    "an old price": lambda: order(later(10_500_000), "buy", "0.1"),
    "an old price of something held": lambda: order(fresh_but_for_eth(), "buy", "0.1"),
    "a clock that is off": lambda: order(skewed(), "buy", "0.1"),
    "a symbol that is not traded": lambda: order(
        Desk(symbol_whitelist=("XRP/USDT",)), "buy", "10", symbol="XRP/USDT"
    ),
    "no price": lambda: order(trading_elsewhere("XRP/USDT"), "buy", "10", symbol="XRP/USDT"),
    "no price of what is paid with": lambda: order(priced_in_euro(), "buy", "0.1", symbol="ETH/EUR"),
    "a stop between the last price and the mark": lambda: stop(marked("40000"), "sell", "0.1", "40050"),
    "a stop without a last price": lambda: stop(marked(None), "sell", "0.1", "40150"),
    "unknown symbol": lambda: order(Desk(), "buy", "0.1", symbol="DOGE/USDT"),
}


def broken(**changes: object) -> Desk:
    desk = Desk()
    desk.broker(**changes)
    return desk


def in_state(*, trading_state: str = "active", killed: bool = False) -> Desk:
    desk = Desk()
    desk.trading_state, desk.killed = trading_state, killed
    return desk


def later(us: int, desk: Desk | None = None) -> Desk:
    desk = desk or Desk(max_price_age_seconds=D(10))
    desk.now_us += us
    return desk


def fresh_but_for_eth() -> Desk:
    """The price of the order is new, that of a position is not."""
    desk = later(10_500_000, with_position(max_price_age_seconds=D(10)))
    desk.price(BTC, "40000")
    return desk


def skewed() -> Desk:
    desk = Desk(max_clock_skew_seconds=D(1))
    desk.state.skews["sim"] = -1_500_000
    return desk


def trading_elsewhere(symbol: str) -> Desk:
    """The exchange lists a symbol that nobody has told a price of."""
    desk = Desk(symbol_whitelist=(symbol,), max_daily_loss_usd=None)
    desk.broker(instruments=(instrument(symbol),))
    return desk


def priced_in_euro() -> Desk:
    desk = trading_elsewhere("ETH/EUR")
    desk.price("ETH/EUR", "1800")
    return desk


def marked(last: str | None) -> Desk:
    """The mark is 40100; what traded last may be something else, or not known."""
    desk = taking_stops()
    desk.state.set_mark(msgspec.structs.replace(mark(BTC, "40100"), last=None if last is None else D(last)))
    return desk


def with_position_of_little_cash() -> Desk:
    desk = Desk(cash="10000", max_net_usd=None)
    desk.hold("buy", "0.1", "40000")
    desk.place("buy", "0.05", "39000")
    return desk


TOLD: dict[str, Breach] = {
    "no quantity": Breach("INVALID_LOT", "the quantity is not a positive number", None, "0"),
    "an endless quantity": Breach("INVALID_LOT", "the quantity is not a positive number", None, "Infinity"),
    "a negative price": Breach("INVALID_TICK", "the price is not a positive number", None, "-1"),
    "a price of nothing": Breach("INVALID_TICK", "the price is not a positive number", None, "0"),
    "an endless price": Breach("INVALID_TICK", "the price is not a positive number", None, "Infinity"),
    "a stop at nothing": Breach("INVALID_TICK", "the stop price is not a positive number", None, "0"),
    "a stop at nothing with a limit below one": Breach(
        "INVALID_TICK", "the stop price is not a positive number", None, "0"
    ),
    "an endless stop": Breach("INVALID_TICK", "the stop price is not a positive number", None, "Infinity"),
    "half a lot": Breach(
        "INVALID_LOT", "0.1000005 is not a whole number of lots of 0.000001", "0.000001", "0.1000005"
    ),
    "half a tick": Breach(
        "INVALID_TICK", "39000.005 is not a whole number of ticks of 0.01", "0.01", "39000.005"
    ),
    "a stop at half a tick": Breach(
        "INVALID_TICK", "39000.005 is not a whole number of ticks of 0.01", "0.01", "39000.005"
    ),
    "half a tick before a stop": Breach(
        "INVALID_TICK", "39000.001 is not a whole number of ticks of 0.01", "0.01", "39000.001"
    ),
    "too little": Breach("MIN_NOTIONAL", "the order is worth 4, the least is 5", "5", "4"),
    "too little at its limit": Breach("MIN_NOTIONAL", "the order is worth 4.68, the least is 5", "5", "4.68"),
    "too little at its stop": Breach("MIN_NOTIONAL", "the order is worth 4.68, the least is 5", "5", "4.68"),
    "too much": Breach(
        "ORDER_SIZE",
        "the order's value in USD would be 8000, the limit is 4000, 4000 is left",
        "4000",
        "8000",
        "4000",
    ),
    "too many": Breach(
        "ORDER_SIZE", "the order's quantity would be 0.2, the limit is 0.1, 0.1 is left", "0.1", "0.2", "0.1"
    ),
    "position": Breach(
        "MAX_POSITION",
        "the worst-case long position in BTC/USDT in USD would be 14000, the limit is 10000, 4000 is left",
        "10000",
        "14000",
        "4000",
    ),
    "long": Breach(
        "MAX_LONG",
        "the worst-case long position in BTC/USDT in USD would be 14000, the limit is 10000, 4000 is left",
        "10000",
        "14000",
        "4000",
    ),
    "short": Breach(
        "MAX_SHORT",
        "the worst-case short position in BTC/USDT in USD would be 4000, the limit is 1000, 1000 is left",
        "1000",
        "4000",
        "1000",
    ),
    "exchange": Breach(
        "MAX_EXCHANGE_EXPOSURE",
        "the gross exposure at sim in USD would be 12000, the limit is 9000, 1000 is left",
        "9000",
        "12000",
        "1000",
    ),
    "gross": Breach(
        "MAX_GROSS_EXPOSURE",
        "the gross exposure in USD would be 12000, the limit is 9000, 1000 is left",
        "9000",
        "12000",
        "1000",
    ),
    "net": Breach(
        "MAX_NET_EXPOSURE",
        "the net exposure in USD would be 12000, the limit is 9000, 1000 is left",
        "9000",
        "12000",
        "1000",
    ),
    "net of a short": Breach(
        "MAX_NET_EXPOSURE",
        "the net exposure in USD would be 2000, the limit is 1000, 7000 is left",
        "1000",
        "2000",
        "7000",
    ),
    "margin": Breach(
        "INSUFFICIENT_MARGIN",
        "working orders and positions at sim would need 10350 USD of margin, the equity is 10000",
        "10000",
        "10350",
        "4050",
    ),
    "an asset that is owed": Breach("STALE_PRICE", "an asset that is owed at sim has no price"),
    "more than the position": Breach(
        "REDUCE_ONLY",
        "reduce-only: the position is 0.1 and other reduce-only orders leave 0.1 of it",
        "0.1",
        "0.2",
        "0.1",
    ),
    "no position": Breach(
        "REDUCE_ONLY",
        "reduce-only: the position is 0 and other reduce-only orders leave 0 of it",
        "0",
        "0.2",
        "0",
    ),
    "daily loss": Breach("MAX_DAILY_LOSS", "today's loss is 500 USD, the limit 400", "400", "500", "0"),
    "drawdown": Breach(
        "MAX_DRAWDOWN",
        "the fall from the highest result in USD would be 500, the limit is 400, 0 is left",
        "400",
        "500",
        "0",
    ),
    "messages": Breach(
        "MESSAGE_RATE", "orders and cancels within 1 s would be 4, the limit is 3, 0 is left", "3", "4", "0"
    ),
    "repeated": Breach(
        "REPEATED_EXECUTION",
        "executed buy orders in BTC/USDT within 30 s would be 3, the limit is 2, 0 is left",
        "2",
        "3",
        "0",
        halts=True,
    ),
    "duplicate": Breach("DUPLICATE_ORDER", "the same order was placed less than 5 s ago", "5"),
    "own order": Breach("SELF_MATCH", "it could trade with our own order at 38000", "38000", "38000"),
    "own order at the market": Breach(
        "SELF_MATCH", "it could trade with our own order at 38000", "38000", "the market"
    ),
    "open orders": Breach("OPEN_ORDERS", "open orders would be 3, the limit is 2, 0 is left", "2", "3", "0"),
    "open orders of a symbol": Breach(
        "OPEN_ORDERS", "open orders in BTC/USDT would be 3, the limit is 2, 0 is left", "2", "3", "0"
    ),
    "collar": Breach(
        "PRICE_COLLAR", "44000.01 is more than 10 % away from the mark 40000", "44000", "44000.01"
    ),
    "collar of a stop": Breach(
        "PRICE_COLLAR", "30000 is more than 10 % away from the stop price 39000", "35100", "30000"
    ),
    "the wrong side of the market": Breach(
        "STOP_WOULD_TRIGGER", "a stop order to sell triggers below the last price 40000", "40000", "40000"
    ),
    "the other wrong side": Breach(
        "STOP_WOULD_TRIGGER", "a stop order to buy triggers above the last price 40000", "40000", "39000"
    ),
    "post only to sell": Breach("POST_ONLY", "at 39999.99 it would trade at once", "39999.99", "39999.99"),
    "post only": Breach("POST_ONLY", "at 40000.01 it would trade at once", "40000.01", "40000.01"),
    "no stops": Breach(
        "ORDER_TYPE_UNSUPPORTED", "sim takes no stop orders through tradewarden", None, "stop"
    ),
    "an exchange that reconciles": Breach(
        "EXCHANGE_RECONCILING", "sim is reconciling: as the test says", None, "reconciling"
    ),
    "an exchange that fails": Breach(
        "CIRCUIT_OPEN", "sim fails too often right now: as the test says", None, "open"
    ),
    "an exchange that nobody knows": Breach(
        "EXCHANGE_RECONCILING", "elsewhere is connecting: it has not reported yet", None, "connecting"
    ),
    "killed": Breach(
        "TRADING_HALTED", "the kill switch is pulled; only reduce-only orders that shrink a position pass"
    ),
    "reducing": Breach(
        "TRADING_REDUCING", "only orders that shrink the position, working orders included, pass", "0", "0.1"
    ),
    "halted": Breach(
        "TRADING_HALTED", "trading is halted; only reduce-only orders that shrink a position pass"
    ),
    "an old price": Breach("STALE_PRICE", "its price is 10.5 s old", "10", "10.5"),
    "an old price of something held": Breach(
        "STALE_PRICE", "the price of something held is 10.5 s old", "10", "10.5"
    ),
    "a clock that is off": Breach(
        "CLOCK_SKEW",
        "the clock's distance to sim in seconds would be 1.5, the limit is 1, 0 is left",
        "1",
        "1.5",
        "0",
    ),
    "a symbol that is not traded": Breach(
        "SYMBOL_NOT_ALLOWED", "XRP/USDT is not traded at sim", None, "XRP/USDT"
    ),
    "no price": Breach("STALE_PRICE", "there is no price for XRP/USDT at sim"),
    "no price of what is paid with": Breach("STALE_PRICE", "there is no price for EUR in USD"),
    "a stop between the last price and the mark": Breach(
        "STOP_WOULD_TRIGGER", "a stop order to sell triggers below the last price 40000", "40000", "40050"
    ),
    "a stop without a last price": Breach(
        "STOP_WOULD_TRIGGER", "a stop order to sell triggers below the last price 40100", "40100", "40150"
    ),
    "unknown symbol": Breach("SYMBOL_NOT_ALLOWED", "DOGE/USDT is not on the whitelist", None, "DOGE/USDT"),
}


@pytest.mark.parametrize("name", SCENES)
def test_a_denied_order_is_told_exactly_this(name: str) -> None:
    desk, intent = SCENES[name]()
    assert desk.judge(intent) == TOLD[name]
