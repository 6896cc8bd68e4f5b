"""The frames of Binance spot's streams: one function for each."""

from decimal import Decimal

from ops.venue.accounts import Account
from ops.venue.binance.spot_shapes import Json, eight, status_of, ticker_24h, type_of
from ops.venue.markets import OrderEvent, Print, Quote


def book_ticker_frame(market_id: str, quote: Quote) -> Json:
    """`<symbol>@bookTicker`."""
    return {
        "u": quote.update,
        "s": market_id,
        "b": eight(quote.bid),
        "B": eight(quote.bid_size),
        "a": eight(quote.ask),
        "A": eight(quote.ask_size),
    }


def mini_ticker_frame(market_id: str, quote: Quote, at_ms: int) -> Json:
    """`<symbol>@miniTicker`, on spot and futures alike; the day is flat."""
    last, none = eight(quote.last), eight(Decimal(0))
    return {
        "e": "24hrMiniTicker",
        "E": at_ms,
        "s": market_id,
        "c": last,
        "o": last,
        "h": last,
        "l": last,
        "v": none,
        "q": none,
    }


def ticker_frame(market_id: str, quote: Quote, at_ms: int) -> Json:
    """`<symbol>@ticker` on spot; the day is flat."""
    day = ticker_24h(market_id, quote, at_ms)
    letters = {
        "p": "priceChange",
        "P": "priceChangePercent",
        "w": "weightedAvgPrice",
        "x": "prevClosePrice",
        "c": "lastPrice",
        "Q": "lastQty",
        "b": "bidPrice",
        "B": "bidQty",
        "a": "askPrice",
        "A": "askQty",
        "o": "openPrice",
        "h": "highPrice",
        "l": "lowPrice",
        "v": "volume",
        "q": "quoteVolume",
        "O": "openTime",
        "C": "closeTime",
        "F": "firstId",
        "L": "lastId",
        "n": "count",
    }
    found: Json = {"e": "24hrTicker", "E": at_ms, "s": market_id}
    return found | {letter: day[name] for letter, name in letters.items()}


def trade_frame(done: Print, at_ms: int) -> Json:
    """`<symbol>@trade`."""
    return {
        "e": "trade",
        "E": at_ms,
        "s": done.market_id,
        "t": done.number,
        "p": eight(done.price),
        "q": eight(done.quantity),
        "T": done.at_ms,
        "m": done.buyer_is_maker,
        "M": True,
    }


def execution_report(event: OrderEvent) -> Json:
    """The user-data frame of an order."""
    order, trade = event.order, event.trade
    none = eight(Decimal(0))
    cancelled = event.kind == "CANCELED" and order.cancel_client_id
    return {
        "e": "executionReport",
        "E": event.at_ms,
        "s": order.spec.market_id,
        "c": order.cancel_client_id if cancelled else order.spec.client_id,
        "S": order.spec.side.upper(),
        "o": type_of(order),
        "f": order.spec.time_in_force,
        "q": eight(order.spec.quantity),
        "p": eight(order.spec.limit_price or Decimal(0)),
        "P": none,
        "F": none,
        "g": -1,
        "C": order.spec.client_id if cancelled else "",
        "x": event.kind,
        "X": status_of(order),
        "r": "NONE",
        "i": order.number,
        "l": eight(trade.quantity) if trade else none,
        "z": eight(order.executed),
        "L": eight(trade.price) if trade else none,
        "n": eight(trade.fee) if trade else "0",
        "N": trade.fee_asset if trade else None,
        "T": event.at_ms,
        "t": trade.number if trade else -1,
        "I": order.number * 2,
        "w": order.is_open,
        "m": trade.maker if trade else False,
        "M": False,
        "O": order.created_ms,
        "Z": eight(order.cost),
        "Y": eight(trade.price * trade.quantity) if trade else none,
        "Q": none,
        "W": order.created_ms,
        "V": "NONE",
    }


def account_position(owner: Account, assets: tuple[str, ...], at_ms: int) -> Json:
    """The user-data frame of balances."""
    return {
        "e": "outboundAccountPosition",
        "E": at_ms,
        "u": at_ms,
        "B": [
            {
                "a": asset,
                "f": eight(owner.free.get(asset, Decimal(0))),
                "l": eight(owner.locked.get(asset, Decimal(0))),
            }
            for asset in assets
        ],
    }
