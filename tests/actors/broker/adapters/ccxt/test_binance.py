"""Binance's requests, answers and frames."""

import json
from decimal import Decimal

import pytest

from actors.broker.adapters.ccxt.binance import Binance
from actors.broker.adapters.ccxt.markets import Market, Names
from actors.broker.adapters.ccxt.precision import Filters
from actors.broker.adapters.ccxt.values import Malformed
from actors.broker.adapters.ccxt.wire import Reply
from actors.broker.port import EXTERNAL, OrderReport
from actors.model.fill import Fill
from actors.model.instrument import Instrument
from actors.model.order import OrderIntent


def market(market_id="BTCUSDT", base="BTC", quote="USDT", market_type="spot"):
    instrument = Instrument(
        exchange="here",
        symbol=f"{base}/{quote}",
        base=base,
        quote=quote,
        tick=Decimal("0.01"),
        lot=Decimal("0.00001"),
        min_notional=Decimal(5),
        market_type=market_type,
    )
    return Market(instrument=instrument, market_id=market_id, unified=f"{base}/{quote}", filters=Filters())


def names(*markets, market_type="spot"):
    listed = markets or (market(market_type=market_type),)
    table = {one.instrument.symbol: one for one in listed}
    return Names("here", market_type, table, lambda client_id: client_id.startswith("tw-"))


def intent(**fields):
    values = {
        "order_id": "o1",
        "client_order_id": "c1",
        "exchange": "here",
        "symbol": "BTC/USDT",
        "side": "buy",
        "type": "limit",
        "quantity": Decimal("0.010"),
        "limit_price": Decimal("39000.10"),
        "venue_id": "tw-1",
    }
    return OrderIntent(**{**values, **fields})


def reply(body, status=200, **more):
    return Reply(status=status, body=body, signed_at_us=1, wrote=True, **more)


def accepted(**changes):
    body = {
        "symbol": "BTCUSDT",
        "orderId": 28,
        "clientOrderId": "tw-1",
        "transactTime": 1507725176595,
        "status": "NEW",
        "fills": [],
    }
    return {**body, **changes}


SPOT, FUTURES = Binance("spot"), Binance("linear")


def test_a_limit_order_leaves_as_it_was_asked_for():
    """Plain decimals, our id, nothing rounded."""
    request = SPOT.submit(intent(), market())
    assert request.method == "private_post_order"
    assert request.params == {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "quantity": "0.01",
        "price": "39000.1",
        "timeInForce": "GTC",
        "newClientOrderId": "tw-1",
        "newOrderRespType": "FULL",
    }


def test_a_market_buy_is_in_base_units_and_carries_no_price():
    """A price would turn the quantity into quote currency."""
    request = SPOT.submit(intent(type="market", limit_price=None), market())
    assert request.params["quantity"] == "0.01"
    assert not {"price", "timeInForce", "quoteOrderQty"} & request.params.keys()


def test_post_only_is_a_maker_order_on_spot_and_a_time_in_force_on_futures():
    spot = SPOT.submit(intent(post_only=True), market()).params
    futures = FUTURES.submit(intent(post_only=True), market()).params
    assert (spot["type"], "timeInForce" in spot) == ("LIMIT_MAKER", False)
    assert (futures["type"], futures["timeInForce"]) == ("LIMIT", "GTX")


def test_reduce_only_reaches_futures():
    assert FUTURES.submit(intent(reduce_only=True), market()).params["reduceOnly"] == "true"
    assert "reduceOnly" not in SPOT.submit(intent(reduce_only=True), market()).params


@pytest.mark.parametrize(
    "body",
    [
        None,
        "",
        "<html></html>",
        [],
        {},
        accepted(clientOrderId="tw-2"),
        accepted(symbol="ETHUSDT"),
        accepted(orderId=None),
        accepted(status="DREAMING"),
        accepted(fills=[{"price": "1"}]),
        accepted(transactTime=None),
    ],
)
def test_an_answer_that_is_not_whole_or_not_ours_confirms_nothing(body):
    assert SPOT.confirmed(intent(), reply(body), names()) is None


def test_fills_that_come_with_the_answer_are_ours():
    fills = [
        {
            "price": "39000.00",
            "qty": "0.004",
            "commission": "0.000004",
            "commissionAsset": "BTC",
            "tradeId": 56,
        },
        {
            "price": "39000.10",
            "qty": "0.006",
            "commission": "0.000006",
            "commissionAsset": "BTC",
            "tradeId": 57,
        },
    ]
    found = SPOT.confirmed(intent(), reply(accepted(status="FILLED", fills=fills)), names())
    assert found is not None
    assert (found.exchange_order_id, found.status) == ("28", "filled")
    assert [fill.trade_id for fill in found.fills] == ["56", "57"]
    assert {fill.order_id for fill in found.fills} == {"tw-1"}
    assert sum(fill.quantity for fill in found.fills) == Decimal("0.01")


@pytest.mark.parametrize(
    ("status", "time_in_force", "expected"),
    [
        ("NEW", "GTC", "open"),
        ("PARTIALLY_FILLED", "GTC", "open"),
        ("FILLED", "GTC", "filled"),
        ("CANCELED", "GTC", "canceled"),
        ("REJECTED", "GTC", "rejected"),
        ("EXPIRED", "GTC", "expired"),
        ("EXPIRED", "IOC", "canceled"),
        ("EXPIRED", "FOK", "canceled"),
        ("EXPIRED_IN_MATCH", "GTC", "canceled"),
    ],
)
def test_statuses_have_the_ports_words(status, time_in_force, expected):
    """An order that was not meant to rest did not expire by resting."""
    found = SPOT.confirmed(intent(time_in_force=time_in_force), reply(accepted(status=status)), names())
    assert found is not None
    assert found.status == expected


def test_an_order_that_the_exchange_does_not_have_is_none():
    missing = reply({"code": -2013, "msg": "Order does not exist."}, 400, error="OrderNotFound")
    assert SPOT.found(missing, names()) is None


@pytest.mark.parametrize("body", [{"code": -1021, "msg": "x"}, {}, "", None, {"orderId": 1}])
def test_any_other_answer_to_a_lookup_proves_nothing(body):
    """It must not look like absence."""
    with pytest.raises(Malformed):
        SPOT.found(reply(body, 400, error="InvalidNonce"), names())


def frame(**changes):
    body = {
        "e": "executionReport",
        "s": "BTCUSDT",
        "c": "tw-1",
        "S": "BUY",
        "o": "LIMIT",
        "f": "GTC",
        "q": "1.00000000",
        "p": "2500.00000000",
        "x": "TRADE",
        "X": "PARTIALLY_FILLED",
        "r": "NONE",
        "i": 12345678,
        "l": "0.40000000",
        "z": "0.40000000",
        "L": "2500.00000000",
        "n": "0.00040000",
        "N": "BTC",
        "T": 1709654401000,
        "t": 98765432,
        "m": True,
        "C": "",
    }
    return {**body, **changes}


def test_a_trade_frame_is_a_fill_and_then_the_order():
    fill, report = SPOT.order_frame({"subscriptionId": 0, "event": frame()}, names())
    assert isinstance(fill, Fill)
    assert isinstance(report, OrderReport)
    assert (fill.trade_id, fill.order_id, fill.quantity, fill.liquidity) == (
        "98765432",
        "tw-1",
        Decimal("0.4"),
        "maker",
    )
    assert (report.status, report.executed, report.venue_id) == ("open", Decimal("0.4"), "tw-1")


def test_a_cancel_frame_names_the_order_and_not_the_cancel():
    """`c` is then the id of the cancel request."""
    (report,) = SPOT.order_frame(frame(x="CANCELED", X="CANCELED", c="web_9", C="tw-1"), names())
    assert (report.venue_id, report.status) == ("tw-1", "canceled")


def test_an_order_of_somebody_else_is_external():
    fill, report = SPOT.order_frame(frame(c="web_1234"), names())
    assert (fill.order_id, report.venue_id) == (EXTERNAL, "")


def test_a_futures_frame_reads_the_same():
    order = frame(N="USDT", n="0.1")
    fill, report = FUTURES.order_frame({"e": "ORDER_TRADE_UPDATE", "o": order}, names(market_type="linear"))
    assert (fill.market_type, fill.fee_currency, report.executed) == ("linear", "USDT", Decimal("0.4"))


def test_frames_of_other_markets_and_other_events_are_taken_and_ignored():
    """ccxt would cache them; ccxt's own control frames are left to it."""
    assert SPOT.order_frame(frame(s="DOGEUSDT"), names()) == ()
    assert SPOT.order_frame({"e": "outboundAccountPosition"}, names()) == ()
    assert SPOT.order_frame({"id": 1, "status": 200, "result": {}}, names()) is None


def test_a_frame_with_a_hole_is_an_error_and_not_a_zero():
    with pytest.raises(Malformed):
        SPOT.order_frame(frame(l=None), names())


@pytest.mark.parametrize("kind", ["listenKeyExpired", "eventStreamTerminated"])
def test_the_end_of_a_user_stream_is_an_error(kind):
    """The connection stays open: without this nobody would notice that nothing comes any more."""
    with pytest.raises(Malformed):
        SPOT.order_frame({"event": {"e": kind, "E": 1}}, names())


def test_quotes_and_trades_become_ticks():
    book = {"u": 1, "s": "BTCUSDT", "b": "1.5", "B": "1", "a": "1.6", "A": "1"}
    trade = {"e": "trade", "s": "BTCUSDT", "p": "1.55", "q": "3"}
    (quoted,) = SPOT.market_frame(book, names(), 7)
    (traded,) = SPOT.market_frame(trade, names(), 8)
    assert (quoted.bid, quoted.ask, quoted.last, quoted.at_us) == (Decimal("1.5"), Decimal("1.6"), None, 7)
    assert (traded.last, traded.last_quantity, traded.bid) == (Decimal("1.55"), Decimal(3), None)
    assert SPOT.market_frame({"result": None, "id": 1}, names(), 9) is None


def trades(*numbers):
    row = {
        "symbol": "BTCUSDT",
        "orderId": 5,
        "price": "1",
        "qty": "2",
        "commission": "0",
        "commissionAsset": "BTC",
        "isBuyer": True,
        "isMaker": False,
    }
    return [{**row, "id": number, "time": 1000 + number} for number in numbers]


def test_fills_are_asked_for_in_windows_until_now_and_then_page_by_page():
    """A window holds a day; from the first trade on the trade id leads."""
    day_us = 86_400_000_000
    first = SPOT.fills(market(), 0, 2 * day_us)
    assert (first.params["startTime"], first.params["endTime"]) == (0, 86_399_999)
    empty = SPOT.fill_page(market(), first, reply([]), names(), 2 * day_us)
    assert empty.following is not None
    assert empty.following.params["startTime"] == 86_400_000
    some = SPOT.fill_page(market(), first, reply(trades(7, 3)), names(), 2 * day_us)
    assert [fill.trade_id for fill in some.fills] == ["3", "7"]
    assert some.unnamed == ("5",)
    assert some.following is not None
    assert some.following.params["fromId"] == 7
    last = SPOT.fill_page(market(), some.following, reply(trades(9)), names(), 2 * day_us)
    assert last.following is None


def test_a_window_that_reaches_the_present_needs_no_second_look():
    asked = SPOT.fills(market(), 1_000_000, 5_000_000)
    assert SPOT.fill_page(market(), asked, reply(trades(1)), names(), 5_000_000).following is None


@pytest.mark.recorded
@pytest.mark.parametrize(
    ("name", "spot"),
    [
        ("user_data_json__execution_report_new", True),
        ("user_data_json__execution_report_trade", True),
        ("user_data_json__execution_report_canceled", True),
        ("user_data_json__execution_report_expired", True),
        ("user_data_json__execution_report_wrapped", True),
    ],
)
def test_recorded_frames_read(recorded_data, name, spot):
    """As the exchange sent them."""
    body = json.loads((recorded_data / "recorded" / f"binance__spot__{name}.json").read_text())
    known = names(market("ETHUSDT", "ETH"), market("ETHBTC", "ETH", "BTC"))
    items = SPOT.order_frame(body, known)
    assert items
    assert isinstance(items[-1], OrderReport)


@pytest.mark.recorded
def test_recorded_answers_read(recorded_data):
    """Orders, trades and balances as the exchange answers them."""

    def load(name):
        return reply(
            json.loads((recorded_data / "recorded" / f"binance__spot__http_json__{name}.json").read_text())
        )

    known = names(market("LTCBTC", "LTC", "BTC"), market("BNBBTC", "BNB", "BTC"), market())
    assert SPOT.found(load("order_response"), known) is not None
    for name in ("open_orders_response", "all_orders_response"):
        assert SPOT.orders(SPOT.open_orders(None), load(name), known)[0]
    page = SPOT.fill_page(
        market("BNBBTC", "BNB", "BTC"), SPOT.fills(market(), 0, 1), load("account_trades_response"), known, 1
    )
    assert page.fills[0].fee == Decimal("10.1")
    assert len(SPOT.balances_in(load("account_response"), known)) == 2
    assert SPOT.server_time_in(load("server_time_response")) == 1499827319559000
    done = intent(venue_id="6gCrw2kRUAF9CvJDGP16IP", type="market", limit_price=None, side="sell")
    answer = SPOT.confirmed(done, load("new_order_full_response"), known)
    assert answer is not None
    assert sum(fill.quantity for fill in answer.fills) == 10
    assert SPOT.cancelled("myOrder1", load("cancel_order_response")) is not None


def futures_answer(**changes):
    body = accepted(updateTime=1507725176595, origQty="0.010", price="39000.1", **changes)
    return reply(body)


def test_futures_amend_a_working_order_by_our_id_and_spot_does_not():
    request = FUTURES.amend(intent(), market(market_type="linear"))
    assert request.method == "fapiprivate_put_order"
    assert request.params == {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "origClientOrderId": "tw-1",
        "quantity": "0.01",
        "price": "39000.1",
    }
    assert (FUTURES.amends, SPOT.amends) == (True, False)


def test_an_amend_is_confirmed_by_its_very_terms_or_by_the_end_that_it_brought():
    linear = names(market_type="linear")
    assert FUTURES.amended(intent(), futures_answer(), linear).status == "open"
    assert FUTURES.amended(intent(quantity=Decimal("0.02")), futures_answer(), linear) is None
    over = FUTURES.amended(intent(quantity=Decimal("0.02")), futures_answer(status="CANCELED"), linear)
    assert over.status == "canceled"
    assert FUTURES.amended(intent(venue_id="tw-2"), futures_answer(), linear) is None
    assert FUTURES.amended(intent(), reply({"code": 200}), linear) is None
