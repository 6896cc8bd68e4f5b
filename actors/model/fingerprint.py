"""What makes two requests for an order the same request. Pure."""

import hashlib

import msgspec

from actors.model.money import text
from actors.model.order import OrderIntent


def fingerprint(intent: OrderIntent) -> str:
    """The digest of what was asked for; the same request has the same one, however it was written.

    Ids that are ours are no part of it: `client_order_id` and `exchange` are the client's, or empty.
    """
    parts = (
        intent.client_order_id,
        intent.exchange,
        intent.symbol,
        intent.side,
        intent.type,
        text(intent.quantity),
        "" if intent.limit_price is None else text(intent.limit_price),
        intent.time_in_force,
        str(intent.post_only),
        str(intent.reduce_only),
        *(() if intent.stop_price is None else (text(intent.stop_price),)),
    )
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


def is_same_request(found: OrderIntent, asked: OrderIntent, *, by_key: bool) -> bool:
    """Whether an order was made by the request that is made again; both have their exchange filled in.

    Who names the exchange to which the order went anyway, or does so no more, asks for the same order. Behind
    a slash a fingerprint has that of the batch, which is the same only if it is written the same. A key is
    the batch's, a client order id the order's own.
    """
    (order, _, batch), (order_asked, _, batch_asked) = (
        each.fingerprint.partition("/") for each in (found, asked)
    )
    same = order == order_asked or (found.exchange == asked.exchange and order in _written(asked))
    return same and (not by_key or not batch or batch == batch_asked)


def _written(asked: OrderIntent) -> tuple[str, ...]:
    """The fingerprints of the request with its exchange named, and without."""
    own_id = "" if asked.client_order_id == asked.order_id else asked.client_order_id
    named = msgspec.structs.replace(asked, client_order_id=own_id)
    return fingerprint(named), fingerprint(msgspec.structs.replace(named, exchange=""))
