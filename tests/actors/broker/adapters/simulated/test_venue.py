"""The exchange's own state: accounts, orders, fills, and what it tells of them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.broker.adapters.instruments import own_instruments
from actors.broker.adapters.simulated import venue as venues
from actors.broker.adapters.simulated.admission import Refusal, Request
from actors.broker.adapters.simulated.engine import Quote
from actors.broker.adapters.simulated.ledger import OrderRow
from actors.broker.adapters.simulated.market import MarketEvent
from actors.broker.adapters.simulated.venue import Fees, Taken, Venue
from actors.model.fill import Fill
from actors.model.money import EXACT

D = Decimal
SYMBOL = "BTC/USDT"
QUOTE = Quote(D(99), D(101))


def venue(fees: Fees | None = None, **opening: str) -> Venue:
    """An exchange whose market stands at 99 to 101."""
    return Venue(
        "sim",
        own_instruments("sim", (SYMBOL, "ETH/USDT")),
        fees=fees or Fees(),
        opening={asset: D(total) for asset, total in (opening or {"USDT": "1000000"}).items()},
        quotes={SYMBOL: QUOTE, "ETH/USDT": Quote(D(9), D(11))},
    )


def request(
    number: int = 1, side: str = "buy", quantity: str = "1", price: str | None = None, **fields: object
) -> Request:
    """A market order, or a limit order when a price is given."""
    return Request(
        client_id=f"c{number}",
        symbol=SYMBOL,
        side=side,
        type="market" if price is None else "limit",
        quantity=D(quantity),
        limit_price=None if price is None else D(price),
        **fields,
    )


def place(
    venue: Venue, *arguments: object, account: str = "main", now_us: int = 5, **fields: object
) -> Taken:
    """Place an order that the exchange takes."""
    taken = venue.place(account, request(*arguments, **fields), now_us)
    assert isinstance(taken, Taken), taken
    return taken


def trade(venue: Venue, price: str, quantity: str, side: str, now_us: int = 9) -> None:
    """The outside market trades."""
    quote = Quote(D(price), QUOTE.ask) if side == "sell" else Quote(QUOTE.bid, D(price))
    venue.market(
        SYMBOL, MarketEvent(at_us=0, quote=quote, price=D(price), quantity=D(quantity), side=side), now_us
    )


def totals(venue: Venue, account: str = "main") -> dict[str, Decimal]:
    """What the account holds."""
    return {asset: total for asset, total, _free in venue.balances(account)}


def test_a_market_order_fills_at_the_opposite_price_and_moves_the_balances() -> None:
    """The fee is taken in quote currency."""
    here = venue()
    taken = place(here)
    assert (taken.order.status, taken.order.executed) == ("filled", 1)
    (fill,) = taken.fills
    assert (fill.price, fill.fee, fill.fee_currency, fill.liquidity) == (101, D("0.101"), "USDT", "taker")
    assert (fill.order_id, fill.exchange_order_id, fill.trade_id, fill.at_us) == ("c1", "1", "1", 5)
    assert totals(here) == {"BTC": 1, "USDT": D("999898.899")}


def test_an_account_may_sell_what_it_does_not_have() -> None:
    """It owes it then."""
    here = venue()
    place(here, 1, "sell", "2")
    assert totals(here) == {"BTC": -2, "USDT": D("1000197.802")}


def test_a_resting_order_fills_at_its_own_price_by_what_is_printed_through_it() -> None:
    """In parts as small as the trades, with the maker's fee."""
    here = venue(Fees(maker=D("0.0002"), taker=D("0.001")))
    assert place(here, 1, "buy", "1", "100").order.status == "open"
    trade(here, "100", "5", "sell")
    assert here.fills_since("main", SYMBOL, 0) == ()
    trade(here, "99.99", "0.4", "sell")
    trade(here, "99.98", "5", "sell", 11)
    fills = here.fills_since("main", SYMBOL, 0)
    assert fills is not None
    assert [(fill.price, fill.quantity, fill.fee, fill.liquidity, fill.at_us) for fill in fills] == [
        (100, D("0.4"), D("0.008"), "maker", 9),
        (100, D("0.6"), D("0.012"), "maker", 11),
    ]
    order = here.order("main", "c1")
    assert order is not None
    assert (order.status, order.executed) == ("filled", 1)


def test_two_accounts_trade_with_each_other() -> None:
    """One trade number, a fill for each side."""
    here = venue()
    place(here, 1, "sell", "1", "100", account="maker")
    taken = place(here, 2, "buy", "1", account="taker")
    assert [fill.price for fill in taken.fills] == [100]
    maker, taker = here.fills_since("maker", SYMBOL, 0), here.fills_since("taker", SYMBOL, 0)
    assert maker is not None
    assert taker is not None
    assert (maker[0].trade_id, maker[0].liquidity) == (taker[0].trade_id, "maker")
    assert totals(here, "maker")["BTC"] == -totals(here, "taker")["BTC"] == -1


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (request(2, "buy", "1.0000001"), "INVALID_LOT"),
        (request(2, "buy", "1", "100.001"), "INVALID_TICK"),
        (request(2, "buy", "0.04"), "MIN_NOTIONAL"),
        (request(2, "buy", "0.1", "10"), "MIN_NOTIONAL"),
        (request(2, "buy", "-1"), "INVALID_ORDER"),
        (request(2, "buy", "0"), "INVALID_ORDER"),
        (request(2, "buy", "1", "-5"), "INVALID_ORDER"),
        (request(2, "buy", "1", "101", post_only=True), "POST_ONLY"),
        (request(2, "buy", "10000"), "INSUFFICIENT_FUNDS"),
        (request(1), "DUPLICATE_ORDER_ID"),
    ],
)
def test_what_is_wrong_with_an_order_is_said_and_nothing_changes(wrong: Request, code: str) -> None:
    """Neither a number is used nor a balance touched."""
    here = venue()
    place(here)
    here.drain()
    refused = here.place("main", wrong, 6)
    assert isinstance(refused, Refusal)
    assert refused.code == code
    assert refused.reason
    assert here.drain() is None


def test_a_symbol_without_any_price_takes_no_market_order() -> None:
    """There is nothing to execute it against."""
    here = Venue("sim", own_instruments("sim", (SYMBOL,)), fees=Fees(), opening={"USDT": D(100)}, quotes={})
    refused = here.place("main", request(), 1)
    assert isinstance(refused, Refusal)
    assert refused.code == "NO_PRICE"


def test_open_orders_take_what_they_may_cost_until_they_are_over() -> None:
    """A buyer's quote currency, and a seller's base currency though he may owe it."""
    here = venue(USDT="1000", BTC="1")
    place(here, 1, "buy", "5", "90")
    place(here, 2, "sell", "2", "200")
    assert here.balances("main") == (("BTC", 1, -1), ("USDT", 1000, 550))
    refused = here.place("main", request(3, "buy", "7", "90"), 5)
    assert isinstance(refused, Refusal)
    assert "630" in refused.reason
    assert "550" in refused.reason
    trade(here, "89", "2", "sell")
    assert here.balances("main")[1] == ("USDT", D("819.82"), D("549.82"))
    here.cancel("main", SYMBOL, "c1", 9)
    here.cancel("main", SYMBOL, "c2", 9)
    assert [(total, free) for _asset, total, free in here.balances("main")] == [
        (3, 3),
        (D("819.82"), D("819.82")),
    ]


def test_a_canceled_order_is_over_and_can_not_be_canceled_again() -> None:
    """What it had executed stays."""
    here = venue()
    place(here, 1, "buy", "1", "100")
    trade(here, "99", "0.25", "sell")
    row = here.cancel("main", SYMBOL, "c1", 9)
    assert isinstance(row, OrderRow)
    assert (row.status, row.executed, row.reason) == ("canceled", D("0.25"), "canceled by request")
    again = here.cancel("main", SYMBOL, "c1", 9)
    assert isinstance(again, Refusal)
    assert again.gone
    assert here.open_orders("main") == ()


@pytest.mark.parametrize(("account", "symbol"), [("other", SYMBOL), ("main", "ETH/USDT")])
def test_only_the_account_itself_cancels_and_only_in_its_symbol(account: str, symbol: str) -> None:
    """Anything else is not open there."""
    here = venue()
    place(here, 1, "buy", "1", "100")
    assert isinstance(here.cancel(account, symbol, "c1", 9), Refusal)
    assert len(here.open_orders("main")) == 1


@pytest.mark.parametrize(("time_in_force", "reason"), [("IOC", "IOC"), ("FOK", "FOK")])
def test_an_unfilled_ioc_or_fok_is_canceled(time_in_force: str, reason: str) -> None:
    """With the reason."""
    here = venue()
    taken = place(here, 1, "buy", "1", "100", time_in_force=time_in_force)
    assert (taken.order.status, taken.fills) == ("canceled", ())
    assert reason in taken.order.reason


def test_what_happened_is_told_once_and_in_order() -> None:
    """The fill before the state it leads to; rows with the newest state only."""
    here = venue()
    place(here, 1, "buy", "1", "100")
    trade(here, "99", "0.25", "sell")
    changes = here.drain()
    assert changes is not None
    assert [type(item).__name__ for _account, item in changes.items] == ["OrderRow", "Fill", "OrderRow"]
    (row,) = changes.entry.orders
    assert (row.executed, row.revision) == (D("0.25"), changes.entry.revision)
    assert (changes.entry.next_order, changes.entry.next_trade) == (2, 2)
    assert {balance.asset for balance in changes.entry.balances} == {"BTC", "USDT"}
    assert here.drain() is None


def test_an_exchange_goes_on_from_its_books() -> None:
    """Orders rest in their order, money is where it was, ids are not taken again, numbers go on."""
    before = venue()
    place(before, 1, "buy", "1", "100")
    place(before, 2, "buy", "1", "100")
    place(before, 3)
    changes = before.drain()
    assert changes is not None
    after = venue()
    opening = venues.Opening(
        revision=changes.entry.revision,
        next_order=changes.entry.next_order,
        next_trade=changes.entry.next_trade,
        orders=changes.entry.orders,
        balances=changes.entry.balances,
    )
    after.restore(opening, 1)
    assert after.balances("main") == before.balances("main")
    assert [order.client_id for order in after.open_orders("main")] == ["c1", "c2"]
    assert after.order("main", "c3") == before.order("main", "c3")
    assert isinstance(after.place("main", request(3), 6), Refusal)
    trade(after, "99", "1.5", "sell")
    assert [order.client_id for order in after.open_orders("main")] == ["c2"]
    assert place(after, 4).order.number == 4
    # Fills from before are only in the books.
    assert after.fills_since("main", SYMBOL, 5) is None
    fills = after.fills_since("main", SYMBOL, 6)
    assert fills is not None
    assert [fill.trade_id for fill in fills] == ["2", "3", "4"]


def test_a_resting_order_in_a_symbol_that_is_gone_can_still_be_canceled() -> None:
    """The settings have changed; the order must not be stuck."""
    before = venue()
    place(before, 1, "buy", "1", "100")
    changes = before.drain()
    assert changes is not None
    after = Venue("sim", own_instruments("sim", ("ETH/USDT",)), fees=Fees(), opening={}, quotes={})
    after.restore(venues.Opening(next_order=2, orders=changes.entry.orders), 1)
    assert len(after.open_orders("main")) == 1
    assert isinstance(after.cancel("main", SYMBOL, "c1", 9), OrderRow)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Older orders and fills are the ledger's to tell, and that is said."""
    monkeypatch.setattr(venues, "CLOSED_KEPT", 3)
    monkeypatch.setattr(venues, "FILLS_KEPT", 4)
    here = venue()
    for number in range(10):
        place(here, number, now_us=number + 1)
    assert here.order("main", "c6") is None
    assert here.order("main", "c7") is not None
    assert here.fills_since("main", SYMBOL, 6) is None
    fills = here.fills_since("main", SYMBOL, 7)
    assert fills is not None
    assert [fill.at_us for fill in fills] == [7, 8, 9, 10]
    assert len(here._numbers) == 3


def test_the_exchanges_time_never_goes_back() -> None:
    """A clock that is set back does not reorder fills."""
    here = venue()
    assert place(here, 1, now_us=10).fills[0].at_us == 10
    assert place(here, 2, now_us=3).fills[0].at_us == 10


actions = st.lists(
    st.tuples(
        st.sampled_from(["place", "place", "trade", "cancel"]),
        st.sampled_from(["buy", "sell"]),
        st.integers(95, 105),
        st.integers(1, 20),
        st.booleans(),
    ),
    max_size=30,
)


@given(actions)
def test_balances_are_the_opening_plus_the_fills(taken: list[tuple[str, str, int, int, bool]]) -> None:
    """Counted from the fills alone; and no reservation outlives its order."""
    here, fills = venue(), []
    for number, (action, side, price, quantity, is_market) in enumerate(taken):
        if action == "place":
            text = None if is_market else str(price)
            here.place("main", request(number, side, str(quantity), text), number)
        elif action == "trade":
            trade(here, str(price), str(quantity), side)
        else:
            here.cancel("main", SYMBOL, f"c{quantity}", number)
        changes = here.drain()
        fills += [] if changes is None else [item for _, item in changes.items if isinstance(item, Fill)]
    base = usdt = D(0)
    for fill in fills:
        sign = 1 if fill.side == "buy" else -1
        base += sign * fill.quantity
        usdt -= sign * fill.quantity * fill.price + fill.fee
    held = totals(here)
    assert held.get("BTC", D(0)) == base
    assert held.get("USDT", D(1_000_000)) == D(1_000_000) + usdt
    for order in here.open_orders("main"):
        here.cancel("main", SYMBOL, order.client_id, 99)
    assert all(EXACT.subtract(total, free) == 0 for _asset, total, free in here.balances("main"))
