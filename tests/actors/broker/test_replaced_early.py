"""An order that is amended before its submit is answered: a fill told of it first, and an amend followed."""

from decimal import Decimal

import msgspec
import pytest
import trio

from actors.broker.port import Confirmed, Rejected, Unresolved
from actors.model import messages as say
from tests.actors.broker.little_exchange import LittleExchange
from tests.actors.broker.world import TestClock, open_world

TAKES = 0.5
"""Seconds until the exchange has the order and executes a part of it."""
ANSWERS = 6.0
REPLACEMENT_TAKES = 8.0
ANSWER_OF = {
    "confirmed": lambda report, _now_us: Confirmed(
        exchange_order_id=report.exchange_order_id, status="canceled"
    ),
    "refused": lambda _report, _now_us: Rejected(code="INTERNAL", reason="came too late to tell"),
    "unresolved": lambda _report, now_us: Unresolved(reason="the line broke", signed_at_us=now_us),
}


def take(port, intent):
    return port.take(
        intent.venue_id, intent.symbol, intent.side, intent.type, intent.quantity, intent.limit_price
    )


def slow_to_answer(world, kind):
    async def submit(intent):
        signed_us = world.clock.now_us()
        await trio.sleep(TAKES)
        report = take(world.port, intent)
        world.port.execute(intent.venue_id, Decimal("0.4"), Decimal(99), stream=True)
        await trio.sleep(ANSWERS - TAKES)
        return ANSWER_OF[kind](report, signed_us)

    return submit


def slow_to_take(world):
    async def submit(intent):
        await trio.sleep(REPLACEMENT_TAKES)
        report = take(world.port, intent)
        return Confirmed(exchange_order_id=report.exchange_order_id, status="open")

    return submit


@pytest.mark.parametrize("kind", ANSWER_OF)
async def test_the_late_answer_of_what_was_replaced_is_not_taken_for_the_replacements(autojump_clock, kind):
    """It ended the replacement's sending, and its old time of signing could have proven that absent."""
    async with open_world() as world:
        world.port.next_submits.extend((slow_to_answer(world, kind), slow_to_take(world)))
        order_id = world.accept(quantity="1", price="99")
        await world.until(order_id, "partially_filled")
        amend_id = world.amend(order_id, "1", "98")
        await trio.sleep(ANSWERS)
        assert (order_id, amend_id) in world.gate.sends, "the replacement is out, and a kill has to list it"
        order = await world.amended(order_id, amend_id, "done")
        assert (order.status, order.version, order.placed) == ("partially_filled", 2, Decimal("0.6"))
        assert len(world.port.submits) == 2
        assert not {"OrderUnresolved", "OrderAbsent"} & set(world.types(order_id))
        assert not world.gate.begun
        await trio.sleep(60)
        assert world.order(order_id).status == "partially_filled"


async def test_a_cancel_while_both_are_out_is_carried_out_once_the_replacement_is_answered(autojump_clock):
    """The wish holds for the order, and not for what bears its name at the exchange at that moment."""
    async with open_world() as world:
        world.port.next_submits.extend((slow_to_answer(world, "confirmed"), slow_to_take(world)))
        order_id = world.accept(quantity="1", price="99")
        await world.until(order_id, "partially_filled")
        world.amend(order_id, "1", "98")
        await trio.sleep(2)
        wish = say.CancelOrder(order_id=order_id, by="ann", correlation_id="c")
        await world.position().ask(wish, timeout=5)
        await world.until(order_id, "canceled")
        assert all(report.status == "canceled" for report in world.port.orders.values())
        assert not world.gate.begun


async def test_a_replacement_is_never_proven_absent_by_the_time_at_which_its_predecessor_was_signed(
    autojump_clock,
):
    """Its own request may still arrive when that of the other can't any more."""
    async with trio.open_nursery() as nursery, open_world() as world:

        async def arrive(intent):
            await trio.sleep(4)
            take(world.port, intent)

        async def lost(intent):
            nursery.start_soon(arrive, intent)
            signed_us = world.clock.now_us()
            await trio.sleep(1)
            return Unresolved(reason="the line broke", signed_at_us=signed_us)

        world.port.next_submits.extend((slow_to_answer(world, "unresolved"), lost))
        order_id = world.accept(quantity="1", price="99")
        await world.until(order_id, "partially_filled")
        await trio.sleep(ANSWERS - 1)
        world.amend(order_id, "1", "98")
        await trio.sleep(20)
        assert "OrderUnresolved" in world.types(order_id)
        assert "OrderAbsent" not in world.types(order_id)
        assert (world.order(order_id).status, world.state) == ("partially_filled", "trading")


class InPlace(LittleExchange):
    """It changes orders where they rest, each time after `amend_takes` seconds."""

    def __init__(self, amend_takes):
        super().__init__(TestClock())
        self.capabilities = msgspec.structs.replace(self.capabilities, amends_in_place=True)
        self.amend_takes = amend_takes

    async def amend(self, intent, exchange_order_id):
        await trio.sleep(self.amend_takes)
        self._put(intent.venue_id, limit_price=intent.limit_price)
        return Confirmed(exchange_order_id=exchange_order_id, status="open")


@pytest.mark.parametrize("amend_takes", [1.0, 9.0], ids=["answered first", "answered last"])
async def test_an_order_is_in_flight_until_its_submit_and_its_amend_are_answered(autojump_clock, amend_takes):
    """The end of one must not hide from a kill that the other is still out."""
    async with open_world(port=InPlace(amend_takes)) as world:
        world.port.next_submits.append(slow_to_answer(world, "refused"))
        order_id = world.accept(quantity="1", price="99")
        await world.until(order_id, "partially_filled")
        amend = (order_id, world.amend(order_id, "1", "98"))
        answered_last = (amend,) if amend_takes > ANSWERS else ()
        await trio.sleep(ANSWERS - TAKES - 1)
        assert world.gate.sends == ((order_id, ""), *answered_last)
        await trio.sleep(2)
        assert world.gate.sends == answered_last
        await trio.sleep(amend_takes)
        assert world.gate.sends == ()
