"""The JSON of Bybit v5: one function for each row and frame; answers and frames share their fields.

`docs/venue-coverage.md` names the recorded answer that proves each of them.
"""

from decimal import Decimal

from actors.model.position import Position
from ops.venue.accounts import Account, StatementLine
from ops.venue.binance.usdm_shapes import average, plain
from ops.venue.markets import Print, Quote, VenueMarket, VenueOrder, VenueTrade

Json = dict[str, object]
_NONE = Decimal(0)
_STATUS = {"filled": "Filled", "canceled": "Cancelled", "expired": "Cancelled", "rejected": "Rejected"}
_REASONS = {"post_only": "EC_PostOnlyWillTakeLiquidity"}


def identifier(number: int) -> str:
    """The venue's number of an order or execution in the form of a UUID."""
    return f"{number & 0xFFFFFFFF:08x}-0000-4000-8000-{number:012x}"


def status_of(order: VenueOrder) -> str:
    """The order's status in Bybit's words; on spot a partly filled order ends as PartiallyFilledCanceled."""
    if order.is_open:
        return "PartiallyFilled" if order.executed else "New"
    return _STATUS[order.status]


def order_row(order: VenueOrder, category: str) -> Json:
    """A row of order/realtime and order/history; the order topic adds its category.

    Only derivatives have a `tpslMode`: ccxt tells the two kinds of order apart by that.
    """
    spec = order.spec
    if order.status == "canceled" or order.status == "expired":
        status = "PartiallyFilledCanceled" if category == "spot" and order.executed else "Cancelled"
    else:
        status = status_of(order)
    price = spec.limit_price or _NONE
    return {
        "orderId": order.order_id,
        "orderLinkId": spec.client_id,
        "blockTradeId": "",
        "symbol": spec.market_id,
        "price": plain(price),
        "qty": plain(spec.quantity),
        "side": spec.side.capitalize(),
        "isLeverage": "0",
        "positionIdx": 0,
        "orderStatus": status,
        "cancelType": "CancelByUser" if order.status == "canceled" else "UNKNOWN",
        "rejectReason": _REASONS.get(order.reason, "EC_NoError"),
        "avgPrice": plain(average(order.cost, order.executed)) if order.executed else "",
        "leavesQty": plain(order.remaining) if order.is_open else "0",
        "leavesValue": plain(order.remaining * price) if order.is_open else "0",
        "cumExecQty": plain(order.executed),
        "cumExecValue": plain(order.cost),
        "cumExecFee": plain(order.fees),
        "timeInForce": "PostOnly" if spec.post_only else spec.time_in_force,
        "orderType": "Market" if spec.limit_price is None else "Limit",
        "stopOrderType": "",
        "orderIv": "",
        "triggerPrice": "0",
        "takeProfit": "0",
        "stopLoss": "0",
        "tpTriggerBy": "",
        "slTriggerBy": "",
        "triggerDirection": 0,
        "triggerBy": "",
        "lastPriceOnCreated": plain(price),
        "reduceOnly": spec.reduce_only,
        "closeOnTrigger": False,
        "smpType": "None",
        "smpGroup": 0,
        "smpOrderId": "",
        **({} if category == "spot" else {"tpslMode": "Full"}),
        "tpLimitPrice": "0",
        "slLimitPrice": "0",
        "placeType": "",
        "createdTime": str(order.created_ms),
        "updatedTime": str(order.updated_ms),
    }


def execution_row(trade: VenueTrade) -> Json:
    """A row of execution/list."""
    order = trade.order
    return {
        "symbol": order.spec.market_id,
        "orderId": order.order_id,
        "orderLinkId": order.spec.client_id,
        "side": order.spec.side.capitalize(),
        "orderPrice": plain(order.spec.limit_price or trade.price),
        "orderQty": plain(order.spec.quantity),
        "leavesQty": plain(order.remaining),
        "createType": "CreateByUser",
        "orderType": "Market" if order.spec.limit_price is None else "Limit",
        "stopOrderType": "",
        "execFee": plain(trade.fee),
        "execId": identifier(trade.number),
        "execPrice": plain(trade.price),
        "execQty": plain(trade.quantity),
        "execType": "Trade",
        "execValue": plain(trade.price * trade.quantity),
        "execTime": str(trade.at_ms),
        "feeCurrency": trade.fee_asset,
        "isMaker": trade.maker,
        "feeRate": "0.001",
        "tradeIv": "",
        "markIv": "",
        "markPrice": plain(trade.price),
        "indexPrice": "",
        "underlyingPrice": "",
        "blockTradeId": "",
        "closedSize": "0",
        "seq": trade.number,
    }


def wallet(accounts: list[Account]) -> Json:
    """The unified account over both categories."""
    coins = sorted({asset for account in accounts for asset in (*account.free, *account.locked)})
    total = sum((_held(accounts, coin) for coin in coins if coin == "USDT"), _NONE)
    return {
        "totalEquity": plain(total),
        "accountIMRate": "0",
        "totalMarginBalance": plain(total),
        "totalInitialMargin": "0",
        "accountType": "UNIFIED",
        "totalAvailableBalance": plain(total),
        "accountMMRate": "0",
        "totalPerpUPL": "0",
        "totalWalletBalance": plain(total),
        "accountLTV": "0",
        "totalMaintenanceMargin": "0",
        "coin": [_coin(accounts, coin) for coin in coins],
    }


def _held(accounts: list[Account], coin: str) -> Decimal:
    return sum(
        (account.free.get(coin, _NONE) + account.locked.get(coin, _NONE) for account in accounts), _NONE
    )


def _coin(accounts: list[Account], coin: str) -> Json:
    held = _held(accounts, coin)
    bound = {
        derivative: sum(
            (account.locked.get(coin, _NONE) for account in accounts if account.derivative is derivative),
            _NONE,
        )
        for derivative in (False, True)
    }
    return {
        "availableToBorrow": "",
        "bonus": "0",
        "accruedInterest": "0",
        "availableToWithdraw": "",
        "totalOrderIM": plain(bound[True]),
        "equity": plain(held),
        "totalPositionMM": "0",
        "usdValue": plain(held) if coin == "USDT" else "0",
        "unrealisedPnl": "0",
        "borrowAmount": "0",
        "totalPositionIM": "0",
        "walletBalance": plain(held),
        "cumRealisedPnl": "0",
        "locked": plain(bound[False]),
        "collateralSwitch": True,
        "marginCollateral": True,
        "coin": coin,
        "spotBorrow": "0",
    }


def position_row(position: Position, quote: Quote, account: Account, at_ms: int) -> Json:
    """A row of position/list."""
    side = "" if not position.quantity else "Buy" if position.quantity > 0 else "Sell"
    entry = plain(average(position.cost, position.quantity))
    return {
        "positionIdx": 1 if account.hedged else 0,
        "riskId": 1,
        "riskLimitValue": "2000000",
        "symbol": position.symbol,
        "side": side,
        "size": plain(abs(position.quantity)),
        "avgPrice": entry,
        "positionValue": plain(abs(position.cost)),
        "tradeMode": 0,
        "positionStatus": "Normal",
        "autoAddMargin": 0,
        "adlRankIndicator": 0,
        "leverage": plain(account.leverage),
        "positionBalance": "0",
        "markPrice": plain(quote.mark),
        "liqPrice": "",
        "bustPrice": "",
        "positionMM": "0",
        "positionIM": "0",
        "tpslMode": "Full",
        "takeProfit": "",
        "stopLoss": "",
        "trailingStop": "0",
        "unrealisedPnl": plain(position.unrealized_pnl(quote.mark)),
        "curRealisedPnl": plain(position.realized_pnl),
        "cumRealisedPnl": plain(position.realized_pnl),
        "seq": at_ms,
        "isReduceOnly": False,
        "mmrSysUpdatedTime": "",
        "leverageSysUpdatedTime": "",
        "createdTime": str(at_ms),
        "updatedTime": str(at_ms),
    }


def spot_instrument(market: VenueMarket) -> Json:
    """A row of instruments-info for spot."""
    return {
        "symbol": market.market_id,
        "baseCoin": market.base,
        "quoteCoin": market.quote,
        "innovation": "0",
        "status": "Trading",
        "marginTrading": "none",
        "lotSizeFilter": {
            "basePrecision": plain(market.lot),
            "quotePrecision": "0.00000001",
            "minOrderQty": plain(market.min_quantity),
            "maxOrderQty": plain(market.max_quantity),
            "minOrderAmt": plain(market.min_notional),
            "maxOrderAmt": "9000000",
        },
        "priceFilter": {"tickSize": plain(market.tick)},
    }


def linear_instrument(market: VenueMarket) -> Json:
    """A row of instruments-info for linear."""
    most = plain(market.max_quantity)
    return {
        "symbol": market.market_id,
        "contractType": "LinearPerpetual",
        "status": "Trading",
        "baseCoin": market.base,
        "quoteCoin": market.quote,
        "launchTime": "1585526400000",
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": "2",
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100", "leverageStep": "0.01"},
        "priceFilter": {
            "minPrice": plain(market.tick),
            "maxPrice": "1999999",
            "tickSize": plain(market.tick),
        },
        "lotSizeFilter": {
            "maxOrderQty": most,
            "minOrderQty": plain(market.min_quantity),
            "qtyStep": plain(market.lot),
            "postOnlyMaxOrderQty": most,
            "maxMktOrderQty": most,
            "minNotionalValue": plain(market.min_notional),
        },
        "unifiedMarginTrade": True,
        "fundingInterval": 480,
        "settleCoin": market.quote,
    }


def orderbook(market_id: str, quote: Quote, at_ms: int) -> Json:
    """market/orderbook: the one level that the outside market is."""
    return {
        "s": market_id,
        "b": [[plain(quote.bid), plain(quote.bid_size)]],
        "a": [[plain(quote.ask), plain(quote.ask_size)]],
        "ts": at_ms,
        "u": quote.update,
        "seq": quote.update,
        "cts": at_ms,
    }


def recent_trade(done: Print) -> Json:
    """A row of recent-trade."""
    return {
        "execId": identifier(done.number),
        "symbol": done.market_id,
        "price": plain(done.price),
        "size": plain(done.quantity),
        "side": "Sell" if done.buyer_is_maker else "Buy",
        "time": str(done.at_ms),
        "isBlockTrade": False,
    }


def ticker(market_id: str, quote: Quote, category: str, at_ms: int) -> Json:
    """A row of market/tickers; the venue keeps no day of history, so the day is flat."""
    last = plain(quote.last)
    row: Json = {
        "symbol": market_id,
        "bid1Price": plain(quote.bid),
        "bid1Size": plain(quote.bid_size),
        "ask1Price": plain(quote.ask),
        "ask1Size": plain(quote.ask_size),
        "lastPrice": last,
        "prevPrice24h": last,
        "price24hPcnt": "0",
        "highPrice24h": last,
        "lowPrice24h": last,
        "turnover24h": "0",
        "volume24h": "0",
    }
    if category == "spot":
        return row | {"usdIndexPrice": last}
    return row | {
        "tickDirection": "ZeroPlusTick",
        "prevPrice1h": last,
        "markPrice": plain(quote.mark),
        "indexPrice": last,
        "openInterest": "0",
        "openInterestValue": "0",
        "nextFundingTime": str(at_ms - at_ms % 28_800_000 + 28_800_000),
        "fundingRate": "0.0001",
    }


def log_transfer(line: StatementLine, account: Account) -> Json:
    """A row of account/transaction-log for money that came or left."""
    kind = "TRANSFER_IN" if line.amount > 0 else "TRANSFER_OUT"
    return {
        **_log_row(line.number, kind, line.asset, line.at_ms),
        "change": plain(line.amount),
        "cashFlow": plain(line.amount),
        "cashBalance": plain(account.free.get(line.asset, _NONE)),
    }


def log_trade(trade: VenueTrade, category: str) -> Json:
    """A row of account/transaction-log for an execution, in what its fee is paid in."""
    spec = trade.order.spec
    return {
        **_log_row(trade.number, "TRADE", trade.fee_asset, trade.at_ms),
        "category": category,
        "symbol": spec.market_id,
        "side": spec.side.capitalize(),
        "qty": plain(trade.quantity),
        "tradePrice": plain(trade.price),
        "fee": plain(trade.fee),
        "cashFlow": plain(trade.realized),
        "change": plain(trade.realized - trade.fee),
        "tradeId": identifier(trade.number),
        "orderId": trade.order.order_id,
        "orderLinkId": spec.client_id,
    }


def _log_row(number: int, kind: str, asset: str, at_ms: int) -> Json:
    return {
        "id": f"{number}_{asset}",
        "symbol": "",
        "category": "",
        "side": "None",
        "transactionTime": str(at_ms),
        "type": kind,
        "transSubType": "",
        "qty": "0",
        "size": "0",
        "currency": asset,
        "tradePrice": "",
        "funding": "",
        "fee": "",
        "cashFlow": "0",
        "change": "0",
        "cashBalance": "0",
        "feeRate": "",
        "bonusChange": "",
        "tradeId": "",
        "orderId": "",
        "orderLinkId": "",
        "extraFees": "",
    }


def dcp_info(product: str, account: Account) -> Json:
    """A row of account/query-dcp-info."""
    return {"product": product, "dcpStatus": "ON", "timeWindow": str(account.dcp_seconds)}
