"""What persons decide, through the door: limits while orders come, and what takes two of them."""

from decimal import Decimal

import pytest
import trio

from actors.model import results as r
from actors.model.events import LimitChanged, OrderAccepted, TradingResumed
from actors.risk.limits import RiskLimits
from tests.fixtures.runtime import Machine, intent


async def change(runtime, value, by="ann", name="max_order_usd"):
    return await runtime.port.change_limit(name=name, value=value, reason="a test", by=by, correlation_id="c")


async def place(runtime, qty="0.01"):
    return await runtime.port.place(intent(qty=qty), wait_seconds=5, correlation_id="c")


async def test_a_limit_is_in_force_for_the_next_order_and_its_versions_are_listed(autojump_clock):
    machine = Machine()
    async with machine.boot() as runtime:
        assert isinstance(await place(runtime), r.Placed)
        assert isinstance(await change(runtime, "100"), r.LimitSet)
        denied = await place(runtime)
        assert (denied.code, denied.limit, denied.headroom) == ("ORDER_SIZE", "100", "100")
        await change(runtime, "off")
        assert isinstance(await place(runtime), r.Placed)
        versions = await runtime.port.limit_changes(name="max_order_usd", limit=10, before=None)
        assert [(each.event.old, each.event.new) for each in versions] == [("100", "off"), ("off", "100")]
        listed = {each.name: each.value for each in (await runtime.port.limits()).limits}
        assert listed["max_order_usd"] == "off"


async def test_a_changed_limit_outlives_the_process(autojump_clock):
    machine = Machine(kind="simulated")
    async with machine.boot() as runtime:
        await change(runtime, "100")
    async with machine.boot() as runtime:
        assert (await place(runtime)).code == "ORDER_SIZE"


async def test_a_change_in_the_middle_of_many_orders_splits_them_in_two(autojump_clock):
    """Every order before it in the journal was judged by the old limit, every one after it by the new."""
    async with Machine().boot() as runtime:
        results = []

        async def one():
            results.append(await place(runtime))

        async with trio.open_nursery() as nursery:
            for number in range(60):
                nursery.start_soon(one)
                if number == 30:
                    nursery.start_soon(change, runtime, "100")
        seen = [event.type for event in await runtime.port.events(after=0, limit=1000)]
        at = max(
            record.seq
            for record in await runtime.port.events(after=0, limit=1000)
            if isinstance(record.event, LimitChanged) and record.event.by == "ann"
        )
        assert "OrderDenied" not in seen[: at - 1]
        assert "OrderAccepted" not in seen[at:]
        assert {type(each) for each in results} <= {r.Placed, r.Denied}


async def test_without_the_journal_a_change_is_refused_and_nothing_changes(autojump_clock):
    machine = Machine()
    async with machine.boot() as runtime:
        machine.faults.available = False
        await place(runtime)
        await trio.sleep(1)
        assert (await change(runtime, "100")).code == "JOURNAL_UNAVAILABLE"
        machine.faults.available = True
        await trio.sleep(5)
        assert not [each for each in machine.disk.records if getattr(each.event, "by", "") == "ann"]


async def test_a_change_that_lands_late_is_not_called_a_failure(autojump_clock):
    machine = Machine()
    async with machine.boot() as runtime:
        machine.faults.latency_seconds = 5.0
        assert isinstance(await change(runtime, "100"), r.Unsettled)
        await trio.sleep(10)
        machine.faults.latency_seconds = 0.0
        listed = {each.name: each.value for each in (await runtime.port.limits()).limits}
        in_journal = runtime.log.book.limits.get("max_order_usd", "off")
        assert listed["max_order_usd"] == in_journal


async def test_two_people_loosen_a_limit_and_resume_and_one_can_not(autojump_clock):
    machine = Machine()
    machine.two_people = True
    async with machine.boot() as runtime:
        assert isinstance(await change(runtime, "60000", "ann", "max_pos_usd"), r.Proposed)
        assert isinstance(await change(runtime, "60000", "ann", "max_pos_usd"), r.Proposed)
        (proposed,) = (await runtime.port.limits()).proposed
        assert (proposed.what, proposed.by) == ("max_pos_usd 60000", "ann")
        done = await change(runtime, "60000", "ben", "max_pos_usd")
        assert (done.new, done.by, done.approved_by) == ("60000", "ann", "ben")
        killed = await runtime.port.kill(
            level="halt", exchange=None, symbol=None, reason="x", by="ann", correlation_id="c"
        )

        async def resume(by):
            return await runtime.port.resume(reason="fixed", by=by, correlation_id="c")

        assert isinstance(await resume("ann"), r.Proposed)
        assert isinstance(await resume("ann"), r.Proposed)
        assert (await place(runtime)).code == "TRADING_HALTED"
        assert await resume("ben") == r.Resumed(kill_ids=(killed.kill_id,))
        assert isinstance(await place(runtime), r.Placed)
        resumed = [each.event for each in machine.disk.records if isinstance(each.event, TradingResumed)]
        assert [(each.by, each.approved_by) for each in resumed] == [("ann", "ben")]


@pytest.mark.parametrize("away_seconds", [0.3, 0.7, 0.75, 0.8, 0.85, 0.9, 1.2])
async def test_no_order_that_a_change_let_pass_is_journaled_without_the_change(autojump_clock, away_seconds):
    """The store is away for about as long as an append may wait: the change must not be dropped alone."""
    machine = Machine(limits=RiskLimits(max_order_usd=Decimal(100)))
    async with machine.boot() as runtime:
        machine.faults.available = False
        async with trio.open_nursery() as nursery:
            nursery.start_soon(change, runtime, "off")
            for _ in range(8):
                await trio.sleep(0.02)
                nursery.start_soon(place, runtime)
            await trio.sleep(away_seconds - 0.16)
            machine.faults.available = True
        await trio.sleep(10)
    off = False
    for record in machine.disk.records:
        off = off or (isinstance(record.event, LimitChanged) and record.event.by == "ann")
        assert off or not isinstance(record.event, OrderAccepted)
