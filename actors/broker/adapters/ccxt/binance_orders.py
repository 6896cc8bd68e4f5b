"""Binance's orders and executions, from answers and from user-data frames, as the port's reports and fills.

Answers spell their fields out, frames use single letters; both are read here so that one order looks alike
whichever way it came.
"""

from collections.abc import Mapping
from typing import Final

from actors.broker.adapters.ccxt.markets import Names
from actors.broker.adapters.ccxt.values import Malformed, micros, number, optional_text, text
from actors.broker.port import OrderReport
from actors.model.fill import Fill
from actors.model.order import OrderIntent

Json = Mapping[str, object]

_STATUS: Final = {
    "NEW": "open",
    "PENDING_NEW": "open",
    "PARTIALLY_FILLED": "open",
    "PENDING_CANCEL": "open",
    "FILLED": "filled",
    "CANCELED": "canceled",
    "REJECTED": "rejected",
    "EXPIRED": "expired",
    "EXPIRED_IN_MATCH": "canceled",
}


def status_word(found: str, time_in_force: str) -> str:
    """The port's word for an order status. An IOC or FOK order that ended unfilled was not left to expire."""
    status = _STATUS.get(found)
    if status is None:
        raise Malformed("status", found)
    if status == "expired" and time_in_force in ("IOC", "FOK", "GTX"):
        return "canceled"
    return status


def status_of(body: Json, time_in_force: str) -> str:
    """The status in an answer."""
    return status_word(text(body, "status"), time_in_force)


def side_of(body: Json, field: str = "side") -> str:
    """buy or sell."""
    side = text(body, field).lower()
    if side not in ("buy", "sell"):
        raise Malformed(field, side)
    return side


def type_word(found: str) -> str:
    """Every order type with a price of its own is a limit order here; the rest are market orders."""
    return "market" if found.endswith("MARKET") or found in ("STOP_LOSS", "TAKE_PROFIT") else "limit"


def report(body: Json, names: Names) -> OrderReport:
    """One order as a query answers it."""
    kind = type_word(text(body, "type"))
    return OrderReport(
        symbol=names.symbol(text(body, "symbol")),
        venue_id=names.venue_id(optional_text(body, "clientOrderId")),
        exchange_order_id=text(body, "orderId"),
        side=side_of(body),
        type=kind,
        quantity=number(body, "origQty"),
        limit_price=number(body, "price") if kind == "limit" else None,
        executed=number(body, "executedQty"),
        status=status_of(body, optional_text(body, "timeInForce")),
        at_us=micros(body, "updateTime" if "updateTime" in body else "time"),
    )


def report_of_frame(order: Json, names: Names) -> OrderReport:
    """The order inside an `executionReport` or `ORDER_TRADE_UPDATE`.

    After a cancel the frame's `c` is the id of the cancel request and `C` the id of the order.
    """
    kind = type_word(text(order, "o"))
    reason = optional_text(order, "r")
    return OrderReport(
        symbol=names.symbol(text(order, "s")),
        venue_id=names.venue_id(optional_text(order, "C") or optional_text(order, "c")),
        exchange_order_id=text(order, "i"),
        side=side_of(order, "S"),
        type=kind,
        quantity=number(order, "q"),
        limit_price=number(order, "p") if kind == "limit" else None,
        executed=number(order, "z"),
        status=status_word(text(order, "X"), optional_text(order, "f")),
        reason="" if reason == "NONE" else reason,
        at_us=micros(order, "T"),
    )


def fill_of_frame(order: Json, names: Names) -> Fill:
    """The execution in a frame whose execution type is TRADE."""
    symbol = names.symbol(text(order, "s"))
    fee_currency = optional_text(order, "N") or symbol.partition("/")[2]
    return Fill(
        exchange=names.exchange,
        market_type=names.market_type,
        symbol=symbol,
        exchange_order_id=text(order, "i"),
        trade_id=text(order, "t"),
        order_id=names.order_id(optional_text(order, "C") or optional_text(order, "c")),
        side=side_of(order, "S"),
        quantity=number(order, "l"),
        price=number(order, "L"),
        fee=number(order, "n") if order.get("n") not in (None, "") else number({"n": "0"}, "n"),
        fee_currency=fee_currency,
        liquidity="maker" if order.get("m") is True else "taker",
        at_us=micros(order, "T"),
    )


def fill_of_answer(row: Json, order: Json, intent: OrderIntent, names: Names, at_us: int) -> Fill:
    """One of the `fills` that a spot order's full answer carries."""
    return Fill(
        exchange=names.exchange,
        market_type=names.market_type,
        symbol=intent.symbol,
        exchange_order_id=text(order, "orderId"),
        trade_id=text(row, "tradeId"),
        order_id=intent.venue_id,
        side=intent.side,
        quantity=number(row, "qty"),
        price=number(row, "price"),
        fee=number(row, "commission"),
        fee_currency=text(row, "commissionAsset"),
        liquidity="taker",
        at_us=at_us,
    )
