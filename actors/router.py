"""The order router: which exchange an order goes to, and whether a scope names anything. Pure."""

from collections.abc import Sequence

import msgspec

from actors.model.book import Book
from actors.model.order import OrderIntent
from actors.model.results import Refused


class UnknownExchange(Exception):
    """An order names an exchange that is not configured."""

    def __init__(self, asked: str, configured: Sequence[str]) -> None:
        super().__init__(f"exchange {asked!r} is not configured; there are: {', '.join(configured)}")
        self.asked = asked


def route(intent: OrderIntent, exchanges: Sequence[str], order_id: str) -> OrderIntent:
    """The intent with its ids and its exchange filled in: the one asked for, or the first configured.

    Raises UnknownExchange.
    """
    exchange = intent.exchange or exchanges[0]
    if exchange not in exchanges:
        raise UnknownExchange(exchange, exchanges)
    return msgspec.structs.replace(
        intent, order_id=order_id, exchange=exchange, client_order_id=intent.client_order_id or order_id
    )


def misnamed(
    exchange: str | None, symbol: str | None, exchanges: Sequence[str], book: Book
) -> Refused | None:
    """The refusal of a scope in which nothing can lie: who mistypes a name must not believe it stopped.

    While the journal has not been read any symbol passes.
    """
    if exchange is not None and exchange not in exchanges:
        return Refused(code="EXCHANGE_NOT_FOUND", detail=str(UnknownExchange(exchange, exchanges)))
    allowed = book.limits.get("symbol_whitelist")
    if symbol is None or allowed is None or symbol in allowed.split(","):
        return None
    busy = any(where == symbol for _, where in book.positions)
    if busy or any(order.intent.symbol == symbol for order in book.orders.values()):
        return None
    detail = f"{symbol} is not on the whitelist, and nothing is held or works there; there are: {allowed}"
    return Refused(code="SYMBOL_NOT_ALLOWED", detail=detail)
