"""A call that the adapter refuses by itself: nothing left, and nothing is known of the line."""

import trio

from actors.broker.breaker import Circuit
from actors.broker.port import NotSent
from actors.model import messages as say
from tests.actors.broker.little_exchange import LittleExchange
from tests.actors.broker.world import TestClock, open_world


class Choosy(LittleExchange):
    """Can't cancel one order, as an adapter that needs the exchange's own id of an order without one."""

    stuck = ""

    async def cancel(self, symbol, venue_id, exchange_order_id):
        if venue_id == self.stuck:
            return NotSent(reason="it has no id yet", local=True)
        return await super().cancel(symbol, venue_id, exchange_order_id)


async def test_a_cancel_that_can_not_leave_keeps_no_other_cancel_from_leaving(autojump_clock):
    """It is tried again and again, and none of that counts as a failure of the exchange."""
    port = Choosy(TestClock())
    async with open_world(port=port) as world:
        stuck = world.accept(price="90")
        await world.until(stuck, "open")
        port.stuck = world.order(stuck).intent.venue_id
        wish = say.CancelOrder(order_id=stuck, by="me", correlation_id="c")
        await world.position().ask(wish, timeout=5)
        for _ in range(100):
            await trio.sleep(0.25)
            assert world.cancel_breaker.circuit(world.clock.monotonic()) is Circuit.CLOSED
