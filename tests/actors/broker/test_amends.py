"""Amends, whatever the exchange: in place where it can, else by replacement; one suite for every bench."""

from decimal import Decimal
from functools import partial

import pytest
import trio
from trio.testing import MockClock

from actors.model import messages as say
from tests.actors.broker.benches import REPLACING, SIMULATED, open_bench
from tests.actors.broker.test_broker_suite import QUICK, WIRES, cancel, require, resting, simulated_only
from tests.actors.broker.world import TestClock, eventually, open_world

IN_TIME = (*SIMULATED, REPLACING)
PLACES = (*IN_TIME, *WIRES)
LOST = ["lost", "broken", "never", "late", "too late"]


@pytest.fixture(params=PLACES)
def place(request):
    return request.param


@pytest.fixture
def time_of(place):
    """Simulated time in the process; the machine's where real sockets are."""
    return MockClock(autojump_threshold=0) if place in IN_TIME else None


@pytest.fixture
async def bench(place):
    async with open_bench(place, TestClock()) as opened:
        yield opened


def world_at(bench, **settings):
    return open_world(bench=bench, timings=QUICK, **settings)


def lower(bench):
    return bench.far_below - 100


def step(bench):
    """The call that changes something at this exchange."""
    return "amend" if bench.port.capabilities.amends_in_place else "cancel"


def swept(world, sweep_id):
    """Whether the sweep has told that nothing is left."""
    return any(told.done and told.sweep_id == sweep_id for told in world.operator.of(say.SweepProgress))


async def open_order(world):
    order_id = resting(world)
    await world.until(order_id, "open")
    return order_id


async def test_an_amended_order_has_its_new_terms_at_the_exchange(time_of, bench):
    """One order here; there the same one, or one in its place."""
    async with world_at(bench) as world:
        order_id = await open_order(world)
        amend_id = world.amend(order_id, "0.02", lower(bench))
        order = await world.amended(order_id, amend_id, "done")
        assert (order.intent.quantity, order.intent.limit_price) == (Decimal("0.02"), lower(bench))
        report = await world.port.order(world.bench.symbol, order.intent.venue_id)
        assert (report.quantity, report.limit_price) == (Decimal("0.02"), lower(bench))
        assert (order.status, order.version) == ("open", 2)
        again = world.amend(order_id, "0.005", bench.far_below)
        assert (await world.amended(order_id, again, "done")).version == 3
        await world.agree()


@pytest.mark.parametrize("kind", LOST)
async def test_an_amend_without_an_answer_is_resolved_by_what_the_order_is(time_of, bench, kind):
    """Its fate is read from the exchange, and never guessed."""
    if kind in ("never", "broken"):
        simulated_only(bench)
    async with world_at(bench) as world:
        order_id = await open_order(world)
        require(bench, step(bench), kind)
        amend_id = world.amend(order_id, "0.02", lower(bench))
        order = await world.amended(order_id, amend_id, "done", "refused", seconds=60)
        if bench.port.capabilities.amends_in_place:
            assert (order.amend.state == "refused") == (kind in ("never", "too late"))
        if hasattr(bench, "faults"):
            await trio.sleep(10)
        report = await world.port.order(world.bench.symbol, order.intent.venue_id)
        assert (report.quantity, report.limit_price) == (order.placed, order.intent.limit_price)
        await world.agree()


@pytest.mark.parametrize("kind", LOST)
async def test_a_replacement_without_an_answer_is_looked_for_and_never_sent_again(time_of, bench, kind):
    """Like every order."""
    if kind in ("never", "broken"):
        simulated_only(bench)
    if bench.port.capabilities.amends_in_place:
        pytest.skip("nothing is replaced here")
    async with world_at(bench) as world:
        order_id = await open_order(world)
        require(bench, "submit", kind)
        amend_id = world.amend(order_id, "0.02", lower(bench))
        order = await world.amended(order_id, amend_id, "done")
        assert order.status == ("canceled" if kind in ("never", "too late") else "open")
        await world.agree()


async def test_an_amend_that_the_exchange_refuses_changes_nothing(time_of, bench):
    """In place; a replacement that is refused leaves nothing, as the exchange has already cancelled."""
    async with world_at(bench) as world:
        order_id = await open_order(world)
        amend_id = world.amend(order_id, "1000", bench.far_below)
        order = await world.amended(order_id, amend_id, "refused", "done")
        if bench.port.capabilities.amends_in_place:
            assert (order.status, order.amend.state, order.intent.quantity) == (
                "open",
                "refused",
                Decimal("0.01"),
            )
        else:
            assert order.status == "canceled"
        await world.agree()


async def test_a_cancel_during_an_amend_wins(time_of, bench):
    """Whatever the amend came to, nothing rests afterwards."""
    simulated_only(bench)
    async with world_at(bench) as world:
        for pause in (0.0, 0.01, 0.04, 0.06, 0.08, 0.11, 0.13, 0.2):
            order_id = await open_order(world)
            world.amend(order_id, "0.02", lower(bench))
            await trio.sleep(pause)
            taken = await cancel(world, order_id)
            assert isinstance(taken, say.CancelTaken | say.AlreadyClosed)
            assert (await world.until(order_id, "canceled")).executed == 0
            assert not await world.port.open_orders(world.bench.symbol)
        await world.agree()


async def test_an_amend_that_comes_too_late_is_not_begun(time_of, bench):
    """The order works on as it was."""
    simulated_only(bench)
    async with world_at(bench) as world:
        order_id = await open_order(world)
        order = await world.amended(order_id, world.amend(order_id, "0.02", lower(bench), age=-1), "refused")
        assert (order.status, order.intent.quantity) == ("open", Decimal("0.01"))
        await world.agree()


async def test_nothing_is_amended_behind_a_closed_gate(time_of, bench):
    """A kill holds for amends as for orders."""
    simulated_only(bench)
    async with world_at(bench) as world:
        order_id = await open_order(world)
        world.gate.refusal = "trading is halted"
        order = await world.amended(order_id, world.amend(order_id, "0.02", lower(bench)), "refused")
        assert (order.status, order.amend.reason) == ("open", "trading is halted")
        await world.agree()


async def test_a_gate_that_closes_between_the_end_and_the_replacement_keeps_it_back(time_of, bench):
    """The order is then over."""
    if bench.port.capabilities.amends_in_place:
        pytest.skip("nothing is replaced here")
    simulated_only(bench)
    async with world_at(bench) as world:
        order_id = await open_order(world)
        world.amend(order_id, "0.02", lower(bench))
        await trio.sleep(0.01)
        world.gate.refusal = "trading is halted"
        await world.until(order_id, "canceled")
        assert not await world.port.open_orders(world.bench.symbol)
        await world.agree()


async def test_a_sweep_during_an_amend_leaves_nothing(time_of, bench):
    """Not even when the kill is lifted at once."""
    simulated_only(bench)
    async with world_at(bench) as world:
        for number, pause in enumerate((0.0, 0.02, 0.04, 0.06, 0.08, 0.11)):
            order_id = await open_order(world)
            world.amend(order_id, "0.02", lower(bench))
            await trio.sleep(pause)
            world.broker.tell(say.Sweep(sweep_id=f"s{number}", symbol=None))
            await world.until(order_id, "canceled")
            await eventually(partial(swept, world, f"s{number}"))
            assert not await world.port.open_orders(world.bench.symbol)
        await world.agree()


@pytest.mark.parametrize("who", ["broker", "position", "both"])
async def test_a_crash_at_any_moment_of_an_amend_loses_and_doubles_nothing(time_of, bench, who):
    """One order at the exchange at most, and what the journal says of it is so."""
    simulated_only(bench)
    async with world_at(bench) as world:
        for moment in (0.0, 0.001, 0.02, 0.03, 0.05, 0.06, 0.08, 0.09, 0.11, 0.13):
            order_id = await open_order(world)
            amend_id = world.amend(order_id, "0.02", lower(bench))
            await trio.sleep(moment)
            if who != "position":
                await world.crash_broker()
            if who != "broker":
                await world.crash_position()
            await world.trading()
            order = await world.amended(order_id, amend_id, "done", "refused", seconds=90)
            await trio.sleep(10)
            order = world.order(order_id)
            resting_now = await world.port.open_orders(world.bench.symbol)
            terms = [(each.venue_id, each.quantity, each.limit_price) for each in resting_now]
            assert terms == (
                [(order.intent.venue_id, order.placed, order.intent.limit_price)] if order.is_open else []
            )
            if order.is_open:
                await cancel(world, order_id)
                await world.until(order_id, "canceled")
        await world.agree()


async def test_fills_that_race_an_amend_are_all_counted(time_of, bench):
    """The new price takes what is offered at once."""
    simulated_only(bench)
    async with world_at(bench) as world:
        order_id = await open_order(world)
        amend_id = world.amend(order_id, "0.02", bench.far_below * 2 + 5000)
        order = await world.amended(order_id, amend_id, "done")
        await world.until(order_id, "filled")
        assert world.held(bench.symbol) == Decimal("0.02")
        assert order.version == 2
        await world.agree()


async def test_many_amends_in_a_row_leave_one_order(time_of, bench):
    """Each begins when the one before has ended."""
    simulated_only(bench)
    async with world_at(bench) as world:
        order_id = await open_order(world)
        for number in range(1, 6):
            amend_id = world.amend(order_id, f"0.0{number}", lower(bench) - number)
            await world.amended(order_id, amend_id, "done")
        await eventually(lambda: world.order(order_id).version == 6)
        assert len(await world.port.open_orders(world.bench.symbol)) == 1
        await world.agree()


async def test_an_order_that_outlived_a_kill_can_be_amended(autojump_clock: MockClock):
    """The kill was lifted before it was cancelled; nobody wants that any more."""
    async with open_bench("sim with latency", TestClock()) as bench, world_at(bench) as world:
        order_id = await open_order(world)
        first = world.amend(order_id, "0.02", lower(bench))
        await eventually(lambda: world.order(order_id).amending is not None, every=0.001)
        world.broker.tell(say.Sweep(sweep_id="k", symbol=None))
        await trio.sleep(0.001)
        world.gate.lifted.add("k")
        assert (await world.amended(order_id, first, "done")).status == "open"
        await trio.sleep(5)
        again = world.amend(order_id, "0.005", bench.far_below)
        assert (await world.amended(order_id, again, "done", "refused")).amend.reason is None
