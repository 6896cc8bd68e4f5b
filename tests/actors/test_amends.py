"""Amends through the one door, on the whole runtime: durable before sent, answered by what they came to."""

from decimal import Decimal

import pytest
import trio

from actors.model import results as r
from actors.model.messages import NoSuchOrder, Refused
from tests.fixtures.runtime import Machine, intent


@pytest.fixture(params=[True, False], ids=["in place", "by replacement"])
def machine(request):
    """The simulated exchange, with and without amends of its own."""
    machine = Machine(kind="sim")
    machine.amends_in_place = request.param
    return machine


def types(machine):
    return [record.type for record in machine.disk.records]


async def resting(runtime, price=None):
    mark = (await runtime.port.marks())[0].mark
    wanted = price or str((mark * Decimal("0.95")).quantize(Decimal(1)))
    placed = await runtime.port.place(intent(price=wanted), wait_seconds=5, correlation_id="t")
    assert isinstance(placed, r.Placed), placed
    return placed.order


async def amend(runtime, order, qty=None, price=None, *, key=None, wait=5.0, fingerprint=None):
    return await runtime.port.amend(
        order.order_id,
        quantity=None if qty is None else Decimal(qty),
        limit_price=None if price is None else Decimal(price),
        user="tester",
        token_id="token",
        idempotency_key=key,
        fingerprint=fingerprint or f"{qty}{price}",
        wait_seconds=wait,
        correlation_id="t",
    )


@pytest.mark.parametrize("side", ["buy", "sell"])
async def test_a_new_price_that_executes_at_once_is_a_done_amend(autojump_clock, machine, side):
    """Whatever is heard of first, the fill or the answer."""
    async with machine.boot() as runtime:
        mark = (await runtime.port.marks())[0].mark
        away, across = (Decimal("0.95"), Decimal("1.02"))[:: 1 if side == "buy" else -1]
        price, wanted = ((mark * each).quantize(Decimal(1)) for each in (away, across))
        placed = await runtime.port.place(
            intent(price=str(price), side=side), wait_seconds=5, correlation_id="t"
        )
        result = await amend(runtime, placed.order, None, str(wanted))
        assert isinstance(result, r.Amended), result
        await trio.sleep(1)
        order = runtime.log.book.order(placed.order.order_id)
    assert (order.status, order.version, order.amend.state) == ("filled", 2, "done")
    assert order.intent.limit_price == wanted


def unsettled(order):
    """Whether the exchange has still to be asked what the order is."""
    return order.amending is not None or order.status == "unknown"


async def test_an_amend_is_answered_with_the_order_under_its_new_terms(autojump_clock, machine):
    """The intent is in the journal before anything reaches the exchange."""
    async with machine.boot() as runtime:
        order = await resting(runtime)
        result = await amend(runtime, order, "0.02")
        assert isinstance(result, r.Amended), result
        assert (result.order.intent.quantity, result.order.version, result.order.status) == (
            Decimal("0.02"),
            2,
            "open",
        )
        price = order.intent.limit_price - 10
        result = await amend(runtime, order, price=price)
        assert (result.order.intent.limit_price, result.order.version) == (price, 3)
        assert machine.disk.orders[order.order_id] == result.order


async def test_asking_for_the_terms_that_an_order_has_does_nothing(autojump_clock, machine):
    """An amend says what is to be."""
    async with machine.boot() as runtime:
        order = await resting(runtime)
        before = len(machine.disk.records)
        result = await amend(runtime, order, "0.01", order.intent.limit_price)
        assert isinstance(result, r.Amended)
        assert len(machine.disk.records) == before


async def test_a_late_repetition_under_its_key_never_brings_old_terms_back(autojump_clock, machine):
    """The journal is asked what became of the request, also by the next process."""
    async with machine.boot() as runtime:
        order = await resting(runtime)
        await amend(runtime, order, "0.02", key="k1")
        await amend(runtime, order, "0.03", key="k2")
        again = await amend(runtime, order, "0.02", key="k1")
        assert (type(again), again.order.intent.quantity) == (r.Amended, Decimal("0.03"))
        other = await amend(runtime, order, "0.04", key="k1")
        assert (type(other), other.code) == (r.Conflict, "IDEMPOTENCY_MISMATCH")
    async with machine.boot() as runtime:
        again = await amend(runtime, order, "0.02", key="k1")
        assert (type(again), again.order.intent.quantity) == (r.Amended, Decimal("0.03"))


async def test_many_at_once_under_one_key_are_one_amend(autojump_clock, machine):
    """And many without one, for other terms, wait their turn."""
    results = []

    async def one(runtime, order, qty, key):
        results.append(await amend(runtime, order, qty, key=key))

    async with machine.boot() as runtime:
        order = await resting(runtime)
        async with trio.open_nursery() as nursery:
            for _ in range(30):
                nursery.start_soon(one, runtime, order, "0.02", "key")
        assert types(machine).count("AmendAccepted") == 1
        assert {getattr(each, "code", "IN_PROGRESS") for each in results} == {"IN_PROGRESS"}
        results.clear()
        async with trio.open_nursery() as nursery:
            for number in range(3, 9):
                nursery.start_soon(one, runtime, order, f"0.0{number}", None)
        done = [each for each in results if isinstance(each, r.Amended)]
        assert len(done) == 1
        assert {each.code for each in results if isinstance(each, r.NotAmended)} <= {
            "AMEND_IN_PROGRESS",
            "NOT_AMENDABLE",
        }


async def test_a_limit_that_speaks_against_it_is_journaled_and_repeated(autojump_clock, machine):
    """The order works on as it was."""
    async with machine.boot() as runtime:
        order = await resting(runtime)
        result = await amend(runtime, order, "5", key="k")
        assert (type(result), result.code, result.order.status) == (r.NotAmended, "MAX_POSITION", "open")
        assert result.limit == "50000"
        again = await amend(runtime, order, "5", key="k")
        assert (again.code, again.limit) == ("MAX_POSITION", "50000")
        assert types(machine).count("AmendDenied") == 1
        risk = await runtime.port.risk()
        used = next(each.used for each in risk.limits if each.code == "MAX_POSITION" and each.symbol)
        assert used < 1000


async def test_what_is_not_there_or_over_can_not_be_amended(autojump_clock, machine):
    """Each with its own answer."""
    async with machine.boot() as runtime:
        order = await resting(runtime)
        missing = await runtime.port.amend(
            "00000000-0000-4000-8000-000000000000",
            quantity=Decimal(1),
            limit_price=None,
            user="",
            token_id="",
            idempotency_key=None,
            fingerprint="",
            wait_seconds=1,
            correlation_id="t",
        )
        assert isinstance(missing, NoSuchOrder)
        await runtime.port.cancel(order.order_id, by="me", correlation_id="t", wait_seconds=5)
        closed = await amend(runtime, order, "0.02")
        assert (type(closed), closed.code) == (r.NotAmended, "ORDER_CLOSED")


async def test_an_amend_whose_intent_is_too_slow_is_refused_and_never_sent(autojump_clock, machine):
    """The commit lands after the answer: the order stays as it was."""
    async with machine.boot() as runtime:
        order = await resting(runtime)
        machine.faults.latency_seconds = 1.5
        result = await amend(runtime, order, "0.02")
        assert (type(result), result.code) == (Refused, "JOURNAL_UNAVAILABLE")
        machine.faults.latency_seconds = 0.0
        await trio.sleep(1)
        now = runtime.port.book.orders[order.order_id]
        assert (now.intent.quantity, now.version, now.amending) == (Decimal("0.01"), 1, None)
        assert (await amend(runtime, order, "0.02")).order.version == 2


async def test_nothing_is_amended_after_a_kill(autojump_clock, machine):
    """Not even to less."""
    async with machine.boot() as runtime:
        order = await resting(runtime)
        await runtime.port.kill(
            level="halt", exchange=None, symbol=None, reason="", by="me", correlation_id="t"
        )
        result = await amend(runtime, order, "0.005")
        assert isinstance(result, r.NotAmended)
        assert result.code in ("TRADING_HALTED", "NOT_AMENDABLE", "ORDER_CLOSED")


@pytest.mark.parametrize("moment", [0.0015, 0.0025, 0.004])
async def test_a_process_that_dies_during_an_amend_leaves_one_order_and_the_truth(
    autojump_clock, machine, moment
):
    """The next one finds out what the exchange made of it."""
    machine.faults.latency_seconds = 0.001
    async with machine.boot() as runtime, trio.open_nursery() as nursery:
        order = await resting(runtime)
        nursery.start_soon(amend, runtime, order, "0.02")
        await trio.sleep(moment)
        nursery.cancel_scope.cancel()
    async with machine.boot() as runtime:
        while unsettled(now := runtime.port.book.order(order.order_id)):  # noqa: ASYNC110 - nothing tells
            await trio.sleep(0.1)
        if now is not None and now.is_open:
            assert now.amending is None
            assert now.status == "open"
            repeated = await amend(runtime, order, "0.02")
            assert isinstance(repeated, r.Amended), repeated
            assert repeated.order.intent.quantity == Decimal("0.02")
