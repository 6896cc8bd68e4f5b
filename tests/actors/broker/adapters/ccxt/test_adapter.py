"""The adapter over a client that answers from what an exchange is said to hold."""

from decimal import Decimal

import pytest

from actors.broker.adapters.ccxt.adapter import CcxtExchange
from actors.broker.adapters.ccxt.binance import Binance
from actors.broker.adapters.ccxt.bybit import Bybit
from actors.broker.adapters.ccxt.profiles import profile_for
from actors.broker.adapters.ccxt.unified import UnifiedExchange
from actors.broker.adapters.ccxt.wire import Reply
from actors.broker.port import Confirmed, Unavailable
from tests.actors.broker.adapters.ccxt.test_markets import intent, row, table
from tests.actors.broker.world import TestClock


class Client:
    """Answers each request with what `answer(method, params)` says, and writes down what it was asked."""

    def __init__(self, listed, answer):
        self.listed = listed
        self.answer = answer
        self.asked = []
        self.report_usage = None

    async def connect(self):
        return True

    async def close(self):
        """Nothing to close."""

    async def call(self, method, params):
        self.asked.append((method, dict(params)))
        return Reply(status=200, body=self.answer(method, params), wrote=True, signed_at_us=1)

    async def unified(self, method, *arguments):
        return Reply(status=200, body=self.answer(method, arguments), wrote=True, signed_at_us=1)

    def markets(self):
        return self.listed


async def connected(kind, account_type, listed, answer):
    profile = profile_for(kind, account_type)
    dialect = (Binance if profile.family == "binance" else Bybit)(profile.market_type)
    client = Client(listed, answer)
    adapter = CcxtExchange(
        "here",
        profile,
        dialect,
        client,
        TestClock(),
        ours=lambda venue_id: venue_id.startswith("tw-"),
        initial_margin=Decimal(1),
    )
    await adapter.connect()
    return adapter, client


def bybit_answer(rows, cursor=""):
    return {"retCode": 0, "retMsg": "OK", "result": {"list": rows, "nextPageCursor": cursor}}


def bybit_order(market_id, number):
    return {
        "symbol": market_id,
        "orderId": f"number-{number}",
        "orderLinkId": f"tw-{number}",
        "side": "Buy",
        "orderType": "Limit",
        "price": "30000",
        "qty": "0.01",
        "orderStatus": "New",
        "cumExecQty": "0",
        "updatedTime": "1672364262457",
    }


class BybitHolds:
    """Two open orders and positions in each of two settlement coins; a page holds one row."""

    def __init__(self):
        self.orders = [bybit_order(market, at) for at, market in enumerate(["BTCUSDT", "BTCPERP"] * 2)]
        self.positions = [
            {"symbol": market, "side": "Buy", "size": "1", "avgPrice": "3000"}
            for market in ("BTCUSDT", "ETHUSDT", "BTCPERP")
        ]

    def __call__(self, method, params):
        rows = self.positions if method.endswith("position_list") else self.orders
        coin = {"USDT": "USDT", "USDC": "PERP"}.get(params.get("settleCoin"), "nothing")
        wanted = [
            each
            for each in rows
            if (each["symbol"] == params["symbol"] if "symbol" in params else each["symbol"].endswith(coin))
        ]
        begin = int(params.get("cursor", 0))
        return bybit_answer(wanted[begin : begin + 1], str(begin + 1) if begin + 1 < len(wanted) else "")


PERPETUALS = table(row("BTC/USDT:USDT"), row("ETH/USDT:USDT"), row("BTC/USDC:USDC", id="BTCPERP"))


async def test_what_is_listed_at_bybit_is_listed_whatever_it_is_settled_in():
    """A kill cancels what is listed, and a position that is not listed counts as none."""
    adapter, _ = await connected("bybit", "swap", PERPETUALS, BybitHolds())
    assert (
        sorted(order.symbol for order in await adapter.open_orders()) == ["BTC/USDC"] * 2 + ["BTC/USDT"] * 2
    )
    held = sorted(position.symbol for position in await adapter.positions())
    assert held == ["BTC/USDC", "BTC/USDT", "ETH/USDT"]


@pytest.mark.parametrize("symbol", ["BTC/USDC", "BTC/USDT"])
async def test_every_page_of_a_symbols_orders_is_of_that_symbol(symbol):
    adapter, client = await connected("bybit", "swap", PERPETUALS, BybitHolds())
    assert [order.symbol for order in await adapter.open_orders(symbol)] == [symbol] * 2
    assert len({params["symbol"] for _, params in client.asked}) == 1


async def test_an_order_that_was_refused_here_says_nothing_of_the_line():
    """Counted as a failed call, some orders that are too large would open the circuit for everybody."""
    adapter, client = await connected("binance", "spot", table(row()), None)
    for refused in (intent(quantity=Decimal(9001)), intent(symbol="XRP/USDT"), intent(stop_price=Decimal(1))):
        outcome = await adapter.submit(refused)
        assert outcome.local, outcome
    assert (await adapter.cancel("XRP/USDT", "tw-1", None)).local
    assert client.asked == []


async def test_the_switch_is_armed_for_the_others_when_a_symbol_is_delisted():
    def countdown(method, params):
        return {"symbol": params["symbol"], "countdownTime": str(params.get("countdownTime"))}

    both = table(row("BTC/USDT:USDT"), row("ETH/USDT:USDT"))
    adapter, client = await connected("binance", "swap", both, countdown)
    for symbol in ("BTC/USDT", "ETH/USDT"):
        await adapter.submit(intent(symbol=symbol, venue_id="tw-1"))
    client.listed = table(row("BTC/USDT:USDT"), row("ETH/USDT:USDT", active=False))
    await adapter.connect()
    client.asked.clear()
    await adapter.arm(60)
    assert [params["symbol"] for _, params in client.asked] == ["BTCUSDT"]


def binance_trade(trade_id, number, buys):
    return {
        "symbol": "BTCUSDT",
        "id": trade_id,
        "orderId": number,
        "price": "4.00000100",
        "qty": "12.00000000",
        "commission": "10.10000000",
        "commissionAsset": "BNB",
        "time": 1_000_000 + trade_id,
        "isBuyer": buys,
        "isMaker": buys,
    }


def binance_order(number, client_id):
    return {
        "symbol": "BTCUSDT",
        "orderId": number,
        "clientOrderId": client_id,
        "side": "BUY",
        "type": "MARKET",
        "timeInForce": "GTC",
        "price": "0",
        "origQty": "12",
        "executedQty": "12",
        "status": "FILLED",
        "updateTime": 1_000_000,
    }


@pytest.mark.parametrize("others", [0, 999])
async def test_both_sides_of_a_trade_with_oneself_are_read(others):
    """They have one trade id, and two orders. Also where a page ends between the two."""
    rows = [binance_trade(number, number, buys=True) for number in range(1, others + 1)]
    rows += [binance_trade(5000, 5000, buys=True), binance_trade(5000, 5001, buys=False)]

    def answer(method, params):
        if method == "private_get_allorders":
            return [binance_order(each["orderId"], "web_1") for each in rows]
        first = int(params.get("fromId", 0))
        return [each for each in rows if each["id"] >= first][: int(params["limit"])]

    adapter, _ = await connected("binance", "spot", table(row()), answer)
    fills = await adapter.fills_since("BTC/USDT", 0)
    assert len(fills) == others + 2
    assert {fill.side for fill in fills if fill.trade_id == "5000"} == {"buy", "sell"}


async def test_an_order_in_a_suspended_symbol_is_listed_and_cancelled():
    """A kill is done when nothing is listed any more, and such an order works on when trading goes on."""
    resting = {
        "symbol": "ETHUSDT",
        "orderId": 7,
        "clientOrderId": "tw-1",
        "origClientOrderId": "tw-1",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "price": "4000",
        "origQty": "0.01",
        "executedQty": "0",
        "status": "NEW",
        "updateTime": 1_000_000,
    }

    def answer(method, params):
        return {**resting, "status": "CANCELED"} if method == "private_delete_order" else [resting]

    listed = table(row("BTC/USDT"), row("ETH/USDT", active=False))
    adapter, client = await connected("binance", "spot", listed, answer)
    assert [instrument.symbol for instrument in await adapter.instruments()] == ["BTC/USDT"]
    (found,) = await adapter.open_orders()
    assert (found.symbol, found.venue_id) == ("ETH/USDT", "tw-1")
    assert isinstance(await adapter.cancel("ETH/USDT", "tw-1", None), Confirmed)
    client.asked.clear()
    assert (await adapter.submit(intent(symbol="ETH/USDT"))).local
    assert (await adapter.amend(intent(symbol="ETH/USDT"), None)).local
    assert client.asked == []


async def test_a_fill_of_ours_is_ours_though_the_list_of_orders_lags_behind_the_trades():
    """Binance lists orders from a database that runs behind, and answers for one order from memory."""

    def answer(method, params):
        if method == "private_get_order":
            return binance_order(params["orderId"], "tw-1")
        return [] if method == "private_get_allorders" else [binance_trade(1, 5000, buys=True)]

    adapter, client = await connected("binance", "spot", table(row()), answer)
    for _ in range(2):
        (fill,) = await adapter.fills_since("BTC/USDT", 0)
        assert fill.order_id == "tw-1"
    assert [method for method, _ in client.asked].count("private_get_order") == 1


@pytest.mark.parametrize("kind", ["binance", "bybit"])
async def test_a_position_is_told_however_many_digits_its_average_price_has(kind):
    """It is a quotient, shown as far as the exchange likes; only a valuation rests on it."""
    digits = "0.73285714285714285714"
    held = {"symbol": "BTCUSDT", "side": "Buy", "size": "7", "avgPrice": digits}
    if kind == "binance":
        held = {"symbol": "BTCUSDT", "positionAmt": "7", "entryPrice": digits}

    def answer(method, params):
        return [held] if kind == "binance" else bybit_answer([held] if params["settleCoin"] == "USDT" else [])

    adapter, _ = await connected(kind, "swap", table(row("BTC/USDT:USDT")), answer)
    (position,) = await adapter.positions()
    assert (position.quantity, position.average_price) == (Decimal(7), Decimal("0.732857142857"))


async def test_a_trade_or_a_line_with_a_garbled_number_is_an_answer_that_can_not_be_read():
    """The broker asks again later; anything but Unavailable would end its life."""
    trade = {**binance_trade(1, 5000, buys=True), "id": "1\ufffd"}
    adapter, _ = await connected("binance", "spot", table(row()), lambda method, params: [trade])
    with pytest.raises(Unavailable, match="could not be read"):
        await adapter.fills_since("BTC/USDT", 0)
    line = {"incomeType": "COMMISSION", "tranId": 1, "asset": "USDT", "income": "-1", "time": "soon"}
    futures = table(row("BTC/USDT:USDT"))
    adapter, _ = await connected("binance", "swap", futures, lambda method, params: [line] * 1000)
    with pytest.raises(Unavailable, match="could not be read"):
        await adapter.statement_since(0)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("balances", ["nothing"]),
        ("balances", {"total": {"BTC": "one"}, "free": {}}),
        ("positions", [{"symbol": "BTC/USDT:USDT", "contracts": "one"}]),
    ],
)
async def test_an_untested_exchange_with_a_garbled_answer_is_asked_again(question, answer):
    client = Client(table(row("BTC/USDT:USDT")), lambda method, arguments: answer)
    profile = profile_for("kraken", "swap")
    adapter = UnifiedExchange("here", profile, client, TestClock(), ours=bool, initial_margin=Decimal(1))
    await adapter.connect()
    with pytest.raises(Unavailable, match="could not be read"):
        await getattr(adapter, question)()
