"""What every archive answers, on PostgreSQL and in memory."""

from decimal import Decimal

import pytest

from actors.model.events import (
    AmendAccepted,
    AmendAsked,
    AmendDenied,
    CancelRequested,
    LimitChanged,
    OrderAmended,
    OrderCanceled,
    OrderReplaced,
)
from actors.queries import OrderFilter
from tests.fixtures.journal import PLACE, START_US, Writer, accepted, acknowledged, denied, filled, order_id
from tests.fixtures.stores import Stores


async def test_an_order_comes_back_exactly_as_the_book_has_it_in_every_state(
    stores: Stores, writer: Writer
) -> None:
    """Whatever the last event was, the table holds the whole state."""
    archive = stores.archive()
    canceled = OrderCanceled(**PLACE, order_id=order_id(1), reason="asked")
    requested = CancelRequested(**PLACE, order_id=order_id(1), by="ann")
    for event in (
        accepted(1),
        acknowledged(1),
        filled(1, 1, "0.2"),
        requested,
        canceled,
        filled(1, 2, "0.1"),
    ):
        await writer.write(event)
        assert await archive.order(order_id(1)) == writer.tail.book.order(order_id(1))
    await writer.write(denied(2, type="market", limit_price=None, idempotency_key=None))
    assert await archive.order(order_id(2)) == writer.tail.book.order(order_id(2))
    stop = {"type": "stop", "limit_price": None, "stop_price": Decimal("90.5")}
    for number, event in ((3, accepted(3, **stop)), (3, acknowledged(3)), (4, denied(4, **stop))):
        await writer.write(event)
        assert await archive.order(order_id(number)) == writer.tail.book.order(order_id(number))


async def test_an_unknown_or_malformed_order_id_finds_nothing(stores: Stores, writer: Writer) -> None:
    """A text that is no id is an ordinary miss."""
    archive = stores.archive()
    for text in (order_id(7), "nonsense", "", order_id(7).upper()):
        assert await archive.order(text) is None
        assert list(await archive.fills(None, None, text, 10, None)) == []
        assert list(await archive.events(0, 10, text)) == []


async def test_orders_are_found_by_what_their_client_called_them(stores: Stores, writer: Writer) -> None:
    """By client order id at an exchange, and by idempotency key of a token."""
    await writer.write(accepted(1), denied(2))
    archive = stores.archive()
    for number in (1, 2):
        order = writer.tail.book.order(order_id(number))
        assert await archive.order_by_client_id("sim", f"client-{number}") == order
        assert await archive.order_by_key("token-1", f"key-{number}") == order
    assert await archive.order_by_client_id("other", "client-1") is None
    assert await archive.order_by_key("token-2", "key-1") is None


async def test_orders_are_listed_newest_first_in_pages(stores: Stores, writer: Writer) -> None:
    """The cursor of a page's last row gives the next page, also among orders of the same moment."""
    await writer.write(*(accepted(number) for number in range(1, 4)))
    await writer.write(*(accepted(number) for number in range(4, 8)))
    archive = stores.archive()
    seen: list[str] = []
    before = None
    while page := await archive.orders(OrderFilter(limit=2, before=before)):
        seen += [order.order_id for order in page]
        before = (page[-1].created_us, page[-1].order_id)
    assert seen == [order_id(number) for number in range(7, 0, -1)]


async def test_orders_are_filtered_by_status_exchange_and_symbol(stores: Stores, writer: Writer) -> None:
    """Filters combine."""
    await writer.write(accepted(1), accepted(2, symbol="ETH/USDT"), accepted(3, exchange="other"), denied(4))
    await writer.write(acknowledged(1))
    archive = stores.archive()

    async def numbers(**wanted: object) -> list[str]:
        return [order.order_id[-1] for order in await archive.orders(OrderFilter(**wanted))]

    assert await numbers(statuses=("open",)) == ["1"]
    assert await numbers(statuses=("open", "denied")) == ["4", "1"]
    assert await numbers(symbol="ETH/USDT") == ["2"]
    assert await numbers(exchange="sim", symbol="BTC/USDT") == ["4", "1"]
    assert await numbers(exchange="other", statuses=("open",)) == []


async def test_fills_are_listed_newest_first_and_filtered(stores: Stores, writer: Writer) -> None:
    """By order, symbol and exchange, in pages."""
    await writer.write(accepted(1), accepted(2))
    await writer.write(filled(1, 1, "0.1", START_US + 5), filled(1, 2, "0.1", START_US + 7))
    await writer.write(filled(2, 1, "0.1", START_US + 6))
    archive = stores.archive()
    fills = await archive.fills(None, None, None, 10, None)
    assert [fill.trade_id for fill in fills] == ["t-1-2", "t-2-1", "t-1-1"]
    assert fills[0] == filled(1, 2, "0.1", START_US + 7).fill
    before = (fills[0].at_us, fills[0].fill_id)
    assert list(await archive.fills(None, None, None, 1, before)) == [fills[1]]
    assert list(await archive.fills("sim", "BTC/USDT", order_id(2), 10, None)) == [fills[1]]
    assert list(await archive.fills("other", None, None, 10, None)) == []
    assert list(await archive.fills(None, "ETH/USDT", None, 10, None)) == []


async def test_events_are_read_in_order_or_of_one_order_alone(stores: Stores, writer: Writer) -> None:
    """The records of one order carry the hash of the record before, whosesoever that is."""
    await writer.write(accepted(1), accepted(2), acknowledged(1), acknowledged(2))
    archive = stores.archive()
    assert list(await archive.events(0, 3)) == list(writer.tail.after(0))[:3]
    assert list(await archive.events(1, 10)) == list(writer.tail.after(1))
    of_one = await archive.events(0, 10, order_id(2))
    assert list(of_one) == [record for record in writer.tail.after(0) if record.seq in (2, 4)]
    assert [record.seq for record in await archive.events(2, 10, order_id(2))] == [4]


async def test_orders_are_recalled_by_our_id_at_the_exchange(stores: Stores, writer: Writer) -> None:
    """With the trades already applied, in the order of the question."""
    await writer.write(accepted(1), accepted(2), accepted(3, exchange="other"))
    await writer.write(filled(1, 1, "0.1"), filled(1, 2, "0.1", START_US + 9))
    archive = stores.archive()
    recalled = await archive.recall("sim", ["venue-2", "unknown", "venue-1", "venue-3"])
    assert recalled == [
        (writer.tail.book.order(order_id(2)), ()),
        (writer.tail.book.order(order_id(1)), ("t-1-1", "t-1-2")),
    ]
    assert list(await archive.recall("sim", [])) == []


def amend_accepted(amend_id: str, quantity: str, venue_id: str = "") -> AmendAccepted:
    asked = AmendAsked(
        amend_id=amend_id,
        quantity=Decimal(quantity),
        limit_price=Decimal("99.5"),
        token_id="token-1",
        idempotency_key=f"key of {amend_id}",
    )
    return AmendAccepted(
        **PLACE,
        order_id=order_id(1),
        asked=asked,
        reserve_price=Decimal("99.5"),
        venue_id=venue_id,
        mark=Decimal(100),
        send_before_us=7,
    )


async def test_an_amended_order_comes_back_exactly_and_is_found_by_each_id_that_it_had(
    stores: Stores, writer: Writer
) -> None:
    """In place first, then twice by replacement."""
    archive = stores.archive()
    about = {**PLACE, "order_id": order_id(1)}
    for event in (
        accepted(1),
        acknowledged(1),
        amend_accepted("a1", "0.7"),
        OrderAmended(**about, amend_id="a1"),
        amend_accepted("a2", "0.8", "second-1"),
        filled(1, 1, "0.1"),
        OrderReplaced(**about, amend_id="a2", venue_id="second-1", quantity=Decimal("0.7"), reason="ended"),
        acknowledged(1),
        amend_accepted("a3", "0.9", "third-1"),
        OrderReplaced(**about, amend_id="a3", venue_id="third-1", quantity=Decimal("0.8"), reason="ended"),
        OrderCanceled(**about, reason="asked"),
    ):
        await writer.write(event)
        assert await archive.order(order_id(1)) == writer.tail.book.order(order_id(1))
    order = writer.tail.book.order(order_id(1))
    assert order is not None
    assert order.version == 4
    for venue_id in ("venue-1", "second-1", "third-1"):
        assert await archive.recall("sim", [venue_id]) == [(order, ("x-1/t-1-1",))]


async def test_an_amend_is_found_by_its_orders_and_its_clients_key(stores: Stores, writer: Writer) -> None:
    """A repetition of the same request gets the same answer."""
    accepted_one = amend_accepted("a1", "0.7")
    denied_one = AmendDenied(
        **PLACE,
        order_id=order_id(1),
        asked=amend_accepted("a2", "9").asked,
        code="MAX_POSITION",
        detail="too much",
    )
    await writer.write(accepted(1), acknowledged(1), accepted_one)
    await writer.write(denied_one)
    archive = stores.archive()
    assert await archive.amend_by_key(order_id(1), "token-1", "key of a1") == accepted_one
    assert await archive.amend_by_key(order_id(1), "token-1", "key of a2") == denied_one
    assert await archive.amend_by_key(order_id(1), "token-2", "key of a1") is None
    assert await archive.amend_by_key(order_id(2), "token-1", "key of a1") is None
    assert await archive.amend_by_key("nonsense", "token-1", "key of a1") is None


async def test_the_versions_of_a_limit_are_listed_newest_first(stores: Stores, writer: Writer) -> None:
    """All of them, those of one name, and those before a page's last row."""
    changes = [
        LimitChanged(name=name, old=None, new=new, by="ann", reason="r")
        for name, new in (("max_pos_usd", "1"), ("margin", "off"), ("max_pos_usd", "2"))
    ]
    for change in changes:
        await writer.write(accepted(len(writer.tail.book.orders) + 1), change)
    archive = stores.archive()
    assert [each.event for each in await archive.limit_changes(None, 10)] == changes[::-1]
    assert [each.event for each in await archive.limit_changes("max_pos_usd", 10)] == changes[2::-2]
    (newest,) = await archive.limit_changes("max_pos_usd", 1)
    assert [each.event for each in await archive.limit_changes("max_pos_usd", 10, newest.seq)] == changes[:1]
    assert newest == (await archive.events(newest.seq - 1, 1))[0]
    assert list(await archive.limit_changes("no_such", 10)) == []


@pytest.mark.parametrize("limit", [1, 1000])
async def test_an_empty_archive_answers_with_nothing(stores: Stores, limit: int) -> None:
    """Before the first order every list is empty."""
    archive = stores.archive()
    assert list(await archive.orders(OrderFilter(limit=limit))) == []
    assert list(await archive.fills(None, None, None, limit, None)) == []
    assert list(await archive.events(0, limit)) == []
