"""One sample of every answer and frame of the venue, and what proves its fields.

A proof is a file of recorded answers (`recorded/…`), the facts of a recorded answer that others published (a
name in `PUBLISHED`), or `unproven`. `beyond` names fields that the venue has and the proof has not, `without`
the other way.
"""

from dataclasses import dataclass, field
from decimal import Decimal

from ops.venue.accounts import StatementLine
from ops.venue.binance import spot_frames, spot_shapes, usdm_frames, usdm_shapes
from ops.venue.bybit import frames as bybit_frames
from ops.venue.bybit import shapes as bybit_shapes
from ops.venue.markets import OrderSpec
from ops.venue.service import Limits, Venue

KEY, SECRET = "sample-api-key-0001", "sample-secret-0001"
UNPROVEN = "unproven"
LINE = StatementLine(number=1, asset="USDT", amount=Decimal(-5), at_ms=1)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """`json` is what the venue says; `proof` where the real exchange said the same; `path` where in that
    file.
    """

    name: str
    json: object
    proof: str
    path: tuple[str | int, ...] = ()
    beyond: frozenset[str] = field(default_factory=frozenset)
    without: frozenset[str] = field(default_factory=frozenset)


class World:
    """A venue in which an order rests, one was filled, one was cancelled and a trade was printed, on each
    exchange.
    """

    def __init__(self):
        self.venue = Venue(limits=Limits.none())
        self.events = {}
        self.orders = {}
        for name, exchange in self.venue.exchanges.items():
            account = self.venue.open_account(name, KEY, SECRET, {"USDT": Decimal(10**6), "BTC": Decimal(10)})
            heard = self.events[name] = []
            exchange.user_listeners.append(lambda owner, event, heard=heard: heard.append(event))
            done = exchange.place(account, self.spec("filled", None))
            rests = exchange.place(account, self.spec("rests", Decimal(39000)))
            gone = exchange.place(account, self.spec("gone", Decimal(38000)))
            exchange.cancel(gone, "cancel-id")
            exchange._print("BTCUSDT", Decimal(40000), Decimal("0.1"), buyer_is_maker=True)
            self.orders[name] = {"filled": done, "rests": rests, "gone": gone}

    def spec(self, client_id, price):
        return OrderSpec(
            market_id="BTCUSDT",
            side="buy",
            quantity=Decimal("0.01"),
            limit_price=price,
            time_in_force="GTC",
            client_id=client_id,
            raw_type="MARKET" if price is None else "LIMIT",
        )

    def event(self, name, kind):
        return next(event for event in self.events[name] if event.kind == kind)


def spot_samples(world):
    exchange, orders = world.venue.exchanges["binance-spot"], world.orders["binance-spot"]
    account, quote = exchange.accounts[KEY], exchange.quotes["BTCUSDT"]
    trade, market = exchange.trades[0], exchange.markets["BTCUSDT"]

    def http(name, json, file, **more):
        proof = file if file == UNPROVEN else f"recorded/binance__spot__http_json__{file}.json"
        return Sample(name=f"Binance spot: {name}", json=json, proof=proof, **more)

    def user(name, json, file, **more):
        proof = f"recorded/binance__spot__user_data_json__{file}.json"
        return Sample(name=f"Binance spot: {name}", json=json, proof=proof, **more)

    def report(kind):
        return spot_frames.execution_report(world.event("binance-spot", kind))

    def wrapped(frame):
        return {"subscriptionId": 0, "event": frame}

    place = spot_shapes.new_order(orders["filled"], [trade])
    position = spot_frames.account_position(account, ("BTC",), 1)
    more = frozenset("FgIMYQWV")
    return [
        http("GET time", {"serverTime": 1}, "server_time_response"),
        http("GET ping", {}, "ping_response"),
        http(
            "GET exchangeInfo",
            spot_shapes.exchange_info([market], 1, []),
            "exchange_info_response",
            without=frozenset({"sors"}),
        ),
        http("filters in exchangeInfo", spot_shapes.filters(market), UNPROVEN),
        http("GET depth", spot_shapes.depth(quote), "depth_response"),
        http("GET trades", [spot_shapes.public_trade(quote.prints[0])], "trades_response"),
        http("GET avgPrice", {"mins": 5, "price": "1.00", "closeTime": 1}, "avg_price_response"),
        http("GET ticker/price", {"symbol": "BTCUSDT", "price": "1.00"}, "ticker_price_response"),
        http("GET ticker/bookTicker", spot_shapes.book_ticker("BTCUSDT", quote), "book_ticker_response"),
        http("GET ticker/24hr", spot_shapes.ticker_24h("BTCUSDT", quote, 1), "ticker_24hr_response"),
        http("POST order", place, "new_order_full_response"),
        http("GET order", spot_shapes.order_answer(orders["rests"]), "order_response"),
        http("DELETE order", spot_shapes.cancelled_order(orders["gone"], 1), "cancel_order_response"),
        http(
            "DELETE openOrders",
            [spot_shapes.cancelled_order(orders["gone"], 1)],
            "cancel_open_orders_response",
        ),
        http("GET openOrders", [spot_shapes.order_answer(orders["rests"])], "open_orders_response"),
        http("GET allOrders", [spot_shapes.order_answer(orders["gone"])], "all_orders_response"),
        http("GET myTrades", [spot_shapes.trade_row(trade)], "account_trades_response"),
        http("GET account", spot_shapes.account(account, 1), "account_response"),
        http("GET capital/deposit/hisrec", [spot_shapes.deposit(LINE)], UNPROVEN),
        http("GET capital/withdraw/history", [spot_shapes.withdrawal(LINE)], UNPROVEN),
        http("errors", {"code": -1013, "msg": "Filter failure: LOT_SIZE"}, UNPROVEN),
        user("executionReport NEW", report("NEW"), "execution_report_new", beyond=more),
        user("executionReport TRADE", report("TRADE"), "execution_report_trade", beyond=more),
        user("executionReport CANCELED", report("CANCELED"), "execution_report_canceled", beyond=more),
        user("executionReport, wrapped", wrapped(report("NEW")), "execution_report_wrapped"),
        user("outboundAccountPosition", position, "account_position"),
        user("outboundAccountPosition, wrapped", wrapped(position), "account_position_wrapped"),
        http("bookTicker stream", spot_frames.book_ticker_frame("BTCUSDT", quote), UNPROVEN),
        http("ticker and miniTicker streams", spot_frames.ticker_frame("BTCUSDT", quote, 1), UNPROVEN),
        http("trade stream", spot_frames.trade_frame(quote.prints[0], 1), UNPROVEN),
        http(
            "userDataStream.subscribe.signature",
            {"id": "1", "status": 200, "result": {"subscriptionId": 0}},
            UNPROVEN,
        ),
    ]


def usdm_samples(world):
    exchange, orders = world.venue.exchanges["binance-usdm"], world.orders["binance-usdm"]
    account, quote = exchange.accounts[KEY], exchange.quotes["BTCUSDT"]
    market, position = exchange.markets["BTCUSDT"], account.positions["BTCUSDT"]

    def one(name, json, proof=UNPROVEN, **more):
        return Sample(name=f"Binance USD-M: {name}", json=json, proof=proof, **more)

    def update(kind):
        return usdm_frames.order_update(world.event("binance-usdm", kind))

    trailing = frozenset({"AP", "cr"})
    leveraged = account.leverage
    return [
        one("GET exchangeInfo", usdm_shapes.exchange_info([market], 1, []), "futures exchange_info_usdm"),
        one("POST, GET, DELETE order", usdm_shapes.order_answer(orders["rests"]), "futures order_response"),
        one("GET userTrades", usdm_shapes.user_trade(exchange.trades[0]), "futures user_trade"),
        one("GET balance", [usdm_shapes.balance_row(account, "USDT", 1)], "futures balance"),
        one("GET account", usdm_shapes.account_info(account, [position], 1), "futures account_info_v2"),
        one(
            "GET positionRisk v2",
            [usdm_shapes.position_row_2(position, quote, leveraged, 1)],
            "futures position_risk",
        ),
        one("GET positionRisk v3", [usdm_shapes.position_row(position, quote, 1)]),
        one("GET depth, tickers, premiumIndex", {}),
        one("listenKey, leverage, leverageBracket, positionSide/dual, countdownCancelAll", {}),
        one("GET symbolConfig", [usdm_shapes.symbol_config("BTCUSDT", account)]),
        one("GET income", [usdm_shapes.income_row(LINE)]),
        one("errors", {"code": -2019, "msg": "Margin is insufficient."}),
        one("ORDER_TRADE_UPDATE NEW", update("NEW"), "futures order_update_new", without=trailing),
        one("ORDER_TRADE_UPDATE TRADE", update("TRADE"), "futures order_update_trade", without=trailing),
        one("ACCOUNT_UPDATE", usdm_frames.account_update(account, position, 1), "futures account_update"),
        one(
            "bookTicker stream",
            usdm_frames.book_ticker_frame("BTCUSDT", quote, 1),
            "futures book_ticker_stream",
        ),
        one("trade stream", usdm_frames.trade_frame(quote.prints[0]), "futures trade_stream"),
        one("aggTrade stream", usdm_frames.agg_trade_frame(quote.prints[0])),
        one(
            "markPrice stream", usdm_frames.mark_price_frame("BTCUSDT", quote, 1), "futures mark_price_stream"
        ),
    ]


def bybit_samples(world):
    venue = world.venue
    spot, linear = venue.exchanges["bybit-spot"], venue.exchanges["bybit-linear"]
    account, quote = linear.accounts[KEY], linear.quotes["BTCUSDT"]
    order, trade = world.orders["bybit-linear"]["rests"], linear.trades[0]
    market = linear.markets["BTCUSDT"]

    def answer(*rows, **more):
        result = {"list": list(rows), "nextPageCursor": "", **more}
        return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": 1}

    def result(found):
        return {"retCode": 0, "retMsg": "OK", "result": found, "retExtInfo": {}, "time": 1}

    def http(name, json, file, **more):
        proof = file if file == UNPROVEN else f"recorded/bybit__http_get_{file}.json"
        return Sample(name=f"Bybit: {name}", json=json, proof=proof, **more)

    def ws(name, json, proof=UNPROVEN, **more):
        return Sample(name=f"Bybit: {name}", json=json, proof=proof, **more)

    row = bybit_shapes.order_row(order, "linear")
    order_frame = bybit_frames.private_frame(
        "order", [bybit_frames.order_frame(order, "linear", "USDT")], 1, 1
    )
    run_frame = bybit_frames.private_frame("execution", [bybit_frames.execution_frame(trade, "linear")], 1, 1)
    return [
        http("GET order/realtime", answer(row), "orders_realtime"),
        http("GET order/history", answer(row), "orders_history"),
        http(
            "GET execution/list", answer(bybit_shapes.execution_row(trade), category="linear"), "executions"
        ),
        http(
            "GET position/list",
            answer(
                bybit_shapes.position_row(account.positions["BTCUSDT"], quote, account, 1),
                category="linear",
            ),
            "positions",
        ),
        http(
            "GET account/wallet-balance", result({"list": [bybit_shapes.wallet([account])]}), "wallet_balance"
        ),
        ws("GET account/query-dcp-info", result({"dcpInfos": [bybit_shapes.dcp_info("SPOT", account)]})),
        ws("GET account/transaction-log", answer(bybit_shapes.log_transfer(LINE, account))),
        http(
            "GET account/info",
            result(_account_info(venue)),
            "account_info",
            beyond=frozenset({"retExtInfo", "time"}),
        ),
        http("GET user/query-api", result(_query_api(venue)), "user_query_api", without=_UNUSED_KEY_FIELDS),
        http(
            "GET instruments-info, spot",
            answer(bybit_shapes.spot_instrument(spot.markets["BTCUSDT"])),
            "instruments_spot",
        ),
        http(
            "GET instruments-info, linear",
            answer(bybit_shapes.linear_instrument(market)),
            "instruments_linear",
        ),
        http(
            "GET market/orderbook",
            result(bybit_shapes.orderbook("BTCUSDT", quote, 1)),
            "orderbook",
            beyond=frozenset({"retExtInfo"}),
        ),
        http(
            "GET recent-trade",
            result({"category": "linear", "list": [bybit_shapes.recent_trade(quote.prints[0])]}),
            "trades_recent",
            beyond=frozenset({"retExtInfo"}),
        ),
        http("GET market/time, market/tickers", {}, UNPROVEN),
        http("POST order/create, order/cancel, order/cancel-all", {}, UNPROVEN),
        http("errors", {"retCode": 110007, "retMsg": "ab not enough for new order"}, UNPROVEN),
        ws("order topic", order_frame, "bybit ws_account_order_filled", beyond=frozenset({"isLeverage"})),
        ws("execution topic", run_frame, "bybit ws_account_execution", beyond=frozenset()),
        ws(
            "orderbook.1 topic",
            bybit_frames.orderbook_frame("BTCUSDT", quote, 1),
            "bybit ws_orderbook_snapshot",
            beyond=frozenset({"cts"}),
        ),
        ws("publicTrade topic", bybit_frames.trade_frame(quote.prints[0]), "bybit ws_public_trade"),
        ws(
            "auth",
            {"op": "auth", "success": True, "retCode": 0, "retMsg": "", "connId": "c"},
            "bybit ws_auth_success",
        ),
        ws(
            "subscribe",
            {"success": True, "ret_msg": "", "conn_id": "c", "req_id": "1", "op": "subscribe"},
            "bybit ws_subscription_ack",
        ),
        ws(
            "tickers topic, linear",
            bybit_frames.ticker_frame("BTCUSDT", quote, "linear", 1),
            "bybit ws_ticker_linear",
        ),
        ws("tickers topic, spot", bybit_frames.ticker_frame("BTCUSDT", quote, "spot", 1)),
        ws("pong", {}),
    ]


_UNUSED_KEY_FIELDS = frozenset(
    [
        "deadlineDay",
        "expiredAt",
        "createdAt",
        "inviterID",
        "vipLevel",
        "mktMakerLevel",
        "affiliateID",
        "rsaPublicKey",
        "parentUid",
        "kycLevel",
        "kycRegion",
        "userIDInt64",
        "inviterIDInt64",
        "affiliateIDInt64",
        "Options",
        "Derivatives",
        "CopyTrading",
        "BlockTrade",
        "Exchange",
        "NFT",
        "Affiliate",
        "Earn",
        "FiatP2P",
        "FiatBybitPay",
        "FiatConvertBroker",
        "FiatGlobalPay",
        "FiatBitPay",
        "BitCard",
        "ByXPost",
    ]
)


def _account_info(venue):
    return venue.bybit._account_info(None, venue.exchanges["bybit-linear"].accounts[KEY])


def _query_api(venue):
    return venue.bybit._query_api(None, venue.exchanges["bybit-linear"].accounts[KEY])


def all_samples():
    world = World()
    return [*spot_samples(world), *usdm_samples(world), *bybit_samples(world)]
