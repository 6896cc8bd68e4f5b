"""Facts about recorded answers that others published: which fields there are, and of which JSON type each is.

Source: the test data of nautechsystems/nautilus_trader, `crates/adapters/binance/test_data/futures` and
`crates/adapters/bybit/test_data`, read on 2026-11-22; the names are those of the files. `s` text, `i` whole
number, `b` boolean; a list holds the shape of its elements.
"""


def _fields(**kinds: str) -> dict[str, str]:
    """`s="a b"` means: the fields a and b are texts."""
    return {name: kind for kind, names in kinds.items() for name in names.split()}


_FUTURES_ORDER = _fields(
    s="s c S o f q p ap sp x X l z L N n b a wt ot ps AP cr rp V", i="i T t si ss", b="m R cp pP"
)
_COIN = _fields(
    s="asset walletBalance unrealizedProfit marginBalance maintMargin initialMargin positionInitialMargin"
    " openOrderInitialMargin crossWalletBalance crossUnPnl availableBalance maxWithdrawAmount",
    i="updateTime",
    b="marginAvailable",
)
_HELD = _fields(
    s="symbol initialMargin maintMargin unrealizedProfit positionInitialMargin"
    " openOrderInitialMargin leverage"
    " entryPrice maxNotional bidNotional askNotional positionSide positionAmt",
    i="updateTime",
    b="isolated",
)
_LISTED = {
    **_fields(
        s="symbol pair contractType status maintMarginPercent requiredMarginPercent"
        " baseAsset quoteAsset marginAsset"
        " underlyingType triggerProtect",
        i="deliveryDate onboardDate pricePrecision quantityPrecision baseAssetPrecision"
        " quotePrecision settlePlan",
    ),
    "underlyingSubType": [],
    "filters": [_fields(s="filterType minPrice maxPrice tickSize")],
    "orderTypes": ["s"],
    "timeInForce": ["s"],
}
_BYBIT_ORDER = _fields(
    s="symbol orderId side orderType cancelType price qty orderIv timeInForce orderStatus orderLinkId"
    " lastPriceOnCreated leavesQty leavesValue cumExecQty cumExecValue avgPrice"
    " blockTradeId cumExecFee createdTime"
    " updatedTime rejectReason stopOrderType tpslMode triggerPrice takeProfit"
    " stopLoss tpTriggerBy slTriggerBy"
    " tpLimitPrice slLimitPrice triggerBy category placeType smpType smpOrderId feeCurrency createType",
    i="positionIdx triggerDirection smpGroup",
    b="reduceOnly closeOnTrigger",
)
_BYBIT_EXECUTION = _fields(
    s="category symbol closedSize execFee execId execPrice execQty execType execValue feeRate tradeIv markIv"
    " blockTradeId markPrice indexPrice underlyingPrice leavesQty orderId"
    " orderLinkId orderPrice orderQty orderType"
    " stopOrderType side execTime isLeverage feeCurrency",
    i="seq",
    b="isMaker",
)

PUBLISHED: dict[str, object] = {
    "futures exchange_info_usdm": {
        **_fields(s="timezone", i="serverTime"),
        "rateLimits": [],
        "exchangeFilters": [],
        "assets": [],
        "symbols": [_LISTED],
    },
    "futures order_response": _fields(
        s="symbol status clientOrderId price avgPrice origQty executedQty cumQuote"
        " timeInForce type side positionSide"
        " stopPrice workingType origType priceMatch selfTradePreventionMode",
        i="orderId goodTillDate time updateTime",
        b="reduceOnly closePosition priceProtect",
    ),
    "futures user_trade": _fields(
        s="symbol price qty quoteQty realizedPnl side positionSide commission commissionAsset marginAsset",
        i="id orderId time",
        b="buyer maker",
    ),
    "futures balance": [
        _fields(
            s="accountAlias asset balance crossWalletBalance crossUnPnl availableBalance maxWithdrawAmount",
            i="updateTime",
            b="marginAvailable",
        )
    ],
    "futures account_info_v2": {
        **_fields(
            s="totalInitialMargin totalMaintMargin totalWalletBalance totalUnrealizedProfit"
            " totalMarginBalance"
            " totalPositionInitialMargin totalOpenOrderInitialMargin totalCrossWalletBalance totalCrossUnPnl"
            " availableBalance maxWithdrawAmount",
            i="feeTier updateTime tradeGroupId",
            b="canTrade canDeposit canWithdraw multiAssetsMargin",
        ),
        "assets": [_COIN],
        "positions": [_HELD],
    },
    "futures position_risk": [
        _fields(
            s="symbol positionAmt entryPrice markPrice unRealizedProfit liquidationPrice"
            " leverage maxNotionalValue"
            " marginType isolatedMargin isAutoAddMargin positionSide notional isolatedWallet breakEvenPrice",
            i="updateTime",
        )
    ],
    "futures order_update_new": {**_fields(s="e", i="T E"), "o": _FUTURES_ORDER},
    "futures order_update_trade": {**_fields(s="e", i="T E"), "o": _FUTURES_ORDER},
    "futures account_update": {
        **_fields(s="e", i="T E"),
        "a": {
            "m": "s",
            "B": [_fields(s="a wb cw bc")],
            "P": [_fields(s="s pa ep bep cr up mt iw ps")],
        },
    },
    "futures book_ticker_stream": _fields(s="e s b B a A ps", i="u E T st"),
    "futures trade_stream": _fields(s="e s p q", i="E t T", b="m"),
    "futures mark_price_stream": _fields(s="e s p i P r", i="E T st"),
    "bybit ws_account_order_filled": {**_fields(s="id topic", i="creationTime"), "data": [_BYBIT_ORDER]},
    "bybit ws_account_execution": {**_fields(s="id topic", i="creationTime"), "data": [_BYBIT_EXECUTION]},
    "bybit ws_orderbook_snapshot": {
        **_fields(s="topic type", i="ts"),
        "data": {**_fields(s="s", i="u seq"), "b": [["s"]], "a": [["s"]]},
    },
    "bybit ws_public_trade": {
        **_fields(s="topic type", i="ts"),
        "data": [_fields(s="s S v p i", i="T", b="BT")],
    },
    "bybit ws_ticker_linear": {
        **_fields(s="topic type", i="cs ts"),
        "data": _fields(
            s="symbol tickDirection price24hPcnt lastPrice prevPrice24h highPrice24h lowPrice24h prevPrice1h"
            " markPrice indexPrice openInterest openInterestValue turnover24h volume24h"
            " nextFundingTime fundingRate"
            " bid1Price bid1Size ask1Price ask1Size"
        ),
    },
    "bybit ws_auth_success": _fields(s="op retMsg connId", i="retCode", b="success"),
    "bybit ws_subscription_ack": _fields(s="ret_msg conn_id req_id op", b="success"),
}
