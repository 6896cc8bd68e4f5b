"""Balance adjustments: each line of a statement once, and a person's correction with its name on it."""

from decimal import Decimal

import pytest
import trio

from actors.model import messages as m
from actors.model.events import AccountOpened, BalanceAdjusted
from actors.model.messages import BalanceMove, BookBalances
from tests.actors.halt.test_actor import among_many
from tests.fixtures.floor import Floor


def told(*evidence, amount="25"):
    """What a broker says that the exchange's statement lists."""
    moves = tuple(
        BalanceMove(asset="USDT", amount=Decimal(amount), cause="deposit", evidence=each, at_us=1)
        for each in evidence
    )
    return BookBalances(exchange="sim", moves=moves)


async def correct(floor, **changes):
    fields = {"exchange": "sim", "asset": "USDT", "amount": Decimal(-10), "reference": "wd-1"}
    asked = m.AdjustBalance(**{**fields, "reason": "by hand", "by": "ann", "correlation_id": "c", **changes})
    return await floor.system.ref("operator").ask(asked, timeout=5)


async def opened(floor):
    """Wait until the journal has seen the account."""
    with trio.fail_after(5):
        while not floor.events(AccountOpened):  # noqa: ASYNC110
            await trio.sleep(0.01)
    return floor.log.book.cash["sim", "USDT"]


async def test_a_line_that_is_told_again_and_again_is_booked_once(autojump_clock):
    async with Floor().open() as floor:
        before = await opened(floor)
        for evidence in (("a",), ("a", "b"), ("b", "a")):
            floor.system.ref("operator").tell(told(*evidence))
        await floor.settle()
        floor.system.ref("operator").tell(told("a", "b"))
        await floor.settle()
        assert [event.evidence for event in floor.events(BalanceAdjusted)] == ["a", "b"]
        assert floor.log.book.cash["sim", "USDT"] == before + 50


async def test_a_persons_correction_says_who_and_why_and_counts_once(autojump_clock):
    async with Floor().open() as floor:
        before = await opened(floor)
        assert await correct(floor) == m.BalanceBooked(total=before - 10)
        again = await correct(floor)
        assert (type(again), again.code) == (m.Refused, "REFERENCE_USED")
        (event,) = floor.events(BalanceAdjusted)
        assert (event.cause, event.evidence) == ("recorded by ann: by hand", "recorded:wd-1")
        assert floor.log.book.cash["sim", "USDT"] == before - 10


async def test_two_corrections_at_once_with_one_reference_are_one(autojump_clock):
    async with Floor().open() as floor:
        before = await opened(floor)
        answers = []

        async def one():
            answers.append(type(await correct(floor)).__name__)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(one)
            nursery.start_soon(one)
        assert sorted(answers) == ["BalanceBooked", "Refused"]
        assert floor.log.book.cash["sim", "USDT"] == before - 10


@pytest.mark.parametrize("exchange", ["nowhere", "other"])
async def test_an_account_that_the_journal_has_not_seen_is_not_adjusted(autojump_clock, exchange):
    async with Floor().open() as floor:
        await opened(floor)
        refused = await correct(floor, exchange=exchange)
        assert (type(refused), refused.code) == (m.Refused, "VALIDATION")
        assert not floor.events(BalanceAdjusted)


async def test_a_correction_that_landed_is_answered_so_though_the_log_remembers_it_no_more(autojump_clock):
    """Who is told that it was lost makes it again, under another reference."""
    async with Floor().open() as floor:
        before = await opened(floor)
        assert await among_many(floor, lambda: correct(floor)) == m.BalanceBooked(total=before - 10)
