"""An exchange that acknowledges an order after it has told of its end, as Bybit may."""

from decimal import Decimal

import pytest
import trio

from actors.broker.port import Confirmed
from tests.actors.broker.little_exchange import LittleExchange
from tests.actors.broker.world import TestClock, open_world


def ends_before_its_answer(port, status, executed):
    async def submit(intent):
        report = port.take(intent.venue_id, "BTC/USDT", "buy", "limit", intent.quantity, intent.limit_price)
        if executed:
            port.execute(intent.venue_id, executed, stream=True)
        port._put(intent.venue_id, status=status)
        port.publish(port.orders[intent.venue_id])
        await trio.sleep(0.1)
        return Confirmed(exchange_order_id=report.exchange_order_id, status="open")

    return submit


@pytest.mark.parametrize(
    ("status", "executed"),
    [
        ("canceled", Decimal(0)),
        ("canceled", Decimal("0.004")),
        ("expired", Decimal(0)),
        ("rejected", Decimal(0)),
    ],
)
async def test_an_end_that_was_told_before_the_answer_is_asked_for_at_once(autojump_clock, status, executed):
    """Its client waits five seconds at most, and its exposure stays reserved until then."""
    port = LittleExchange(TestClock(), fills_with_answer=False)
    async with open_world(port=port) as world:
        port.next_submits.append(ends_before_its_answer(port, status, executed))
        order_id = world.accept(quantity="0.01", price="90")
        await world.until(order_id, "expired" if status == "expired" else "canceled", seconds=2)
        assert world.order(order_id).executed == executed
