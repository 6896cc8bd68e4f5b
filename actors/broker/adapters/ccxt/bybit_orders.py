"""Bybit's orders and executions as the port's reports and fills. Answers and frames have the same fields."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from actors.broker.adapters.ccxt.markets import Names
from actors.broker.adapters.ccxt.values import Malformed, micros, number, optional_number, optional_text, text
from actors.broker.port import OrderReport
from actors.model.fill import Fill

Json = Mapping[str, object]

TRADES: Final = frozenset(
    {
        "Trade",
        "AdlTrade",
        "BustTrade",
        "Delivery",
        "Settle",
        "BlockTrade",
        "MovePosition",
        "FutureSpread",
    }
)
"""The execution types that change a position; the rest are funding and internal entries."""

_STATUS: Final = {
    "Created": "open",
    "New": "open",
    "PartiallyFilled": "open",
    "Untriggered": "open",
    "Triggered": "open",
    "Active": "open",
    "Filled": "filled",
    "Cancelled": "canceled",
    "PartiallyFilledCanceled": "canceled",
    "Deactivated": "canceled",
    "Rejected": "rejected",
}

_NO_REASON: Final = ("", "EC_NoError")


def report(row: Json, names: Names) -> OrderReport:
    """One order. What was rejected after a part had executed is canceled here: the part counts."""
    found = text(row, "orderStatus")
    status = _STATUS.get(found)
    if status is None:
        raise Malformed("orderStatus", found)
    executed = optional_number(row, "cumExecQty") or Decimal(0)
    if status == "rejected" and executed:
        status = "canceled"
    kind = "market" if text(row, "orderType") == "Market" else "limit"
    reason = optional_text(row, "rejectReason")
    return OrderReport(
        symbol=names.symbol(text(row, "symbol")),
        venue_id=names.venue_id(optional_text(row, "orderLinkId")),
        exchange_order_id=text(row, "orderId"),
        side=_side(row),
        type=kind,
        quantity=number(row, "qty"),
        limit_price=number(row, "price") if kind == "limit" else None,
        executed=executed,
        status=status,
        reason="" if reason in _NO_REASON else reason,
        at_us=micros(row, "updatedTime"),
    )


def fill(row: Json, names: Names) -> Fill:
    """One execution.

    Where the fee's currency is not told, it is what the side receives, or the settlement coin.
    """
    symbol = names.symbol(text(row, "symbol"))
    side = _side(row)
    base, _, quote = symbol.partition("/")
    received = base if side == "buy" and names.market_type == "spot" else quote
    return Fill(
        exchange=names.exchange,
        market_type=names.market_type,
        symbol=symbol,
        exchange_order_id=text(row, "orderId"),
        trade_id=text(row, "execId"),
        order_id=names.order_id(optional_text(row, "orderLinkId")),
        side=side,
        quantity=number(row, "execQty"),
        price=number(row, "execPrice"),
        fee=optional_number(row, "execFee") or Decimal(0),
        fee_currency=optional_text(row, "feeCurrency") or received,
        liquidity="maker" if row.get("isMaker") is True else "taker",
        at_us=micros(row, "execTime"),
    )


def _side(row: Json) -> str:
    side = text(row, "side").lower()
    if side not in ("buy", "sell"):
        raise Malformed("side", side)
    return side
