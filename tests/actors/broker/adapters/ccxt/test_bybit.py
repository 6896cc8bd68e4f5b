"""Bybit's requests, answers and frames."""

import json
from decimal import Decimal

import pytest

from actors.broker.adapters.ccxt.bybit import Bybit
from actors.broker.adapters.ccxt.markets import Market, Names
from actors.broker.adapters.ccxt.precision import Filters
from actors.broker.adapters.ccxt.values import Malformed
from actors.broker.adapters.ccxt.wire import Reply
from actors.broker.port import EXTERNAL
from actors.model.fill import Fill
from actors.model.instrument import Instrument
from actors.model.order import OrderIntent

SPOT, LINEAR = Bybit("spot"), Bybit("linear")


def market(base="BTC", market_type="linear"):
    instrument = Instrument(
        exchange="here",
        symbol=f"{base}/USDT",
        base=base,
        quote="USDT",
        tick=Decimal("0.1"),
        lot=Decimal("0.001"),
        min_notional=Decimal(5),
        market_type=market_type,
    )
    return Market(
        instrument=instrument, market_id=f"{base}USDT", unified=f"{base}/USDT:USDT", filters=Filters()
    )


def names(market_type="linear", ours=lambda client_id: client_id.startswith("tw-")):
    listed = {one.instrument.symbol: one for one in (market("BTC", market_type), market("ETH", market_type))}
    return Names("here", market_type, listed, ours)


def intent(**fields):
    values = {
        "order_id": "o1",
        "client_order_id": "c1",
        "exchange": "here",
        "symbol": "BTC/USDT",
        "side": "sell",
        "type": "limit",
        "quantity": Decimal("0.5"),
        "limit_price": Decimal("41000.5"),
        "venue_id": "tw-1",
    }
    return OrderIntent(**{**values, **fields})


def reply(result, code=0, status=200, **more):
    body = {"retCode": code, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": 1}
    return Reply(status=status, body=body, signed_at_us=1, wrote=True, **more)


def test_an_order_leaves_as_it_was_asked_for():
    assert LINEAR.submit(intent(reduce_only=True, post_only=True), market()).params == {
        "category": "linear",
        "symbol": "BTCUSDT",
        "side": "Sell",
        "orderType": "Limit",
        "qty": "0.5",
        "price": "41000.5",
        "timeInForce": "PostOnly",
        "orderLinkId": "tw-1",
        "positionIdx": 0,
        "reduceOnly": True,
    }


def test_a_spot_market_buy_says_that_its_quantity_is_in_base_units():
    """Left out, Bybit takes it for quote currency."""
    params = SPOT.submit(intent(side="buy", type="market", limit_price=None), market()).params
    assert (params["marketUnit"], params["qty"]) == ("baseCoin", "0.5")
    assert "price" not in params


@pytest.mark.parametrize(
    "answer",
    [
        reply({"orderId": "x", "orderLinkId": "tw-2"}),
        reply({"orderId": "", "orderLinkId": "tw-1"}),
        reply({}),
        reply({"orderId": "x", "orderLinkId": "tw-1"}, code=10001),
        Reply(status=200, body="<html>", signed_at_us=1),
        Reply(status=200, body=None, signed_at_us=1),
    ],
)
def test_an_acknowledgement_without_our_ids_confirms_nothing(answer):
    assert LINEAR.confirmed(intent(), answer, names()) is None
    assert LINEAR.cancelled("tw-1", answer) is None


def test_an_acknowledgement_says_only_that_the_order_was_taken():
    found = LINEAR.confirmed(intent(), reply({"orderId": "x", "orderLinkId": "tw-1"}), names())
    assert found is not None
    assert (found.exchange_order_id, found.status, found.fills) == ("x", "open", ())


def order(**changes):
    row = {
        "symbol": "BTCUSDT",
        "orderId": "5cf98598",
        "orderLinkId": "tw-1",
        "side": "Buy",
        "orderType": "Limit",
        "price": "30000",
        "qty": "0.010",
        "orderStatus": "New",
        "rejectReason": "EC_NoError",
        "cumExecQty": "0",
        "updatedTime": "1672364262457",
    }
    return {**row, **changes}


@pytest.mark.parametrize(
    ("status", "executed", "expected"),
    [
        ("New", "0", "open"),
        ("PartiallyFilled", "0.005", "open"),
        ("Filled", "0.010", "filled"),
        ("Cancelled", "0", "canceled"),
        ("PartiallyFilledCanceled", "0.005", "canceled"),
        ("Rejected", "0", "rejected"),
        ("Rejected", "0.005", "canceled"),
    ],
)
def test_a_part_that_executed_is_never_rejected(status, executed, expected):
    found = LINEAR.found(reply({"list": [order(orderStatus=status, cumExecQty=executed)]}), names())
    assert found is not None
    assert (found.status, found.executed) == (expected, Decimal(executed))


def test_an_order_is_looked_up_among_the_open_ones_and_then_in_the_history():
    """Only when both say that they have none it is none."""
    first, second = LINEAR.lookups(market(), "tw-1")
    assert first.method.endswith("order_realtime")
    assert second.method.endswith("order_history")
    assert {request.params["orderLinkId"] for request in (first, second)} == {"tw-1"}
    assert LINEAR.found(reply({"list": []}), names()) is None


def test_an_error_is_no_empty_list():
    with pytest.raises(Malformed):
        LINEAR.found(reply({"list": []}, code=10016), names())


def execution(**changes):
    row = {
        "category": "linear",
        "symbol": "BTCUSDT",
        "orderId": "5cf98598",
        "orderLinkId": "tw-1",
        "side": "Buy",
        "execFee": "0.15",
        "execId": "e0cbe81d",
        "execPrice": "50000.00",
        "execQty": "0.100",
        "execType": "Trade",
        "execTime": "1672282722429",
        "feeCurrency": "USDT",
        "isMaker": True,
    }
    return {**row, **changes}


def test_executions_become_fills_oldest_first_and_funding_does_not():
    rows = [execution(execId="b"), execution(execType="Funding", execId="f"), execution(execId="a")]
    asked = LINEAR.fills(market(), 0, 1)
    page = LINEAR.fill_page(market(), asked, reply({"list": rows, "nextPageCursor": ""}), names(), 1)
    assert [fill.trade_id for fill in page.fills] == ["a", "b"]
    assert page.following is None


def test_pages_are_followed_and_then_the_next_window():
    week_us = 7 * 86_400_000_000
    asked = LINEAR.fills(market(), 0, week_us + 1)
    page = LINEAR.fill_page(
        market(), asked, reply({"list": [execution()], "nextPageCursor": "c"}), names(), week_us + 1
    )
    assert page.following is not None
    assert page.following.params["cursor"] == "c"
    rest = LINEAR.fill_page(
        market(), page.following, reply({"list": [], "nextPageCursor": ""}), names(), week_us + 1
    )
    assert rest.following is not None
    assert rest.following.params["startTime"] == week_us // 1000


@pytest.mark.parametrize(
    ("market_type", "side", "expected"),
    [("spot", "Buy", "BTC"), ("spot", "Sell", "USDT"), ("linear", "Buy", "USDT")],
)
def test_a_fee_without_a_currency_is_in_what_is_received(market_type, side, expected):
    row = execution(side=side, category=market_type)
    del row["feeCurrency"]
    dialect = SPOT if market_type == "spot" else LINEAR
    (fill,) = dialect.order_frame({"topic": "execution", "data": [row]}, names(market_type))
    assert isinstance(fill, Fill)
    assert fill.fee_currency == expected


def test_frames_of_the_other_category_are_ignored():
    """One connection carries both."""
    assert LINEAR.order_frame({"topic": "execution", "data": [execution(category="spot")]}, names()) == []
    assert LINEAR.order_frame({"op": "auth", "success": True}, names()) is None


def test_an_order_without_a_link_id_is_external():
    (fill,) = LINEAR.order_frame({"topic": "execution", "data": [execution(orderLinkId="")]}, names())
    assert fill.order_id == EXTERNAL


def test_books_and_trades_become_ticks():
    book = {
        "topic": "orderbook.1.BTCUSDT",
        "data": {"s": "BTCUSDT", "b": [["1.5", "2"]], "a": [["1.6", "0"], ["1.7", "1"]]},
    }
    trade = {"topic": "publicTrade.ETHUSDT", "data": [{"p": "2", "v": "3"}, {"p": "2.1", "v": "4"}]}
    (quote,) = LINEAR.market_frame(book, names(), 5)
    assert (quote.bid, quote.ask) == (Decimal("1.5"), Decimal("1.7"))
    assert [tick.last for tick in LINEAR.market_frame(trade, names(), 5)] == [Decimal(2), Decimal("2.1")]
    assert LINEAR.market_frame({"topic": "orderbook.1.XXX", "data": {}}, names(), 5) == ()
    assert LINEAR.market_frame({"op": "pong"}, names(), 5) is None


def test_short_positions_are_negative_and_empty_ones_left_out():
    rows = [
        {"symbol": "BTCUSDT", "side": "Sell", "size": "5.0", "avgPrice": "3000"},
        {"symbol": "ETHUSDT", "side": "", "size": "0", "avgPrice": "0"},
    ]
    (found,), _ = LINEAR.positions_in(LINEAR.positions(), reply({"list": rows}), names())
    assert (found.symbol, found.quantity, found.average_price) == ("BTC/USDT", Decimal(-5), Decimal(3000))


@pytest.mark.recorded
def test_recorded_answers_read(recorded_data):
    """Orders, executions, positions and balances as the exchange answers them."""

    def load(name):
        body = json.loads((recorded_data / "recorded" / f"bybit__http_get_{name}.json").read_text())
        return Reply(status=200, body=body, signed_at_us=1)

    everybody = names(ours=bool)
    asked = LINEAR.open_orders(market())
    reports, following = LINEAR.orders(asked, load("orders_realtime"), everybody)
    assert [report.venue_id for report in reports] == ["client-open-1", "client-open-2"]
    assert following is None
    broken = LINEAR.found(load("order_partially_filled_rejected"), everybody)
    assert broken is not None
    assert (broken.status, broken.executed, broken.reason) == (
        "canceled",
        Decimal("0.005"),
        "INSUFFICIENT_MARGIN",
    )
    page = LINEAR.fill_page(market(), LINEAR.fills(market(), 0, 1), load("executions"), everybody, 1)
    assert [fill.fee for fill in page.fills] == [Decimal("0.9"), Decimal("0.015")]
    held, _ = LINEAR.positions_in(LINEAR.positions(), load("positions"), everybody)
    assert [found.quantity for found in held] == [Decimal("0.5"), -5]
    (usdt,) = LINEAR.balances_in(load("wallet_balance"), everybody)
    assert (usdt.asset, usdt.total, usdt.free) == ("USDT", Decimal("1000.5"), Decimal("1000.5"))


@pytest.mark.parametrize("kind", ["BlockTrade", "MovePosition", "FutureSpread"])
def test_an_execution_outside_the_book_moves_the_position_too(kind):
    """Left out, the position differs and no trade explains it."""
    row = {
        "symbol": "BTCUSDT",
        "orderId": "5cf98598",
        "execId": "e1",
        "execType": kind,
        "side": "Sell",
        "execQty": "0.5",
        "execPrice": "41000",
        "execTime": "1672364262457",
    }
    page = LINEAR.fill_page(market(), LINEAR.fills(market(), 0, 1), reply({"list": [row]}), names(), 1)
    assert [fill.order_id for fill in page.fills] == [EXTERNAL]


def test_an_amend_names_the_whole_quantity_and_its_acknowledgement_says_only_that_it_was_taken():
    request = LINEAR.amend(intent(), market())
    assert request.method == "private_post_v5_order_amend"
    assert request.params == {
        "category": "linear",
        "symbol": "BTCUSDT",
        "orderLinkId": "tw-1",
        "qty": "0.5",
        "price": "41000.5",
    }
    taken = LINEAR.amended(intent(), reply({"orderId": "x", "orderLinkId": "tw-1"}), names())
    assert taken.status == "taken"
    assert LINEAR.amended(intent(), reply({"orderId": "x", "orderLinkId": "tw-2"}), names()) is None
    assert LINEAR.amended(intent(), reply({}, code=10001), names()) is None
