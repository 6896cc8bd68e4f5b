"""Which records are told, as which events, with which fields: every kind once, from the journal."""

from decimal import Decimal

import msgspec
import pytest

from actors.model import events as ev
from actors.model.fill import Fill
from actors.webhook.events import EVENTS, SUPERVISOR, told
from tests.actors.webhook.world import Journal
from tests.fixtures.journal import PLACE, accepted, denied, order_id
from tests.fixtures.runtime import SimulatedClock

FROM_ELSEWHERE = {"breaker_changed", "redis_changed"}
"""What the journal does not have."""


@pytest.fixture
async def journal() -> Journal:
    return Journal(SimulatedClock())


def fill(journal: Journal, number: int, quantity: str) -> ev.OrderFilled:
    trade = Fill(
        **PLACE,
        market_type="spot",
        exchange_order_id=f"x{number}",
        trade_id=f"t{len(journal.records)}",
        order_id=order_id(number),
        side="buy",
        quantity=Decimal(quantity),
        price=Decimal(100),
        fee=Decimal("0.01"),
        fee_currency="USDT",
        at_us=journal.clock.now_us(),
    )
    return ev.OrderFilled(**PLACE, order_id=order_id(number), fill=trade)


def bodies(journal: Journal, *events: ev.AnyEvent) -> list[dict]:
    """What is told of these events when they are committed."""
    before = len(journal.records)
    journal.commit(*events)
    return [
        msgspec.json.decode(message.body)
        for record, change in zip(journal.records[before:], journal.changes[before:], strict=True)
        for message in told(record, change)
    ]


def names(found: list[dict]) -> list[str]:
    return [each["event"] for each in found]


def place(number: int) -> dict:
    return {**PLACE, "order_id": order_id(number)}


def amend(number: int, quantity: str, venue_id: str = "") -> ev.AmendAccepted:
    return ev.AmendAccepted(
        **place(number),
        asked=ev.AmendAsked(amend_id="a1", quantity=Decimal(quantity), limit_price=Decimal(90)),
        reserve_price=Decimal(90),
        venue_id=venue_id,
        mark=Decimal(100),
        send_before_us=0,
    )


def everything(journal: Journal) -> list[dict]:
    """One of each."""
    working = [ev.OrderAcknowledged(**place(n), exchange_order_id=f"x{n}") for n in (1, 2)]
    found = bodies(journal, *(accepted(n) for n in range(1, 6)), *working, denied(6))
    found += bodies(journal, fill(journal, 1, "0.25"))
    rest = str(journal.changes[-1].order.remaining)
    found += bodies(journal, fill(journal, 1, rest))
    return found + bodies(
        journal,
        amend(2, "0.4"),
        ev.OrderAmended(**place(2), amend_id="a1"),
        ev.OrderCanceled(**place(2), reason="asked"),
        ev.OrderRejected(**place(3), code="EXCHANGE_REJECTED", reason="no"),
        ev.OrderUnresolved(**place(4), reason="time-out"),
        ev.KillEngaged(
            kill_id="k", level="cancel", exchange=None, symbol=None, reason="gave up", by=SUPERVISOR
        ),
        ev.PositionAdjusted(
            exchange="sim",
            symbol="BTC/USDT",
            quantity=Decimal("0.5"),
            price=Decimal(100),
            cause="deposit",
            evidence="statement 1",
        ),
    )


async def test_every_kind_of_event_comes_from_the_journal_or_is_named_as_an_exception(journal):
    assert set(names(everything(journal))) == set(EVENTS) - FROM_ELSEWHERE


async def test_a_fill_has_the_promised_fields_as_texts(journal):
    found = next(each for each in everything(journal) if each["event"] == "order_filled")
    promised = ("event", "orderId", "symbol", "filledQty", "avgPrice", "timestamp")
    assert all(isinstance(found[name], str) for name in promised)
    assert (found["orderId"], found["symbol"], found["avgPrice"]) == (order_id(1), "BTC/USDT", "100")
    assert found["timestamp"].endswith("Z")
    assert found["fill"]["feeCurrency"] == "USDT"


async def test_a_fill_tells_of_the_order_first_and_then_of_the_position(journal):
    bodies(journal, accepted(1), ev.OrderAcknowledged(**place(1), exchange_order_id="x1"))
    assert names(bodies(journal, fill(journal, 1, "0.1"))) == ["order_partially_filled", "position_changed"]


async def test_an_amend_is_told_once_it_is_in_force_and_with_the_new_terms(journal):
    """In place as well as by a replacement; not while it is only asked for."""
    for number in (1, 2):
        working = ev.OrderAcknowledged(**place(number), exchange_order_id=f"x{number}")
        bodies(journal, accepted(number, type="limit", limit_price=Decimal(80)), working)
    assert bodies(journal, amend(1, "0.4"), amend(2, "0.4", venue_id="v2")) == []
    found = bodies(
        journal,
        ev.OrderAmended(**place(1), amend_id="a1"),
        ev.OrderReplaced(**place(2), amend_id="a1", venue_id="v2", quantity=Decimal("0.4"), reason=""),
    )
    assert names(found) == ["order_amended", "order_amended"]
    assert [(each["amendId"], each["qty"], each["limitPrice"]) for each in found] == [("a1", "0.4", "90")] * 2


async def test_an_exchange_that_halts_by_itself_is_a_difference_too(journal):
    found = bodies(
        journal,
        ev.TradingStateChanged(
            exchange="sim", symbol=None, old="active", new="halted", cause="the balance moved"
        ),
    )
    assert names(found) == ["trading_state_changed", "reconciliation_difference"]
    assert found[1]["cause"] == "the balance moved"


async def test_a_resume_and_a_kill_say_who_and_why(journal):
    [killed] = bodies(
        journal,
        ev.KillEngaged(kill_id="k", level="halt", exchange=None, symbol=None, reason="nerves", by="ann"),
    )
    [resumed] = bodies(journal, ev.TradingResumed(kill_ids=("k",), reason="calm", by="bob"))
    assert (killed["tradingState"], killed["by"], killed["cause"]) == ("halted", "ann", "nerves")
    assert (resumed["tradingState"], resumed["by"], resumed["killIds"]) == ("active", "bob", ["k"])
