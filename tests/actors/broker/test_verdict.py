"""A person's verdict on an order whose absence nobody can prove."""

from decimal import Decimal

import msgspec
import pytest

from actors.broker.timings import BrokerTimings
from actors.model import messages as say
from tests.actors.broker.little_exchange import LittleExchange
from tests.actors.broker.world import TestClock, eventually, open_world

TIMINGS = BrokerTimings(submit=1.0, query=1.0, open_orders_every=2.0, accounts_every=3.0)


def without_proof():
    port = LittleExchange(TestClock())
    port.capabilities = msgspec.structs.replace(port.capabilities, absence_window_seconds=None)
    return port


async def judge(world, order_id):
    verdict = say.RecordAbsence(order_id=order_id, by="ann", reason="not on the site")
    return await world.broker.ask(verdict, timeout=1)


async def unknown(world, fault="drop"):
    world.port.next_submits.append(fault)
    order_id = world.accept(quantity="2", price="90")
    await world.until(order_id, "unknown")
    return order_id


async def looked(world):
    """Wait until the exchange was asked everywhere, and found nothing."""
    await eventually(lambda: any(name == "fills" for name, at in world.port.calls[-3:]))


async def test_a_verdict_ends_the_order_and_stands_in_the_journal_with_its_author(autojump_clock):
    async with open_world(port=without_proof(), timings=TIMINGS) as world:
        order_id = await unknown(world)
        await looked(world)
        assert await judge(world, order_id) == say.AbsenceTaken(order_id=order_id)
        order = await world.until(order_id, "denied")
        assert (order.code, order.reason) == ("NOT_SENT", "verdict of ann: not on the site")
        assert world.port.submits.count(order.intent.venue_id) == 1


async def test_an_order_that_shows_up_after_its_verdict_is_cancelled_and_halts_its_exchange(autojump_clock):
    async with open_world(port=without_proof(), timings=TIMINGS) as world:
        order_id = await unknown(world)
        await looked(world)
        await judge(world, order_id)
        await world.until(order_id, "denied")
        world.port.take("tw-1", "BTC/USDT", "buy", "limit", Decimal(2), Decimal(90))
        await eventually(lambda: world.operator.of(say.HaltExchange))
        await eventually(lambda: world.port.orders["tw-1"].status == "canceled")
        assert order_id in world.operator.of(say.HaltExchange)[0].cause
        await world.until(order_id, "canceled")


@pytest.mark.parametrize(("reachable", "code"), [(True, "PROOF_PENDING"), (False, "PROOF_PENDING")])
async def test_where_the_exchange_can_tell_or_was_not_asked_nobody_may_judge(autojump_clock, reachable, code):
    """With a receive window the proof comes by itself; during an outage nobody has looked."""
    port = LittleExchange(TestClock()) if reachable else without_proof()
    async with open_world(port=port, timings=TIMINGS) as world:
        port.reachable = reachable
        order_id = world.accept(quantity="2", price="90")
        if reachable:
            port.next_submits.append("drop")
        await world.until(order_id, "unknown", "submitted", "denied")
        if not reachable:
            await world.until(order_id, "unknown")
        refused = await judge(world, order_id)
        assert (type(refused), refused.code) == (say.Refused, code)
        assert world.order(order_id).status == "unknown"


async def test_an_order_that_is_not_unknown_is_not_judged(autojump_clock):
    async with open_world(port=without_proof(), timings=TIMINGS) as world:
        order_id = world.accept(quantity="2", price="90")
        await world.until(order_id, "open")
        assert (await judge(world, order_id)).code == "NOT_UNKNOWN"
        assert (await judge(world, "nobody's")).code == "NOT_UNKNOWN"
