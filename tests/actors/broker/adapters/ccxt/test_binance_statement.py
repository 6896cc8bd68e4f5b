"""What moves Binance's balances besides trades, as its lists tell it."""

from decimal import Decimal

import pytest

from actors.broker.adapters.ccxt import binance_statement as statement
from actors.broker.adapters.ccxt.wire import Reply

DAY_US = 86_400_000_000


def asked(method):
    return next(each for each in statement.requests(True, 0, DAY_US) if each.method == method)


def moved(method, *rows):
    return [line.amount for line in statement.moves(asked(method), answer(list(rows)))]


def answer(body):
    return Reply(status=200, body=body, wrote=True, signed_at_us=1)


def withdrawal(**changes):
    row = {
        "id": "b6ae22b3",
        "amount": "8.91",
        "transactionFee": "0.09",
        "coin": "USDT",
        "status": 6,
        "applyTime": "2019-10-12 11:12:02",
        "walletType": 0,
    }
    return {**row, **changes}


def deposit(**changes):
    row = {"id": "769", "amount": "0.5", "coin": "BTC", "status": 1, "insertTime": 1599621997000}
    return {**row, "walletType": 0, **changes}


@pytest.mark.parametrize("status", [1, 3, 5])
def test_a_withdrawal_that_was_cancelled_rejected_or_failed_moved_nothing(status):
    assert moved(statement.WITHDRAWALS, withdrawal(status=status), withdrawal(id="2")) == [Decimal(-9)]


def test_what_goes_to_or_from_the_funding_wallet_moves_no_spot_balance():
    assert moved(statement.WITHDRAWALS, withdrawal(walletType=1)) == []
    assert moved(statement.DEPOSITS, deposit(walletType=1), deposit(id="770")) == [Decimal("0.5")]


def test_transfers_are_read_page_by_page():
    """A full page is followed by the next."""
    row = {"tranId": 1, "asset": "USDT", "amount": "1", "type": "MAIN_UMFUTURE", "status": "CONFIRMED"}
    first = asked(statement.TRANSFERS)
    full = answer({"total": 150, "rows": [{**row, "tranId": at, "timestamp": at} for at in range(100)]})
    second = statement.following(first, full)
    assert second is not None
    assert second.params == {**first.params, "current": 2}
    third = statement.following(second, full)
    assert third is not None
    assert third.params["current"] == 3
    assert statement.following(second, answer({"total": 150, "rows": []})) is None
    assert statement.following(second, answer({})) is None
