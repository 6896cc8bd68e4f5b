"""The frames of Binance USD-M's streams: one function for each."""

from decimal import Decimal

from actors.model.position import Position
from ops.venue.accounts import Account
from ops.venue.binance.spot_shapes import eight
from ops.venue.binance.usdm_shapes import Json, average, plain, status_of, wallet
from ops.venue.markets import OrderEvent, Print, Quote

_NONE = Decimal(0)


def order_update(event: OrderEvent) -> Json:
    """The user-data frame of an order."""
    order, trade = event.order, event.trade
    return {
        "e": "ORDER_TRADE_UPDATE",
        "T": event.at_ms,
        "E": event.at_ms,
        "o": {
            "s": order.spec.market_id,
            "c": order.spec.client_id,
            "S": order.spec.side.upper(),
            "o": order.spec.raw_type,
            "f": order.spec.time_in_force,
            "q": plain(order.spec.quantity),
            "p": plain(order.spec.limit_price or _NONE),
            "ap": plain(average(order.cost, order.executed)),
            "sp": "0",
            "x": event.kind,
            "X": status_of(order),
            "i": order.number,
            "l": plain(trade.quantity) if trade else "0",
            "z": plain(order.executed),
            "L": plain(trade.price) if trade else "0",
            "N": "USDT",
            "n": eight(trade.fee) if trade else "0",
            "T": event.at_ms,
            "t": trade.number if trade else 0,
            "b": "0",
            "a": "0",
            "m": trade.maker if trade else False,
            "R": order.spec.reduce_only,
            "wt": "CONTRACT_PRICE",
            "ot": order.spec.raw_type,
            "ps": "BOTH",
            "cp": False,
            "pP": False,
            "si": 0,
            "ss": 0,
            "rp": eight(trade.realized) if trade else "0",
            "V": "NONE",
        },
    }


def account_update(account: Account, position: Position, at_ms: int) -> Json:
    """The user-data frame of balance and position."""
    total = eight(wallet(account, "USDT"))
    entry = plain(average(position.cost, position.quantity))
    return {
        "e": "ACCOUNT_UPDATE",
        "T": at_ms,
        "E": at_ms,
        "a": {
            "m": "ORDER",
            "B": [{"a": "USDT", "wb": total, "cw": total, "bc": "0"}],
            "P": [
                {
                    "s": position.symbol,
                    "pa": plain(position.quantity),
                    "ep": entry,
                    "bep": entry,
                    "cr": eight(position.realized_pnl),
                    "up": "0",
                    "mt": "cross",
                    "iw": "0",
                    "ps": "BOTH",
                }
            ],
        },
    }


def book_ticker_frame(market_id: str, quote: Quote, at_ms: int) -> Json:
    """`<symbol>@bookTicker`."""
    return {
        "e": "bookTicker",
        "u": quote.update,
        "E": at_ms,
        "T": at_ms,
        "s": market_id,
        "b": plain(quote.bid),
        "B": plain(quote.bid_size),
        "a": plain(quote.ask),
        "A": plain(quote.ask_size),
        "st": 1,
        "ps": market_id,
    }


def trade_frame(done: Print) -> Json:
    """`<symbol>@trade`."""
    return {
        "e": "trade",
        "E": done.at_ms,
        "s": done.market_id,
        "t": done.number,
        "p": plain(done.price),
        "q": plain(done.quantity),
        "T": done.at_ms,
        "m": done.buyer_is_maker,
    }


def agg_trade_frame(done: Print) -> Json:
    """`<symbol>@aggTrade`."""
    return {
        "e": "aggTrade",
        "E": done.at_ms,
        "a": done.number,
        "s": done.market_id,
        "p": plain(done.price),
        "q": plain(done.quantity),
        "f": done.number,
        "l": done.number,
        "T": done.at_ms,
        "m": done.buyer_is_maker,
    }


def mark_price_frame(market_id: str, quote: Quote, at_ms: int) -> Json:
    """`<symbol>@markPrice@1s`: the mark serves as index too."""
    price = eight(quote.mark)
    return {
        "e": "markPriceUpdate",
        "E": at_ms,
        "s": market_id,
        "p": price,
        "i": price,
        "P": price,
        "r": "0.00010000",
        "T": at_ms - at_ms % 28_800_000 + 28_800_000,
        "st": 1,
    }
