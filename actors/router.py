"""The order router: which exchange an order goes to. Pure."""

from collections.abc import Sequence

import msgspec

from actors.model.order import OrderIntent


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
