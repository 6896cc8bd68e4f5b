"""Orders on their way out whose answer does not come, in all the ways in which it does not."""

import pytest
import trio

from actors.broker.adapters.simulated.adapter import SimulatedExchange
from actors.kernel import ExitKind
from actors.model import results as r
from tests.fixtures.runtime import Machine, intent


@pytest.fixture
def machine():
    return Machine(kind="sim")


async def in_a_nursery(_exchange, _intent):
    """Cancelled comes out of it in a group."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep_forever)
        await trio.sleep_forever()


async def slow_to_give_up(_exchange, _intent):
    """Like a request of asyncio that is unwound."""
    try:
        await trio.sleep_forever()
    finally:
        with trio.CancelScope(shield=True):
            await trio.sleep(1)


async def place(runtime):
    """Place one order and wait for nothing."""
    placed = await runtime.port.place(intent(), wait_seconds=0.0, correlation_id="test")
    return placed.order.order_id


@pytest.mark.parametrize("submit", [in_a_nursery, slow_to_give_up])
async def test_an_order_without_an_answer_is_looked_for_and_others_go_on(
    autojump_clock, machine, monkeypatch, submit
):
    """Its sender is free again, and the exchange's word, that it has no such order, ends it."""
    async with machine.boot() as runtime:
        with monkeypatch.context() as deaf:
            deaf.setattr(SimulatedExchange, "submit", submit)
            lost = await place(runtime)
            await trio.sleep(12)
        assert isinstance(await runtime.port.place(intent(), wait_seconds=5, correlation_id="t"), r.Placed)
        await trio.sleep(9)
        assert runtime.log.book.order(lost).status == "denied"


async def test_a_broker_that_is_killed_while_an_answer_is_due_ends_as_killed(
    autojump_clock, machine, monkeypatch
):
    """That the time limit passes meanwhile changes nothing: the next life looks for the order."""
    monkeypatch.setattr(SimulatedExchange, "submit", slow_to_give_up)
    async with machine.boot() as runtime:
        order_id = await place(runtime)
        await trio.sleep(9.5)
        (broker,) = [cell for cell in runtime.system.lives() if cell.address == "broker/sim"]
        await runtime.system.kill(broker)
        assert broker.exit.kind is ExitKind.KILLED
        await trio.sleep(9)
        assert runtime.log.book.order(order_id).status == "denied"
