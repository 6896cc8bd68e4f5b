"""Stop orders through the one door, on the whole runtime: they rest, trigger, and outlive a restart."""

from decimal import Decimal

import pytest
import trio

from actors.model import results as r
from tests.fixtures.runtime import Machine, intent


@pytest.fixture
def machine():
    """The simulated exchange."""
    return Machine(kind="sim")


async def stop(runtime, side="sell", share="1", limit=None, **more):
    """Place a stop order at a share of the last price, at most a tick below it."""
    mark = (await runtime.port.marks())[0]
    last = mark.last or mark.mark
    at = (last * Decimal(share)).quantize(Decimal("0.01")) - Decimal("0.01")
    kind = "stop" if limit is None else "stop_limit"
    asked = intent(side, price=limit, **{"type": kind, "stop_price": at, **more})
    return await runtime.port.place(asked, wait_seconds=5, correlation_id="t")


async def test_a_stop_order_is_open_while_it_waits_and_in_the_journal_whole(autojump_clock, machine):
    """Its trigger comes back with it from the store."""
    async with machine.boot() as runtime:
        placed = await stop(runtime, share="0.5")
        assert isinstance(placed, r.Placed), placed
        assert (placed.order.status, placed.order.intent.type) == ("open", "stop")
        assert placed.order.intent.stop_price
        assert machine.disk.orders[placed.order.order_id] == placed.order


async def test_a_waiting_stop_order_outlives_a_restart_and_is_not_taken_for_absent(autojump_clock, machine):
    """The exchange lists it among the open orders."""
    async with machine.boot() as runtime:
        order = (await stop(runtime, share="0.5")).order
    async with machine.boot() as runtime:
        await trio.sleep(0.5)
        again = await runtime.port.order(order.order_id)
        assert again == order
        assert again.status == "open"
        result = await runtime.port.cancel(order.order_id, by="t", wait_seconds=5, correlation_id="t")
        assert result.order.status == "canceled"


async def test_a_stop_order_is_not_amended_and_stays_as_it_is(autojump_clock, machine):
    """The refusal says what to do instead."""
    async with machine.boot() as runtime:
        order = (await stop(runtime, share="0.5", limit="18000", type="stop_limit")).order
        refused = await runtime.port.amend(
            order.order_id,
            quantity=Decimal("0.02"),
            limit_price=None,
            user="tester",
            token_id="token",
            idempotency_key=None,
            fingerprint="",
            wait_seconds=5,
            correlation_id="t",
        )
        assert refused.code == "NOT_AMENDABLE"
        assert await runtime.port.order(order.order_id) == order


async def test_an_exchange_without_stop_orders_gets_none(autojump_clock):
    """The order is denied before anything leaves."""
    async with Machine(kind="dummy").boot() as runtime:
        denied = await stop(runtime)
        assert (denied.code, denied.order.status) == ("ORDER_TYPE_UNSUPPORTED", "denied")
