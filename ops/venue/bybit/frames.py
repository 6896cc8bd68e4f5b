"""The frames of Bybit's topics: rows of the answers, with a little around them."""

from ops.venue.binance.usdm_shapes import plain
from ops.venue.bybit.shapes import Json, execution_row, identifier, order_row, orderbook, ticker
from ops.venue.markets import Print, Quote, VenueOrder, VenueTrade


def order_frame(order: VenueOrder, category: str, fee_asset: str) -> Json:
    """A row of the `order` topic."""
    return {
        **order_row(order, category),
        "category": category,
        "feeCurrency": fee_asset,
        "createType": "CreateByUser",
    }


def execution_frame(trade: VenueTrade, category: str) -> Json:
    """A row of the `execution` topic."""
    row = execution_row(trade)
    del row["createType"]
    return {**row, "category": category, "isLeverage": "0"}


def private_frame(topic: str, rows: list[Json], number: int, at_ms: int) -> Json:
    """A frame of a private topic."""
    return {"id": identifier(number), "topic": topic, "creationTime": at_ms, "data": rows}


def orderbook_frame(market_id: str, quote: Quote, at_ms: int) -> Json:
    """`orderbook.1.<symbol>`: every frame of depth 1 is a snapshot."""
    book = orderbook(market_id, quote, at_ms)
    data = {name: book[name] for name in ("s", "b", "a", "u", "seq")}
    return {"topic": f"orderbook.1.{market_id}", "type": "snapshot", "ts": at_ms, "data": data, "cts": at_ms}


def trade_frame(done: Print) -> Json:
    """`publicTrade.<symbol>`."""
    row = {
        "T": done.at_ms,
        "s": done.market_id,
        "S": "Sell" if done.buyer_is_maker else "Buy",
        "v": plain(done.quantity),
        "p": plain(done.price),
        "i": identifier(done.number),
        "BT": False,
    }
    return {"topic": f"publicTrade.{done.market_id}", "type": "snapshot", "ts": done.at_ms, "data": [row]}


def ticker_frame(market_id: str, quote: Quote, category: str, at_ms: int) -> Json:
    """`tickers.<symbol>`: always the whole row."""
    data = ticker(market_id, quote, category, at_ms)
    return {
        "topic": f"tickers.{market_id}",
        "type": "snapshot",
        "data": data,
        "cs": quote.update,
        "ts": at_ms,
    }
