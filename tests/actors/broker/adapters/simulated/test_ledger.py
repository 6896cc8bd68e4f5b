"""The books of the simulated exchange, in memory and in PostgreSQL: the same promises."""

from collections.abc import AsyncIterator
from decimal import Decimal

import msgspec
import pytest

from actors.broker.adapters.simulated.ledger import (
    BalanceRow,
    Entry,
    FillRow,
    LedgerUnavailable,
    MemoryLedger,
    Opening,
    OrderRow,
    SimLedger,
)
from actors.model.fill import Fill
from persistence.postgres import Database, open_bridge
from persistence.postgres.sim_ledger import PostgresLedger


def fail_on_error(message: str, error: BaseException | None) -> None:
    """No error may go unnoticed in the bridge's loop."""
    raise AssertionError(message) from error


@pytest.fixture(params=["memory", "postgres"])
async def ledger(request: pytest.FixtureRequest) -> AsyncIterator[SimLedger]:
    """Empty books in each implementation."""
    if request.param == "memory":
        yield MemoryLedger()
        return
    async with open_bridge(fail_on_error):
        database = Database(request.getfixturevalue("postgres_dsn"))
        yield PostgresLedger(database, "sim")
        await database.close()


def order(number: int = 1, **fields: object) -> OrderRow:
    """An order that rests."""
    row = OrderRow(
        number=number,
        account="main",
        client_id=f"c{number}",
        symbol="BTC/USDT",
        side="buy",
        type="limit",
        quantity=Decimal("0.012345678901"),
        limit_price=Decimal("39000.10"),
        time_in_force="GTC",
        post_only=True,
        created_us=1_700_000_000_000_001,
        updated_us=1_700_000_000_000_002,
        revision=number,
    )
    return msgspec.structs.replace(row, **fields)


def fill(number: int = 1, at_us: int = 10, symbol: str = "BTC/USDT", account: str = "main") -> FillRow:
    """A fill of the first order."""
    return FillRow(
        number=number,
        account=account,
        order_number=1,
        fill=Fill(
            exchange="sim",
            market_type="spot",
            symbol=symbol,
            exchange_order_id="1",
            trade_id=str(number),
            order_id="c1",
            side="buy",
            quantity=Decimal("0.000000000001"),
            price=Decimal("123456789012345678.123456789012"),
            fee=Decimal("-0.00000001"),
            fee_currency="USDT",
            liquidity="maker",
            at_us=at_us,
        ),
    )


def balance(total: str, revision: int = 1, asset: str = "USDT") -> BalanceRow:
    """What the account holds."""
    return BalanceRow(account="main", asset=asset, total=Decimal(total), revision=revision)


def entry(revision: int = 1, **rows: object) -> Entry:
    """Rows that are written together."""
    return Entry(revision=revision, next_order=revision + 10, next_trade=revision + 20, **rows)


async def test_empty_books_open_at_the_beginning(ledger: SimLedger) -> None:
    """The first numbers are given next."""
    assert await ledger.load(10) == Opening()
    assert await ledger.order("main", "c1") is None
    assert await ledger.fills("main", "BTC/USDT", 0) == ()


async def test_what_was_written_is_read_back_to_the_last_digit(ledger: SimLedger) -> None:
    """Market orders have no price, and a total may be negative."""
    market = order(2, type="market", limit_price=None, status="filled", executed=Decimal("0.012345678901"))
    rows = {"orders": (order(), market), "fills": (fill(),), "balances": (balance("-12.000000000001"),)}
    await ledger.write(entry(2, **rows))
    opening = await ledger.load(10)
    assert (opening.revision, opening.next_order, opening.next_trade) == (2, 12, 22)
    assert opening.orders == (market, order())
    assert opening.balances == (balance("-12.000000000001"),)
    assert await ledger.order("main", "c2") == market
    assert await ledger.fills("main", "BTC/USDT", 10) == (fill(),)


async def test_an_entry_can_be_written_again_and_an_older_one_changes_nothing(ledger: SimLedger) -> None:
    """So a write that nobody knows the outcome of is repeated, and one that lands late is harmless."""
    first = entry(1, orders=(order(),), fills=(fill(),), balances=(balance("1"),))
    changed = order(executed=Decimal("0.01"), revision=5)
    second = entry(5, orders=(changed,), fills=(fill(2, 11),), balances=(balance("2", 5),))
    for each in (first, second, second, first):
        await ledger.write(each)
    opening = await ledger.load(10)
    assert (opening.revision, opening.next_order) == (5, 15)
    assert opening.orders == (changed,)
    assert opening.balances == (balance("2", 5),)
    assert await ledger.fills("main", "BTC/USDT", 0) == (fill(), fill(2, 11))


async def test_only_so_many_closed_orders_are_loaded_the_newest(ledger: SimLedger) -> None:
    """The others can still be asked for."""
    closed = tuple(order(number, status="canceled", reason="r") for number in range(1, 6))
    await ledger.write(entry(9, orders=(*closed, order(6))))
    opening = await ledger.load(2)
    assert opening.orders == (closed[3], closed[4], order(6))
    assert await ledger.order("main", "c1") == closed[0]


async def test_fills_are_told_by_account_symbol_and_time_oldest_first(ledger: SimLedger) -> None:
    """From the moment asked for, that one included."""
    rows = (fill(3, 30), fill(1, 10), fill(2, 20), fill(4, 40, "ETH/USDT"), fill(5, 50, account="other"))
    await ledger.write(entry(1, fills=rows))
    found = await ledger.fills("main", "BTC/USDT", 20)
    assert [row.number for row in found] == [2, 3]


async def test_the_books_of_two_exchanges_in_one_database_are_apart(postgres_dsn: str) -> None:
    """Numbers repeat between them."""
    async with open_bridge(fail_on_error):
        database = Database(postgres_dsn)
        one, two = PostgresLedger(database, "one"), PostgresLedger(database, "two")
        await one.write(entry(1, orders=(order(),), fills=(fill(),), balances=(balance("1"),)))
        assert await two.load(10) == Opening()
        await two.write(entry(7, orders=(order(quantity=Decimal(9)),)))
        assert (await one.load(10)).orders == (order(),)
        await database.close()


async def test_a_database_that_is_away_is_said_to_be(postgres_dsn: str) -> None:
    """Nothing is guessed; the exchange writes again later."""
    async with open_bridge(fail_on_error):
        database = Database(postgres_dsn)
        await database.close()
        with pytest.raises(LedgerUnavailable):
            await PostgresLedger(database, "sim").write(entry(1))
