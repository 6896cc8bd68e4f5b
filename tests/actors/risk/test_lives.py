"""RiskActor dies and lives again in the same process: what it must not forget with its life."""

import trio

from actors.model import messages as m
from actors.model.events import AmendAsked, OrderAmended
from tests.actors.risk.desk import BTC, D
from tests.fixtures.floor import Floor


async def restart(floor: Floor, address: str = "risk") -> None:
    """The actor dies, and its next life begins."""
    await kill(floor, address)
    make = {"risk": floor.make_risk, "operator": floor.make_operator}[address]
    await floor.system.start(make(), address)
    await floor.settle()


async def kill(floor: Floor, address: str) -> None:
    """The actor dies."""
    cell = floor.system.ref(address).cell
    cell.kill()
    await cell.wait_ended()


async def amend(floor: Floor, order_id: str, price: str) -> None:
    """A new price of a working order leaves, and the exchange has it."""
    asked = AmendAsked(amend_id=f"to-{price}", quantity=D("0.1"), limit_price=D(price))
    message = m.AmendOrder(order_id=order_id, asked=asked, correlation_id="c")
    assert isinstance(await floor.system.ref("risk").ask(message, timeout=5), m.Admitted)
    await floor.settle()
    floor.gate.begin_send(order_id, asked.amend_id)
    floor.gate.end_send(order_id)
    place = {"exchange": "sim", "symbol": BTC, "order_id": order_id}
    await floor.write("position/sim/BTC-USDT", OrderAmended(amend_id=asked.amend_id, **place))


async def test_what_the_journal_accepted_may_have_left_though_its_book_forgot_it(autojump_clock):
    """The book knows only an order's newest amend: the one before is no reason to halt everything."""
    async with Floor().open() as floor:
        in_place = m.BrokerState(
            exchange="sim", state="trading", circuit="closed", detail="", amends_in_place=True
        )
        floor.system.ref("risk").tell(in_place)
        order = await floor.place("buy", "0.1", "39000")
        await floor.acknowledged(order.order_id)
        await trio.sleep(1.1)
        await amend(floor, order.order_id, "39100")
        await amend(floor, order.order_id, "39200")
        await restart(floor)
        await trio.sleep(2)
        assert floor.gate.restrictions == {}


async def test_what_the_journal_never_accepted_is_found_though_it_left_before_this_life(autojump_clock):
    """A new life must not take what left before it on trust."""
    async with Floor().open() as floor:
        floor.gate.begin_send("a stranger")
        await restart(floor)
        await trio.sleep(2)
        assert "a stranger" in floor.gate.restrictions["*"].cause
