"""What moves Binance's balances besides trades: requests for the statements, and their lines.

A spot account has no one statement: deposits, withdrawals, transfers and distributions are listed apart, and
transfers of a sub-account apart from those. Futures have one, the income history. Ids are unique within a
list only, so a line's evidence begins with the list's name. Times are those of the list.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from actors.broker.adapters.ccxt.dialect import Request
from actors.broker.adapters.ccxt.values import (
    Malformed,
    mapping,
    micros,
    number,
    objects,
    optional_number,
    text,
)
from actors.broker.adapters.ccxt.wire import Reply
from actors.model.messages import BalanceMove
from actors.model.money import EXACT, ZERO

Row = Mapping[str, object]

_LONGEST_MS: Final = 89 * 86_400_000
"""How far back the lists can be asked for at once."""
_PAGE: Final = 1000

DEPOSITS: Final = "sapi_get_capital_deposit_hisrec"
WITHDRAWALS: Final = "sapi_get_capital_withdraw_history"
TRANSFERS: Final = "sapi_get_asset_transfer"
DISTRIBUTIONS: Final = "sapi_get_asset_assetdividend"
SUB_ACCOUNT: Final = "sapi_get_sub_account_transfer_subuserhistory"
INCOME: Final = "fapiprivate_get_income"

_TRANSFER_SIGNS: Final = {
    "MAIN_UMFUTURE": -1,
    "UMFUTURE_MAIN": 1,
    "MAIN_FUNDING": -1,
    "FUNDING_MAIN": 1,
    "MAIN_MARGIN": -1,
    "MARGIN_MAIN": 1,
}
_FROM_TRADES: Final = frozenset({"REALIZED_PNL", "COMMISSION"})
_GONE: Final = frozenset({"1", "3", "5"})
"""Withdrawals that were cancelled, rejected or failed: the money is back."""
_FUNDING: Final = "1"
"""The wallet that is not the spot account; deposits and withdrawals can be its own."""
_TRANSFERS_PAGE: Final = 100


def requests(spot: bool, since_us: int, now_us: int) -> list[Request]:
    """The lists to ask for, from a time on."""
    now_ms = now_us // 1000
    span: dict[str, str | int | bool] = {
        "startTime": max(since_us // 1000, now_ms - _LONGEST_MS),
        "endTime": now_ms,
    }
    if not spot:
        return [Request(method=INCOME, params={**span, "limit": _PAGE})]
    return [
        Request(method=DEPOSITS, params={**span, "status": 1, "limit": _PAGE}),
        Request(method=WITHDRAWALS, params={**span, "limit": _PAGE}),
        Request(method=DISTRIBUTIONS, params={**span, "limit": 500}),
        Request(method=SUB_ACCOUNT, params={**span, "limit": 500}),
        *[
            Request(method=TRANSFERS, params={**span, "type": kind, "size": _TRANSFERS_PAGE})
            for kind in _TRANSFER_SIGNS
        ],
    ]


def moves(asked: Request, reply: Reply) -> list[BalanceMove]:
    """The lines of one list; raise Malformed."""
    if asked.method == INCOME:
        rows = objects(reply.body, "income")
        return [_income(row) for row in rows if text(row, "incomeType") not in _FROM_TRADES]
    if asked.method == DEPOSITS:
        return [_deposit(row) for row in objects(reply.body, "deposits") if _is_spot(row)]
    if asked.method == WITHDRAWALS:
        rows = objects(reply.body, "withdrawals")
        return [_withdrawal(row) for row in rows if str(row.get("status")) not in _GONE and _is_spot(row)]
    if asked.method == SUB_ACCOUNT:
        rows = objects(reply.body, "transfers")
        return [_sub_account(row) for row in rows if row.get("status") == "SUCCESS"]
    rows = objects(mapping(reply.body, "answer").get("rows", []), "rows")
    if asked.method == DISTRIBUTIONS:
        return [_distribution(row) for row in rows]
    return [_transfer(row) for row in rows if row.get("status") == "CONFIRMED"]


def following(asked: Request, reply: Reply) -> Request | None:
    """The next page of a list that has more than one; lines that come twice count once."""
    if asked.method == TRANSFERS:
        listed = mapping(reply.body, "answer").get("rows", [])
        page = int(asked.params.get("current", 1))
        whole = len(objects(listed, "rows")) < _TRANSFERS_PAGE
        return None if whole else Request(method=TRANSFERS, params={**asked.params, "current": page + 1})
    if asked.method != INCOME:
        return None
    rows = objects(reply.body, "income")
    if len(rows) < _PAGE:
        return None
    newest = max(micros(row, "time") for row in rows) // 1000
    if newest <= int(asked.params["startTime"]):
        return None
    return Request(method=INCOME, params={**asked.params, "startTime": newest})


def _is_spot(row: Row) -> bool:
    return str(row.get("walletType")) != _FUNDING


def _line(kind: str, row_id: str, asset: str, amount: Decimal, cause: str, at_us: int) -> BalanceMove:
    return BalanceMove(asset=asset, amount=amount, cause=cause, evidence=f"{kind}:{row_id}", at_us=at_us)


def _income(row: Row) -> BalanceMove:
    kind = text(row, "incomeType")
    return _line(
        kind,
        text(row, "tranId"),
        text(row, "asset"),
        number(row, "income"),
        kind.lower(),
        micros(row, "time"),
    )


def _deposit(row: Row) -> BalanceMove:
    at_us = micros(row, "completeTime" if row.get("completeTime") else "insertTime")
    return _line("deposit", text(row, "id"), text(row, "coin"), number(row, "amount"), "deposit", at_us)


def _withdrawal(row: Row) -> BalanceMove:
    paid = EXACT.add(number(row, "amount"), optional_number(row, "transactionFee") or ZERO)
    try:
        applied = datetime.strptime(text(row, "applyTime"), "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        raise Malformed("applyTime", row.get("applyTime")) from None
    at_us = int(applied.timestamp()) * 1_000_000 + 999_999
    return _line("withdrawal", text(row, "id"), text(row, "coin"), EXACT.minus(paid), "withdrawal", at_us)


def _distribution(row: Row) -> BalanceMove:
    cause = f"distribution: {text(row, 'enInfo')}"
    return _line(
        "distribution",
        text(row, "id"),
        text(row, "asset"),
        number(row, "amount"),
        cause,
        micros(row, "divTime"),
    )


def _sub_account(row: Row) -> BalanceMove:
    amount = number(row, "qty")
    signed = amount if str(row.get("type")) == "1" else EXACT.minus(amount)
    return _line(
        "sub-account",
        text(row, "tranId"),
        text(row, "asset"),
        signed,
        "transfer between accounts",
        micros(row, "time"),
    )


def _transfer(row: Row) -> BalanceMove:
    kind, amount = text(row, "type"), number(row, "amount")
    sign = _TRANSFER_SIGNS.get(kind)
    if sign is None:
        raise Malformed("type", kind)
    return _line(
        "transfer",
        text(row, "tranId"),
        text(row, "asset"),
        amount if sign > 0 else EXACT.minus(amount),
        f"transfer {kind}",
        micros(row, "timestamp"),
    )
