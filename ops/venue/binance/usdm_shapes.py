"""The JSON of Binance USD-M futures: one function for each answer and frame.

`docs/venue-coverage.md` names the recorded answer that proves each of them.
"""

from decimal import ROUND_HALF_UP, Decimal

from actors.model.position import Position
from ops.venue.accounts import Account, StatementLine
from ops.venue.binance.spot_shapes import STATUS, eight
from ops.venue.markets import Quote, VenueMarket, VenueOrder, VenueTrade

Json = dict[str, object]
_NONE = Decimal(0)


def plain(value: Decimal) -> str:
    """A decimal as it is, without exponent."""
    return format(value, "f")


def average(cost: Decimal, quantity: Decimal) -> Decimal:
    """A price rounded to five places, zero for nothing."""
    if not quantity:
        return _NONE
    return (cost / quantity).quantize(Decimal("0.00001"), rounding=ROUND_HALF_UP)


def status_of(order: VenueOrder) -> str:
    """The order's status in Binance's words."""
    if order.is_open:
        return "PARTIALLY_FILLED" if order.executed else "NEW"
    return STATUS[order.status]


def order_answer(order: VenueOrder) -> Json:
    """POST, GET and DELETE order, and a row of openOrders and allOrders."""
    return {
        "orderId": order.number,
        "symbol": order.spec.market_id,
        "status": status_of(order),
        "clientOrderId": order.spec.client_id,
        "price": plain(order.spec.limit_price or _NONE),
        "avgPrice": plain(average(order.cost, order.executed)),
        "origQty": plain(order.spec.quantity),
        "executedQty": plain(order.executed),
        "cumQuote": plain(order.cost),
        "timeInForce": order.spec.time_in_force,
        "type": order.spec.raw_type,
        "reduceOnly": order.spec.reduce_only,
        "closePosition": False,
        "side": order.spec.side.upper(),
        "positionSide": "BOTH",
        "stopPrice": "0",
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": order.spec.raw_type,
        "priceMatch": "NONE",
        "selfTradePreventionMode": "NONE",
        "goodTillDate": 0,
        "time": order.created_ms,
        "updateTime": order.updated_ms,
    }


def user_trade(trade: VenueTrade) -> Json:
    """A row of userTrades."""
    order = trade.order
    return {
        "symbol": order.spec.market_id,
        "id": trade.number,
        "orderId": order.number,
        "price": plain(trade.price),
        "qty": plain(trade.quantity),
        "quoteQty": plain(trade.price * trade.quantity),
        "realizedPnl": eight(trade.realized),
        "side": order.spec.side.upper(),
        "positionSide": "BOTH",
        "time": trade.at_ms,
        "buyer": order.spec.side == "buy",
        "maker": trade.maker,
        "commission": eight(trade.fee),
        "commissionAsset": trade.fee_asset,
        "marginAsset": trade.fee_asset,
    }


def wallet(account: Account, asset: str) -> Decimal:
    """Free and locked margin together."""
    return account.free.get(asset, _NONE) + account.locked.get(asset, _NONE)


def balance_row(account: Account, asset: str, at_ms: int) -> Json:
    """A row of balance."""
    total, free = eight(wallet(account, asset)), eight(account.free.get(asset, _NONE))
    return {
        "accountAlias": "SgsR",
        "asset": asset,
        "balance": total,
        "crossWalletBalance": total,
        "crossUnPnl": eight(_NONE),
        "availableBalance": free,
        "maxWithdrawAmount": free,
        "marginAvailable": True,
        "updateTime": at_ms,
    }


def position_row(position: Position, quote: Quote, at_ms: int) -> Json:
    """A row of positionRisk (version 3)."""
    entry = average(position.cost, position.quantity)
    none = eight(_NONE)
    return {
        "symbol": position.symbol,
        "positionSide": "BOTH",
        "positionAmt": plain(position.quantity),
        "entryPrice": plain(entry),
        "breakEvenPrice": plain(entry),
        "markPrice": eight(quote.mark),
        "unRealizedProfit": eight(position.unrealized_pnl(quote.last)),
        "liquidationPrice": "0",
        "isolatedMargin": none,
        "notional": eight(position.quantity * quote.last),
        "marginAsset": "USDT",
        "isolatedWallet": "0",
        "initialMargin": none,
        "maintMargin": none,
        "positionInitialMargin": none,
        "openOrderInitialMargin": none,
        "adl": 0,
        "bidNotional": "0",
        "askNotional": "0",
        "updateTime": at_ms,
    }


def position_row_2(position: Position, quote: Quote, leverage: Decimal, at_ms: int) -> Json:
    """A row of positionRisk (version 2)."""
    entry = average(position.cost, position.quantity)
    return {
        "symbol": position.symbol,
        "positionAmt": plain(position.quantity),
        "entryPrice": plain(entry),
        "markPrice": eight(quote.mark),
        "unRealizedProfit": eight(position.unrealized_pnl(quote.last)),
        "liquidationPrice": "0",
        "leverage": plain(leverage),
        "maxNotionalValue": "250000",
        "marginType": "cross",
        "isolatedMargin": eight(_NONE),
        "isAutoAddMargin": "false",
        "positionSide": "BOTH",
        "notional": plain(position.quantity * quote.last),
        "isolatedWallet": "0",
        "updateTime": at_ms,
        "breakEvenPrice": plain(entry),
    }


def account_info(account: Account, positions: list[Position], at_ms: int) -> Json:
    """GET account (versions 2 and 3)."""
    asset = "USDT"
    total, free, none = eight(wallet(account, asset)), eight(account.free.get(asset, _NONE)), eight(_NONE)
    margins = {"initialMargin": none, "maintMargin": none, "positionInitialMargin": none}
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": False,
        "canWithdraw": False,
        "updateTime": 0,
        "multiAssetsMargin": False,
        "tradeGroupId": -1,
        "totalInitialMargin": none,
        "totalMaintMargin": none,
        "totalWalletBalance": total,
        "totalUnrealizedProfit": none,
        "totalMarginBalance": total,
        "totalPositionInitialMargin": none,
        "totalOpenOrderInitialMargin": none,
        "totalCrossWalletBalance": total,
        "totalCrossUnPnl": none,
        "availableBalance": free,
        "maxWithdrawAmount": free,
        "assets": [
            {
                "asset": asset,
                "walletBalance": total,
                "unrealizedProfit": none,
                "marginBalance": total,
                "openOrderInitialMargin": none,
                **margins,
                "crossWalletBalance": total,
                "crossUnPnl": none,
                "availableBalance": free,
                "maxWithdrawAmount": free,
                "marginAvailable": True,
                "updateTime": at_ms,
            }
        ],
        "positions": [
            {
                "symbol": position.symbol,
                **margins,
                "unrealizedProfit": none,
                "openOrderInitialMargin": "0",
                "leverage": plain(account.leverage),
                "isolated": False,
                "entryPrice": plain(average(position.cost, position.quantity)),
                "maxNotional": "250000",
                "bidNotional": "0",
                "askNotional": "0",
                "positionSide": "BOTH",
                "positionAmt": plain(position.quantity),
                "updateTime": at_ms,
            }
            for position in positions
        ],
    }


def exchange_info(markets: list[VenueMarket], at_ms: int, limits: list[Json]) -> Json:
    """GET exchangeInfo."""
    return {
        "timezone": "UTC",
        "serverTime": at_ms,
        "rateLimits": limits,
        "exchangeFilters": [],
        "assets": [],
        "symbols": [_symbol(market) for market in markets],
    }


def _symbol(market: VenueMarket) -> Json:
    return {
        "symbol": market.market_id,
        "pair": market.market_id,
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "onboardDate": 1569398400000,
        "status": "TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": market.base,
        "quoteAsset": market.quote,
        "marginAsset": market.quote,
        "pricePrecision": 2,
        "quantityPrecision": 3,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "settlePlan": 0,
        "triggerProtect": "0.0500",
        "filters": _filters(market),
        "orderTypes": ["LIMIT", "MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    }


def _filters(market: VenueMarket) -> list[Json]:
    least, most, step = plain(market.min_quantity), plain(market.max_quantity), plain(market.lot)
    tick = plain(market.tick)
    return [
        {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000", "tickSize": tick},
        {"filterType": "LOT_SIZE", "minQty": least, "maxQty": most, "stepSize": step},
        {"filterType": "MARKET_LOT_SIZE", "minQty": least, "maxQty": most, "stepSize": step},
        {"filterType": "MAX_NUM_ORDERS", "limit": 200},
        {"filterType": "MIN_NOTIONAL", "notional": plain(market.min_notional)},
        {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": plain(market.band),
            "multiplierDown": plain(1 / market.band),
            "multiplierDecimal": 4,
        },
    ]


def ticker_24h(market_id: str, quote: Quote, at_ms: int) -> Json:
    """GET ticker/24hr; the venue keeps no day of history, so the day is flat."""
    last = plain(quote.last)
    return {
        "symbol": market_id,
        "priceChange": "0",
        "priceChangePercent": "0.000",
        "weightedAvgPrice": last,
        "lastPrice": last,
        "lastQty": plain(quote.prints[-1].quantity) if quote.prints else "0",
        "openPrice": last,
        "highPrice": last,
        "lowPrice": last,
        "volume": "0",
        "quoteVolume": "0",
        "openTime": at_ms - 86_400_000,
        "closeTime": at_ms,
        "firstId": quote.prints[0].number if quote.prints else -1,
        "lastId": quote.prints[-1].number if quote.prints else -1,
        "count": len(quote.prints),
    }


def income_row(line: StatementLine) -> Json:
    """A row of income; the venue knows transfers only."""
    return {
        "symbol": "",
        "incomeType": "TRANSFER",
        "income": eight(line.amount),
        "asset": line.asset,
        "info": "TRANSFER",
        "time": line.at_ms,
        "tranId": line.number,
        "tradeId": "",
    }


def symbol_config(market_id: str, account: Account) -> Json:
    """A row of symbolConfig."""
    return {
        "symbol": market_id,
        "marginType": "CROSSED" if account.margin_mode == "cross" else "ISOLATED",
        "isAutoAddMargin": False,
        "leverage": int(account.leverage),
        "maxNotionalValue": "250000",
    }
