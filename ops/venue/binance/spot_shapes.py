"""The JSON of Binance spot: one function for each answer and frame. Field names and types are the exchange's.

`docs/venue-coverage.md` names the recorded answer that proves each of them.
"""

from datetime import UTC, datetime
from decimal import Decimal

from actors.model.money import text
from ops.venue.accounts import Account, StatementLine
from ops.venue.markets import Print, Quote, VenueMarket, VenueOrder, VenueTrade

Json = dict[str, object]

STATUS = {"filled": "FILLED", "canceled": "CANCELED", "expired": "EXPIRED", "rejected": "REJECTED"}


def eight(value: Decimal) -> str:
    """A decimal with eight places."""
    return format(value, ".8f")


def status_of(order: VenueOrder) -> str:
    """The order's status in Binance's words."""
    if order.is_open:
        return "PARTIALLY_FILLED" if order.executed else "NEW"
    return STATUS[order.status]


def type_of(order: VenueOrder) -> str:
    """LIMIT, MARKET or LIMIT_MAKER."""
    return order.spec.raw_type or ("MARKET" if order.spec.limit_price is None else "LIMIT")


def _state(order: VenueOrder) -> Json:
    return {
        "price": eight(order.spec.limit_price or Decimal(0)),
        "origQty": eight(order.spec.quantity),
        "executedQty": eight(order.executed),
        "origQuoteOrderQty": eight(Decimal(0)),
        "cummulativeQuoteQty": eight(order.cost),
        "status": status_of(order),
        "timeInForce": order.spec.time_in_force,
        "type": type_of(order),
        "side": order.spec.side.upper(),
        "selfTradePreventionMode": "NONE",
    }


def order_answer(order: VenueOrder) -> Json:
    """GET order, and a row of openOrders and allOrders."""
    return {
        "symbol": order.spec.market_id,
        "orderId": order.number,
        "orderListId": -1,
        "clientOrderId": order.spec.client_id,
        **_state(order),
        "stopPrice": eight(Decimal(0)),
        "icebergQty": eight(Decimal(0)),
        "time": order.created_ms,
        "updateTime": order.updated_ms,
        "isWorking": True,
        "workingTime": order.created_ms,
    }


def new_order(order: VenueOrder, fills: list[VenueTrade]) -> Json:
    """POST order with newOrderRespType=FULL."""
    return {
        "symbol": order.spec.market_id,
        "orderId": order.number,
        "orderListId": -1,
        "clientOrderId": order.spec.client_id,
        "transactTime": order.created_ms,
        **_state(order),
        "workingTime": order.created_ms,
        "fills": [
            {
                "price": eight(fill.price),
                "qty": eight(fill.quantity),
                "commission": eight(fill.fee),
                "commissionAsset": fill.fee_asset,
                "tradeId": fill.number,
            }
            for fill in fills
        ],
    }


def cancelled_order(order: VenueOrder, at_ms: int) -> Json:
    """DELETE order, and a row of DELETE openOrders."""
    return {
        "symbol": order.spec.market_id,
        "origClientOrderId": order.spec.client_id,
        "orderId": order.number,
        "orderListId": -1,
        "clientOrderId": order.cancel_client_id,
        "transactTime": at_ms,
        **_state(order),
    }


def trade_row(trade: VenueTrade) -> Json:
    """A row of myTrades."""
    return {
        "symbol": trade.order.spec.market_id,
        "id": trade.number,
        "orderId": trade.order.number,
        "orderListId": -1,
        "price": eight(trade.price),
        "qty": eight(trade.quantity),
        "quoteQty": eight(trade.price * trade.quantity),
        "commission": eight(trade.fee),
        "commissionAsset": trade.fee_asset,
        "time": trade.at_ms,
        "isBuyer": trade.order.spec.side == "buy",
        "isMaker": trade.maker,
        "isBestMatch": True,
    }


def account(owner: Account, at_ms: int) -> Json:
    """GET account."""
    assets = sorted({*owner.free, *owner.locked})
    return {
        "makerCommission": 10,
        "takerCommission": 10,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {
            "maker": "0.00100000",
            "taker": "0.00100000",
            "buyer": "0.00000000",
            "seller": "0.00000000",
        },
        "canTrade": True,
        "canWithdraw": False,
        "canDeposit": False,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": at_ms,
        "accountType": "SPOT",
        "balances": [
            {
                "asset": asset,
                "free": eight(owner.free.get(asset, Decimal(0))),
                "locked": eight(owner.locked.get(asset, Decimal(0))),
            }
            for asset in assets
        ],
        "permissions": ["SPOT"],
        "uid": 1,
    }


def exchange_info(markets: list[VenueMarket], at_ms: int, limits: list[Json]) -> Json:
    """GET exchangeInfo."""
    return {
        "timezone": "UTC",
        "serverTime": at_ms,
        "rateLimits": limits,
        "exchangeFilters": [],
        "symbols": [_symbol(market) for market in markets],
    }


def _symbol(market: VenueMarket) -> Json:
    return {
        "symbol": market.market_id,
        "status": "TRADING",
        "baseAsset": market.base,
        "baseAssetPrecision": 8,
        "quoteAsset": market.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": False,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": False,
        "amendAllowed": False,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": filters(market),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "NONE",
        "allowedSelfTradePreventionModes": ["NONE"],
    }


def filters(market: VenueMarket) -> list[Json]:
    """The filters of a spot market."""
    most, least = eight(market.max_quantity), eight(market.min_quantity)
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": eight(market.tick),
            "maxPrice": "1000000.00000000",
            "tickSize": eight(market.tick),
        },
        {"filterType": "LOT_SIZE", "minQty": least, "maxQty": most, "stepSize": eight(market.lot)},
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": "0.00000000",
            "maxQty": most,
            "stepSize": "0.00000000",
        },
        {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": str(market.band),
            "bidMultiplierDown": str(1 / market.band),
            "askMultiplierUp": str(market.band),
            "askMultiplierDown": str(1 / market.band),
            "avgPriceMins": 5,
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": eight(market.min_notional),
            "applyMinToMarket": True,
            "maxNotional": "9000000.00000000",
            "applyMaxToMarket": False,
            "avgPriceMins": 5,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
    ]


def book_ticker(market_id: str, quote: Quote) -> Json:
    """GET ticker/bookTicker."""
    return {
        "symbol": market_id,
        "bidPrice": eight(quote.bid),
        "bidQty": eight(quote.bid_size),
        "askPrice": eight(quote.ask),
        "askQty": eight(quote.ask_size),
    }


def ticker_24h(market_id: str, quote: Quote, at_ms: int) -> Json:
    """GET ticker/24hr; the venue keeps no day of history, so the day is flat."""
    last, none = eight(quote.last), eight(Decimal(0))
    first = quote.prints[0].number if quote.prints else -1
    newest = quote.prints[-1].number if quote.prints else -1
    return {
        "symbol": market_id,
        "priceChange": none,
        "priceChangePercent": "0.000",
        "weightedAvgPrice": last,
        "prevClosePrice": last,
        "lastPrice": last,
        "lastQty": eight(quote.prints[-1].quantity) if quote.prints else none,
        "bidPrice": eight(quote.bid),
        "bidQty": eight(quote.bid_size),
        "askPrice": eight(quote.ask),
        "askQty": eight(quote.ask_size),
        "openPrice": last,
        "highPrice": last,
        "lowPrice": last,
        "volume": none,
        "quoteVolume": none,
        "openTime": at_ms - 86_400_000,
        "closeTime": at_ms,
        "firstId": first,
        "lastId": newest,
        "count": len(quote.prints),
    }


def depth(quote: Quote) -> Json:
    """GET depth: the one level that the outside market is."""
    return {
        "lastUpdateId": quote.update,
        "bids": [[eight(quote.bid), eight(quote.bid_size)]],
        "asks": [[eight(quote.ask), eight(quote.ask_size)]],
    }


def public_trade(done: Print) -> Json:
    """A row of trades."""
    return {
        "id": done.number,
        "price": eight(done.price),
        "qty": eight(done.quantity),
        "quoteQty": eight(done.price * done.quantity),
        "time": done.at_ms,
        "isBuyerMaker": done.buyer_is_maker,
        "isBestMatch": True,
    }


def deposit(line: StatementLine) -> Json:
    """A row of capital/deposit/hisrec; this venue credits at once."""
    return {
        "id": str(line.number),
        "amount": text(line.amount),
        "coin": line.asset,
        "network": "VENUE",
        "status": 1,
        "address": "venue",
        "addressTag": "",
        "txId": f"venue-{line.number}",
        "insertTime": line.at_ms,
        "completeTime": line.at_ms,
        "transferType": 0,
        "confirmTimes": "1/1",
        "unlockConfirm": 1,
        "walletType": 0,
    }


def withdrawal(line: StatementLine) -> Json:
    """A row of capital/withdraw/history, without a fee."""
    applied = datetime.fromtimestamp(line.at_ms // 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return {
        "id": str(line.number),
        "amount": text(-line.amount),
        "transactionFee": "0",
        "coin": line.asset,
        "status": 6,
        "address": "venue",
        "txId": f"venue-{line.number}",
        "applyTime": applied,
        "network": "VENUE",
        "transferType": 0,
        "info": "",
        "confirmNo": 1,
        "walletType": 0,
        "txKey": "",
        "completeTime": applied,
    }
