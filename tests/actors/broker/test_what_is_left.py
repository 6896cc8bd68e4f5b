"""What a broker still remembers of sends and cancels that are over."""

from decimal import Decimal

import trio

from actors.halt.gate import Gate
from tests.actors.broker.world import eventually, open_world


async def test_an_order_whose_broker_died_while_it_was_sent_is_not_in_flight_for_ever(autojump_clock):
    """A fill may have made it a working order meanwhile, and every later kill would list it as being sent."""
    gate = Gate(seal=None)

    async def before(world):
        world.gate = gate

    async with open_world(before=before) as world:
        port = world.port

        async def never_answered(intent):
            port.take(
                intent.venue_id, intent.symbol, intent.side, intent.type, intent.quantity, intent.limit_price
            )
            port.execute(intent.venue_id, Decimal("0.4"), Decimal(99), stream=True)
            await trio.sleep_forever()

        port.next_submits.append(never_answered)
        order_id = world.accept(price="99")
        await world.until(order_id, "partially_filled")
        assert gate.in_flight == (order_id,)
        await world.crash_broker()
        await world.trading()
        assert gate.in_flight == ()


async def test_what_another_broker_is_sending_stays_in_flight_when_a_life_begins(autojump_clock):
    """Only a life of its own broker knows that nobody sends it any more."""
    async with open_world() as world:
        elsewhere = world.accept(exchange="other", price="99")
        await eventually(lambda: world.order(elsewhere) is not None)
        world.gate.begin_send(elsewhere)
        await world.crash_broker()
        await world.trading()
        assert world.gate.in_flight == (elsewhere,)
