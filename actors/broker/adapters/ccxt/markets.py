"""ccxt's market table as instruments, and the names of one market on both sides.

A perpetual settled in its quote currency is `BTC/USDT` here, as a spot market is: an account trades one kind
of market, and the kind is in the instrument. Dated futures, inverse contracts, contracts of more or less than
one unit, and options are not offered.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal

import msgspec

from actors.broker.adapters.ccxt.precision import Filters
from actors.broker.adapters.ccxt.values import Malformed, mapping, optional_number, text
from actors.broker.port import EXTERNAL
from actors.model.instrument import Instrument
from actors.model.money import normal


class Market(msgspec.Struct, frozen=True, kw_only=True):
    """One market: our instrument, the exchange's id for it, ccxt's symbol, and the exchange's further
    bounds.

    One that is not `offered` now takes no orders; those that rest there are listed and cancelled as others.
    """

    instrument: Instrument
    market_id: str
    unified: str
    filters: Filters
    offered: bool = True


class Names:
    """What a decoder needs to know beside the frame: markets by each name, and which order ids are ours."""

    def __init__(
        self, exchange: str, market_type: str, markets: Mapping[str, Market], ours: Callable[[str], bool]
    ) -> None:
        self.exchange = exchange
        self.market_type = market_type
        self.by_symbol = dict(markets)
        self.offered = {symbol: market for symbol, market in markets.items() if market.offered}
        self.by_id = {market.market_id: market for market in markets.values()}
        self.by_unified = {market.unified: market for market in markets.values()}
        self._ours = ours

    def symbol(self, market_id: str) -> str:
        """Our symbol of the exchange's market id; raise Malformed for one that we do not know."""
        market = self.by_id.get(market_id)
        if market is None:
            raise Malformed("symbol", market_id)
        return market.instrument.symbol

    def venue_id(self, client_order_id: str) -> str:
        """The client order id if it is one of ours, else empty."""
        return client_order_id if client_order_id and self._ours(client_order_id) else ""

    def order_id(self, client_order_id: str) -> str:
        """What a fill of this order carries: our venue id, or EXTERNAL."""
        return self.venue_id(client_order_id) or EXTERNAL


def markets_of(
    exchange: str, market_type: str, table: Mapping[str, Mapping[str, object]], initial_margin: Decimal
) -> dict[str, Market]:
    """The markets of the kind, by our symbol: those that are offered first, in the order of their symbols.

    Incomplete rows are left out.
    """
    found: dict[str, Market] = {}
    for unified in sorted(table, key=lambda name: (not _is_offered(table[name]), name)):
        row = table[unified]
        if not _is_of_the_kind(row, market_type):
            continue
        try:
            market = _market(exchange, market_type, row, initial_margin)
        except Malformed:
            if _is_offered(row):
                raise
            continue
        if market is not None:
            found.setdefault(market.instrument.symbol, market)
    return found


def _is_offered(row: Mapping[str, object]) -> bool:
    return row.get("active") is not False


def _is_of_the_kind(row: Mapping[str, object], market_type: str) -> bool:
    if market_type == "spot":
        return row.get("spot") is True
    linear = row.get("swap") is True and row.get("linear") is True and row.get("settle") == row.get("quote")
    # Orders there are counted in contracts, here in base units.
    return linear and optional_number(row, "contractSize") in (None, 1)


def _market(
    exchange: str, market_type: str, row: Mapping[str, object], initial_margin: Decimal
) -> Market | None:
    precision = mapping(row.get("precision"), "precision")
    limits = mapping(row.get("limits"), "limits")
    tick = optional_number(precision, "price")
    lot = optional_number(precision, "amount")
    if not tick or not lot:
        return None
    amount = _bounds(limits, "amount")
    market_amount = _bounds(limits, "market")
    price = _bounds(limits, "price")
    cost = _bounds(limits, "cost")
    base, quote = text(row, "base"), text(row, "quote")
    instrument = Instrument(
        exchange=exchange,
        symbol=f"{base}/{quote}",
        base=base,
        quote=quote,
        tick=normal(tick),
        lot=normal(lot),
        min_notional=cost[0] or Decimal(0),
        market_type=market_type,
        initial_margin=Decimal(1) if market_type == "spot" else initial_margin,
    )
    filters = Filters(
        min_quantity=amount[0],
        max_quantity=amount[1],
        max_market_quantity=market_amount[1],
        min_price=price[0],
        max_price=price[1],
    )
    return Market(
        instrument=instrument,
        market_id=text(row, "id"),
        unified=text(row, "symbol"),
        filters=filters,
        offered=_is_offered(row),
    )


def _bounds(limits: Mapping[str, object], name: str) -> tuple[Decimal | None, Decimal | None]:
    """Lower and upper bound; zero means that there is none."""
    row = limits.get(name)
    if not isinstance(row, Mapping):
        return None, None
    return optional_number(row, "min") or None, optional_number(row, "max") or None
