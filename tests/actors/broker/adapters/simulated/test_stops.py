"""Stop orders at the simulated exchange: when they trigger, in which order, and what becomes of them then."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.broker.adapters.instruments import own_instruments
from actors.broker.adapters.simulated.admission import Refusal, Request
from actors.broker.adapters.simulated.engine import Quote
from actors.broker.adapters.simulated.ledger import MemoryLedger, OrderRow
from actors.broker.adapters.simulated.market import MarketEvent
from actors.broker.adapters.simulated.stops import Stops
from actors.broker.adapters.simulated.venue import Fees, Taken, Venue

D = Decimal
SYMBOL = "BTC/USDT"


def venue(cash: str = "1000000") -> Venue:
    """An exchange whose market stands at 99 to 101."""
    return Venue(
        "sim",
        own_instruments("sim", (SYMBOL,)),
        fees=Fees(maker=D(0), taker=D(0)),
        opening={"USDT": D(cash)},
        quotes={SYMBOL: Quote(D(99), D(101))},
    )


def stop(number: int, side: str, at: str, limit: str | None = None, quantity: str = "1") -> Request:
    """A stop order, or a stop-limit order when a limit price is given."""
    return Request(
        client_id=f"c{number}",
        symbol=SYMBOL,
        side=side,
        type="stop" if limit is None else "stop_limit",
        quantity=D(quantity),
        limit_price=None if limit is None else D(limit),
        stop_price=D(at),
    )


def place(here: Venue, *arguments: str | int, **fields: str) -> OrderRow:
    """Place a stop order that the exchange takes."""
    taken = here.place("main", stop(*arguments, **fields), 5)
    assert isinstance(taken, Taken), taken
    return taken.order


def trade(here: Venue, price: str, spread: str = "1") -> None:
    """The outside market trades at the price, and quotes around it from then on."""
    quote = Quote(D(price) - D(spread), D(price) + D(spread))
    here.market(SYMBOL, MarketEvent(at_us=0, quote=quote, price=D(price), quantity=D(5)), 9)


def known(here: Venue, number: int) -> OrderRow:
    """An order as the exchange has it."""
    order = here.order("main", f"c{number}")
    assert order is not None
    return order


@pytest.mark.parametrize(
    ("side", "at", "short_of", "reached", "fills_at"),
    [("sell", "95", "95.01", "95", "94"), ("buy", "105", "104.99", "105", "106")],
)
def test_a_stop_order_waits_for_its_price_and_then_fills_at_the_market(
    side: str, at: str, short_of: str, reached: str, fills_at: str
) -> None:
    """One tick short of it nothing happens; it is listed as open all the time."""
    here = venue()
    assert place(here, 1, side, at).status == "open"
    trade(here, short_of)
    assert [order.client_id for order in here.open_orders("main")] == ["c1"]
    assert here.fills_since("main", SYMBOL, 0) == ()
    trade(here, reached)
    (fill,) = here.fills_since("main", SYMBOL, 0) or ()
    assert (fill.price, fill.quantity, fill.liquidity) == (D(fills_at), 1, "taker")
    assert known(here, 1).status == "filled"


def test_a_quote_alone_triggers_nothing() -> None:
    """The last trade does, not what somebody offers."""
    here = venue()
    place(here, 1, "sell", "95")
    here.market(SYMBOL, MarketEvent(at_us=0, quote=Quote(D(80), D(81)), quantity=D(5)), 9)
    assert known(here, 1).status == "open"


def test_a_triggered_stop_limit_order_rests_at_its_limit_and_can_be_canceled() -> None:
    """A market that has jumped past its limit leaves it behind."""
    here = venue()
    place(here, 1, "sell", "95", "94")
    trade(here, "90")
    order = known(here, 1)
    assert (order.status, order.triggered, order.executed) == ("open", True, 0)
    trade(here, "94.5")
    assert known(here, 1).status == "filled"
    place(here, 2, "sell", "90", "89.5")
    trade(here, "80")
    assert isinstance(here.cancel("main", SYMBOL, "c2", 9), OrderRow)
    trade(here, "99")
    assert known(here, 2).status == "canceled"


def test_a_canceled_stop_order_never_triggers() -> None:
    """It is gone before its price comes."""
    here = venue()
    place(here, 1, "sell", "95")
    assert isinstance(here.cancel("main", SYMBOL, "c1", 9), OrderRow)
    trade(here, "90")
    assert known(here, 1).status == "canceled"
    assert here.fills_since("main", SYMBOL, 0) == ()


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (stop(1, "sell", "100"), "STOP_WOULD_TRIGGER"),
        (stop(1, "sell", "100.01"), "STOP_WOULD_TRIGGER"),
        (stop(1, "buy", "100"), "STOP_WOULD_TRIGGER"),
        (stop(1, "buy", "99.99"), "STOP_WOULD_TRIGGER"),
        (stop(1, "buy", "105.001"), "INVALID_TICK"),
        (stop(1, "buy", "105", "105.001"), "INVALID_TICK"),
        (stop(1, "sell", "-1"), "INVALID_ORDER"),
        (stop(1, "buy", "105", quantity="10000"), "INSUFFICIENT_FUNDS"),
    ],
)
def test_a_stop_price_that_is_reached_already_is_refused_like_any_other_mistake(
    request_: Request, code: str
) -> None:
    """Nothing of it is kept."""
    here = venue()
    trade(here, "100")
    here.drain()
    refused = here.place("main", request_, 6)
    assert isinstance(refused, Refusal)
    assert refused.code == code
    assert here.order("main", "c1") is None
    changes = here.drain()
    assert changes is None or not changes.items


def test_a_stop_order_to_buy_for_which_the_money_is_gone_is_canceled_when_it_triggers() -> None:
    """At the market it takes nothing until then; a stop-limit order has taken it from the start."""
    here = venue("110")
    place(here, 1, "buy", "105")
    trade(here, "115")
    order = known(here, 1)
    assert (order.status, order.executed) == ("canceled", 0)
    assert "are needed" in order.reason
    trade(here, "100")
    place(here, 2, "buy", "105", "106")
    assert here.balances("main") == (("USDT", D(110), D(4)),)


def test_a_stop_order_is_not_amended() -> None:
    """The exchange says so and leaves it."""
    here = venue()
    place(here, 1, "sell", "95", "94")
    refused = here.amend("main", SYMBOL, "c1", D(2), D(93), 9)
    assert isinstance(refused, Refusal)
    assert known(here, 1).quantity == 1


async def test_waiting_and_triggered_stop_orders_are_what_they_were_after_a_restart() -> None:
    """The first trade after it triggers what the price passed meanwhile."""
    ledger, here = MemoryLedger(), venue()
    place(here, 1, "sell", "95")
    place(here, 2, "sell", "96", "95.5")
    trade(here, "96", spread="2")
    changes = here.drain()
    assert changes is not None
    await ledger.write(changes.entry)
    again = venue()
    again.restore(await ledger.load(10), 10)
    assert [order.triggered for order in again.open_orders("main")] == [False, True]
    trade(again, "90")
    assert (known(again, 1).status, known(again, 2).status) == ("filled", "open")
    trade(again, "97")
    assert known(again, 2).status == "filled"


PRICES = st.integers(1, 12).map(Decimal)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from(["buy", "sell"]), PRICES),
        st.tuples(st.just("remove"), st.integers(0, 20), st.none()),
        st.tuples(st.just("trade"), st.none(), PRICES),
    ),
    max_size=40,
)


@given(STEPS)
def test_exactly_what_a_price_has_reached_triggers_once_and_nearest_first(
    steps: list[tuple[str, object, Decimal | None]],
) -> None:
    """Compared with a list that is looked through from end to end."""
    stops, waiting, number = Stops(), {}, 0
    for what, detail, price in steps:
        if what == "add":
            number += 1
            waiting[number] = (detail, price)
            stops.add(number, str(detail), price)
        elif what == "remove":
            waiting.pop(detail, None)
            stops.remove(detail)
        else:
            due = [n for n, (side, at) in waiting.items() if (price >= at if side == "buy" else price <= at)]
            due.sort(key=lambda n: (waiting[n][0], waiting[n][1] * (1 if waiting[n][0] == "buy" else -1), n))
            assert stops.reached(price) == tuple(due)
            for each in due:
                del waiting[each]
        assert len(stops) == len(waiting)
