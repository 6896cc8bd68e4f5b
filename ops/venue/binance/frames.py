"""Which frames an event makes on Binance's streams, and what they are called."""

from collections.abc import Callable

from ops.venue.binance import spot_shapes, usdm_shapes
from ops.venue.exchange import VenueExchange
from ops.venue.markets import OrderEvent, Print, Quote

Frames = list[tuple[str, object]]
LazyFrames = list[tuple[str, Callable[[], object]]]


def spot_user(exchange: VenueExchange, event: OrderEvent) -> Frames:
    """The order first, then the balances that it touched."""
    market = exchange.markets[event.order.spec.market_id]
    owner = exchange.accounts[event.order.owner]
    return [
        ("executionReport", spot_shapes.execution_report(event)),
        (
            "outboundAccountPosition",
            spot_shapes.account_position(owner, (market.base, market.quote), event.at_ms),
        ),
    ]


def spot_market(market_id: str, quote: Quote, done: Print | None) -> LazyFrames:
    """Quotes as bookTicker, trades as trade and tickers."""
    name = market_id.lower()
    if done is None:
        return [(f"{name}@bookTicker", lambda: spot_shapes.book_ticker_frame(market_id, quote))]
    return [
        (f"{name}@trade", lambda: spot_shapes.trade_frame(done, done.at_ms)),
        (f"{name}@miniTicker", lambda: spot_shapes.mini_ticker_frame(market_id, quote, done.at_ms)),
        (f"{name}@ticker", lambda: spot_shapes.ticker_frame(market_id, quote, done.at_ms)),
    ]


def usdm_user(exchange: VenueExchange, event: OrderEvent) -> Frames:
    """The order; before an execution's, balance and position."""
    frames: Frames = []
    if event.trade is not None:
        market = exchange.markets[event.order.spec.market_id]
        owner = exchange.accounts[event.order.owner]
        frames.append(
            ("ACCOUNT_UPDATE", usdm_shapes.account_update(owner, owner.position(market), event.at_ms))
        )
    frames.append(("ORDER_TRADE_UPDATE", usdm_shapes.order_update(event)))
    return frames


def usdm_market(market_id: str, quote: Quote, done: Print | None) -> LazyFrames:
    """Quotes as bookTicker, trades as trade, aggTrade, ticker and mark price."""
    name = market_id.lower()
    if done is None:
        return [(f"{name}@bookTicker", lambda: usdm_shapes.book_ticker_frame(market_id, quote, quote.at_ms))]
    return [
        (f"{name}@trade", lambda: usdm_shapes.trade_frame(done)),
        (f"{name}@miniTicker", lambda: spot_shapes.mini_ticker_frame(market_id, quote, done.at_ms)),
        (f"{name}@aggTrade", lambda: usdm_shapes.agg_trade_frame(done)),
        (f"{name}@markPrice@1s", lambda: usdm_shapes.mark_price_frame(market_id, quote, done.at_ms)),
        (f"{name}@markPrice", lambda: usdm_shapes.mark_price_frame(market_id, quote, done.at_ms)),
    ]
