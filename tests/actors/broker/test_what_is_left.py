"""What a broker still remembers of sends and cancels that are over."""

from decimal import Decimal

import trio

from actors.broker.port import Rejected
from actors.halt.gate import Gate
from actors.model import messages as say
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
        assert world.gate.sends == ((elsewhere, ""),)


async def test_an_order_whose_cancel_was_refused_can_be_amended_again(autojump_clock):
    """The wish is over with the exchange's no, and must not stand in the way for the rest of the life."""
    async with open_world() as world:
        order_id = world.accept(price="99")
        await world.until(order_id, "open")

        async def refuse(_venue_id):
            return Rejected(code="BUSY", reason="not now")

        world.port.next_cancels.append(refuse)
        wish = say.CancelOrder(order_id=order_id, by="ann", correlation_id="c")
        await world.position().ask(wish, timeout=5)
        await eventually(lambda: "CancelRefused" in world.types(order_id))
        amend_id = world.amend(order_id, "1", "98")
        order = await world.amended(order_id, amend_id, "done", "refused")
        assert (order.amend.state, order.amend.reason) == ("done", None)
        assert (order.status, order.intent.limit_price) == ("open", Decimal(98))


async def test_a_refused_cancel_ends_an_amend_that_waited_for_the_same_end(autojump_clock):
    """Else the amend stayed pending, and a replacement would leave whenever the order came to its end."""
    async with open_world() as world:
        order_id = world.accept(price="99")
        await world.until(order_id, "open")

        async def refuse_late(_venue_id):
            await trio.sleep(1)
            return Rejected(code="BUSY", reason="not now")

        world.port.next_cancels.append(refuse_late)
        amend_id = world.amend(order_id, "1", "98")
        await trio.sleep(0.5)
        wish = say.CancelOrder(order_id=order_id, by="ann", correlation_id="c")
        await world.position().ask(wish, timeout=5)
        await world.until(order_id, "pending_cancel")
        order = await world.amended(order_id, amend_id, "refused")
        assert (order.status, order.amend.code) == ("open", "AMEND_REFUSED")
        again = world.amend(order_id, "1", "97")
        assert (await world.amended(order_id, again, "done", "refused")).amend.state == "done"
