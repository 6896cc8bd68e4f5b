"""Which frames an event makes on Binance's streams, and what they are called."""

from collections.abc import Callable

from ops.venue.binance import spot_frames, usdm_frames
from ops.venue.exchange import VenueExchange
from ops.venue.markets import OrderEvent, Print, Quote

Frames = list[tuple[str, object]]
LazyFrames = list[tuple[str, Callable[[], object]]]


def spot_user(exchange: VenueExchange, event: OrderEvent) -> Frames:
    """The order first, then the balances that it touched."""
    market = exchange.markets[event.order.spec.market_id]
    owner = exchange.accounts[event.order.owner]
    return [
        ("executionReport", spot_frames.execution_report(event)),
        (
            "outboundAccountPosition",
            spot_frames.account_position(owner, (market.base, market.quote), event.at_ms),
        ),
    ]


def spot_market(market_id: str, quote: Quote, done: Print | None) -> LazyFrames:
    """Quotes as bookTicker, trades as trade and tickers."""
    name = market_id.lower()
    if done is None:
        return [(f"{name}@bookTicker", lambda: spot_frames.book_ticker_frame(market_id, quote))]
    return [
        (f"{name}@trade", lambda: spot_frames.trade_frame(done, done.at_ms)),
        (f"{name}@miniTicker", lambda: spot_frames.mini_ticker_frame(market_id, quote, done.at_ms)),
        (f"{name}@ticker", lambda: spot_frames.ticker_frame(market_id, quote, done.at_ms)),
    ]


def usdm_user(exchange: VenueExchange, event: OrderEvent) -> Frames:
    """The order; before an execution's, balance and position."""
    frames: Frames = []
    if event.trade is not None:
        market = exchange.markets[event.order.spec.market_id]
        owner = exchange.accounts[event.order.owner]
        frames.append(
            ("ACCOUNT_UPDATE", usdm_frames.account_update(owner, owner.position(market), event.at_ms))
        )
    frames.append(("ORDER_TRADE_UPDATE", usdm_frames.order_update(event)))
    return frames


def usdm_market(market_id: str, quote: Quote, done: Print | None) -> LazyFrames:
    """Quotes as bookTicker, trades as trade, aggTrade and ticker; the mark price with both."""
    name = market_id.lower()
    at_ms = quote.at_ms if done is None else done.at_ms
    marks: LazyFrames = [
        (f"{name}@markPrice@1s", lambda: usdm_frames.mark_price_frame(market_id, quote, at_ms)),
        (f"{name}@markPrice", lambda: usdm_frames.mark_price_frame(market_id, quote, at_ms)),
    ]
    if done is None:
        book = (f"{name}@bookTicker", lambda: usdm_frames.book_ticker_frame(market_id, quote, at_ms))
        return [book, *marks]
    return [
        (f"{name}@trade", lambda: usdm_frames.trade_frame(done)),
        (f"{name}@miniTicker", lambda: spot_frames.mini_ticker_frame(market_id, quote, done.at_ms)),
        (f"{name}@aggTrade", lambda: usdm_frames.agg_trade_frame(done)),
        *marks,
    ]
