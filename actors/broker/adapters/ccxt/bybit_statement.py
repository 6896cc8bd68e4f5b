"""What moves Bybit's wallet besides the trades of one category: the transaction log of the unified account.

One wallet serves spot and derivatives, so trades of the other category are lines like any other.
"""

from collections.abc import Mapping
from typing import Final

from actors.broker.adapters.ccxt.dialect import Request
from actors.broker.adapters.ccxt.values import (
    mapping,
    micros,
    number,
    objects,
    optional_number,
    optional_text,
    text,
)
from actors.broker.adapters.ccxt.wire import Reply
from actors.model.messages import BalanceMove

_RANGE_MS: Final = 7 * 86_400_000
_PAGE: Final = 50

Row = Mapping[str, object]


def request(since_ms: int) -> Request:
    """The log of the week that begins at a time."""
    return Request(
        method="private_get_v5_account_transaction_log",
        params={
            "accountType": "UNIFIED",
            "startTime": since_ms,
            "endTime": since_ms + _RANGE_MS - 1,
            "limit": _PAGE,
        },
    )


def moves(reply: Reply, category: str) -> list[BalanceMove]:
    """The lines that are no trade of the category and that changed something; raise Malformed."""
    rows = objects(_result(reply).get("list"), "list")
    return [_line(row) for row in rows if optional_number(row, "change") and not _is_trade(row, category)]


def following(asked: Request, reply: Reply, now_us: int) -> Request | None:
    """Page by page within a week, then the next week."""
    result = _result(reply)
    cursor = optional_text(result, "nextPageCursor")
    if cursor and result.get("list"):
        return Request(method=asked.method, params={**asked.params, "cursor": cursor})
    end = asked.params["endTime"]
    if not isinstance(end, int) or end * 1000 >= now_us:
        return None
    return request(end + 1)


def _result(reply: Reply) -> Row:
    return mapping(mapping(reply.body, "answer").get("result"), "result")


def _is_trade(row: Row, category: str) -> bool:
    return row.get("type") == "TRADE" and row.get("category") == category


def _line(row: Row) -> BalanceMove:
    kind = text(row, "type")
    return BalanceMove(
        asset=text(row, "currency"),
        amount=number(row, "change"),
        cause=kind.lower(),
        evidence=f"log:{text(row, 'id')}",
        at_us=micros(row, "transactionTime"),
    )
