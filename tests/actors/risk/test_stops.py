"""Stop orders before the rules: on which side they wait, what they reserve, and that a waiting one counts."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.risk.checks.breach import Breach
from actors.risk.decide import Passed
from tests.actors.risk.desk import D, Desk


def desk(**limits: object) -> Desk:
    """A desk at an exchange that takes stop orders; BTC stands at 40,000."""
    made = Desk(**limits)
    made.broker(takes_stops=True)
    return made


def stop(at: str | Decimal, price: str | None = None, **more: object) -> dict[str, object]:
    """The fields of a stop order, a stop-limit order with a price."""
    return {"type": "stop" if price is None else "stop_limit", "stop_price": D(at), **more}


@pytest.mark.parametrize(
    ("side", "at", "code"),
    [
        ("sell", "39999.99", None),
        ("sell", "40000", "STOP_WOULD_TRIGGER"),
        ("sell", "40000.01", "STOP_WOULD_TRIGGER"),
        ("buy", "40000.01", None),
        ("buy", "40000", "STOP_WOULD_TRIGGER"),
        ("buy", "39999.99", "STOP_WOULD_TRIGGER"),
        ("buy", "40000.001", "INVALID_TICK"),
        ("buy", "0", "INVALID_TICK"),
        ("buy", "NaN", "INVALID_TICK"),
        ("buy", "Infinity", "INVALID_TICK"),
    ],
)
def test_a_stop_order_must_lie_beyond_the_last_price(side: str, at: str, code: str | None) -> None:
    """One tick beyond it passes, at it is denied."""
    assert desk().code(side, "0.01", **stop(at)) == code


def test_an_exchange_that_holds_no_stop_orders_gets_none() -> None:
    """Not even an exit: it would be sent as something else."""
    made = Desk()
    made.hold("buy", "0.1", "40000")
    assert made.code("sell", "0.1", **stop("39000", reduce_only=True)) == "ORDER_TYPE_UNSUPPORTED"
    assert made.code("sell", "0.1", "41000", reduce_only=True) is None


@pytest.mark.parametrize(
    ("side", "at", "price", "reserves"),
    [
        ("buy", "42000", None, "46200"),
        ("sell", "38000", None, "36000"),
        ("buy", "42000", "42500", "42500"),
        ("sell", "38000", "37500", "38000"),
        ("sell", "38000", "38500", "38500"),
    ],
)
def test_a_stop_order_reserves_what_it_can_cost_after_it_triggered(
    side: str, at: str, price: str | None, reserves: str
) -> None:
    """At the market what that costs from the worse of mark and trigger, else the worse of its prices."""
    made = desk()
    verdict = made.judge(made.intent(side, "0.01", price, **stop(at, price)))
    assert isinstance(verdict, Passed)
    assert verdict.price == D(reserves)


def test_the_limit_of_a_stop_limit_order_is_held_to_its_stop_price() -> None:
    """A protection far from the market is none the less sane; one far from its own trigger is not."""
    made = desk()
    assert made.code("sell", "0.01", "28000", **stop("30000", "28000")) is None
    assert made.code("sell", "0.01", "27000", **stop("30000", "27000")) is None
    assert made.code("sell", "0.01", "26999.99", **stop("30000", "26999.99")) == "PRICE_COLLAR"


def test_an_order_value_is_that_of_its_trigger_where_it_is_worse_than_the_mark() -> None:
    """One unit of the last place beyond the limit is denied."""
    made = desk(max_order_usd=D(4200), max_pos_usd=None)
    assert made.code("buy", "0.1", **stop("42000")) is None
    assert made.code("buy", "0.1", **stop("42000.01")) == "ORDER_SIZE"
    assert made.code("sell", "0.105", **stop("20000")) is None
    assert made.code("sell", "0.105001", **stop("20000")) == "ORDER_SIZE"


def test_a_reduce_only_stop_order_takes_its_room_from_the_position_and_never_opens() -> None:
    """A second one over the rest of the position passes, over more it is denied."""
    made = desk()
    assert made.code("sell", "0.1", **stop("39000", reduce_only=True)) == "REDUCE_ONLY"
    made.hold("buy", "0.3", "40000")
    made.place("sell", "0.2", **stop("39000", reduce_only=True))
    assert made.code("sell", "0.100001", **stop("38000", reduce_only=True)) == "REDUCE_ONLY"
    assert made.code("sell", "0.1", **stop("38000", reduce_only=True)) is None


def test_what_a_kill_and_reducing_let_pass_are_stop_orders_that_only_shrink() -> None:
    """A protective stop can still be placed; one that opens can't."""
    made = desk()
    made.hold("buy", "0.1", "40000")
    made.trading_state = "reducing"
    assert made.code("sell", "0.1", **stop("39000")) is None
    assert made.code("sell", "0.100001", **stop("39000")) == "TRADING_REDUCING"
    assert made.code("buy", "0.01", **stop("41000")) == "TRADING_REDUCING"
    made.trading_state, made.killed = "halted", True
    assert made.code("sell", "0.1", **stop("39000", reduce_only=True)) is None
    assert made.code("sell", "0.1", **stop("39000")) == "TRADING_HALTED"


ORDERS = st.lists(
    st.tuples(
        st.sampled_from(["buy", "sell"]),
        st.integers(1, 60),
        st.sampled_from(["market", "limit", "stop", "stop_limit"]),
        st.integers(1, 3999),
    ),
    max_size=12,
)


@given(ORDERS)
def test_however_waiting_stops_and_other_orders_execute_the_position_stays_within_its_limit(
    orders: list[tuple[str, int, str, int]],
) -> None:
    """Every subset that executes together is within what one side can reach, and so within the limit."""
    limit = D(4000)
    made = desk(max_pos_usd=limit)
    working = {"buy": D(0), "sell": D(0)}
    for side, thousandths, kind, away in orders:
        beyond = D(40000 + away) if side == "buy" else D(40000 - away)
        quantity = D(thousandths) / 1000
        stated = {"stop_price": beyond} if kind.startswith("stop") else {}
        price = beyond if kind.endswith("limit") else None
        intent = made.intent(side, quantity, price, type=kind, **stated)
        verdict = made.judge(intent)
        fits = (working[side] + quantity) * 40000 <= limit
        assert isinstance(verdict, Passed if fits else Breach), verdict
        if fits:
            made.place(side, quantity, price, type=kind, **stated)
            working[side] += quantity
