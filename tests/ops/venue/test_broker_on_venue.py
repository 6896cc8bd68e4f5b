"""The runtime's broker, position and journal actors on the venue: the ways of an order, on every exchange."""

from contextlib import asynccontextmanager
from decimal import Decimal

import msgspec
import pytest
import trio
import trio_asyncio

from actors.broker.adapters.simulated.engine import Quote
from actors.broker.adapters.simulated.market import MarketEvent
from actors.broker.timings import BrokerTimings
from actors.model.messages import CancelTaken
from ops.proof.venue_faults import ANSWER_SECONDS, CREATE, EXCHANGES, open_desk
from ops.venue.running import Plan, open_venue
from ops.venue.service import Limits

QUICK = BrokerTimings(open_orders_every=0.5, accounts_every=2.0, inflight_every=0.5, inflight_threshold=1.0)
PATIENT = msgspec.structs.replace(QUICK, submit=60.0)
LOW, HIGH = Decimal(39000), Decimal(41000)


class Scene:
    """A desk and the exchange that it trades on."""

    def __init__(self, name, running, desk):
        self.venue, self.desk = running.venue, desk
        self.exchange = running.venue.exchanges[name]
        self.hubs = running.venue.hubs(name)
        self.submits = CREATE.get(name, "POST /v5/order/create")

    async def until(self, order_id, status):
        """The journaled order once it has the status."""
        with trio.fail_after(90):
            while (order := self.desk.order(order_id)) is None or order.status != status:  # noqa: ASYNC110
                await trio.sleep(0.02)
        return order

    def sell_through(self, price, quantity):
        """The outside market sells below a price."""
        quote = Quote(price - 1, price + 1)
        self.exchange.happen(
            "BTCUSDT", MarketEvent(at_us=0, quote=quote, price=price - 1, quantity=quantity, side="sell")
        )

    def position(self):
        return self.desk.log.book.position("venue", "BTC/USDT").quantity


@pytest.fixture(params=list(EXCHANGES))
def where(request):
    """Each exchange in turn."""
    return request.param


@asynccontextmanager
async def open_scene(name, timings=QUICK, answer_seconds=ANSWER_SECONDS):
    with trio.fail_after(180):
        async with (
            trio_asyncio.open_loop(),
            open_venue(Plan(limits=Limits.none())) as running,
            open_desk(running, name, 5, timings, answer_seconds) as desk,
        ):
            yield Scene(name, running, desk)


async def test_orders_fill_rest_are_cancelled_and_are_refused(where):
    """The four ordinary ends, journaled as the exchange has them."""
    async with open_scene(where) as scene:
        bought = scene.desk.accept("buy", Decimal("0.02"), None)
        rests = scene.desk.accept("buy", Decimal("0.01"), LOW)
        poor = scene.desk.accept("buy", Decimal(8999), LOW * 200)
        assert (await scene.until(bought, "filled")).executed == Decimal("0.02")
        await scene.until(rests, "open")
        assert isinstance(await scene.desk.cancel(rests), CancelTaken)
        await scene.until(rests, "canceled")
        refused = await _ended(scene, poor)
        assert refused.status in ("rejected", "denied")
        assert refused.executed == 0
        assert scene.position() == Decimal("0.02")
        assert sorted(order.status for order in scene.exchange.orders.values()) == ["canceled", "filled"]


async def _ended(scene, order_id):
    with trio.fail_after(90):
        while (order := scene.desk.order(order_id)) is None or order.is_open:  # noqa: ASYNC110
            await trio.sleep(0.02)
    return order


async def test_a_resting_order_is_filled_in_parts_through_the_stream(where):
    async with open_scene(where) as scene:
        rests = scene.desk.accept("buy", Decimal("0.03"), LOW)
        await scene.until(rests, "open")
        scene.sell_through(LOW, Decimal("0.01"))
        await scene.until(rests, "partially_filled")
        scene.sell_through(LOW, Decimal(1))
        done = await scene.until(rests, "filled")
        assert done.average_price == LOW
        assert scene.position() == Decimal("0.03")


async def test_fills_that_no_stream_told_are_found_by_asking(where):
    """A healthy connection that loses every frame."""
    async with open_scene(where) as scene:
        rests = scene.desk.accept("buy", Decimal("0.03"), LOW)
        await scene.until(rests, "open")
        scene.venue.faults.add({"kind": "lose", "where": "STREAM"})
        scene.sell_through(LOW, Decimal(1))
        await scene.until(rests, "filled")
        assert scene.position() == Decimal("0.03")


async def test_what_happened_while_the_stream_was_down_is_reconciled(where):
    async with open_scene(where) as scene:
        rests = scene.desk.accept("buy", Decimal("0.03"), LOW)
        await scene.until(rests, "open")
        for hub in scene.hubs:
            hub.disconnect_all()
        scene.sell_through(LOW, Decimal(1))
        await scene.until(rests, "filled")
        after = scene.desk.accept("sell", Decimal("0.03"), None)
        await scene.until(after, "filled")
        assert scene.position() == 0


async def test_frames_that_come_twice_late_and_out_of_order_count_once(where):
    """A busy machine has time to send them all."""
    async with open_scene(where, PATIENT, answer_seconds=60.0) as scene:
        for kind in ("duplicate", "reorder", "late"):
            scene.venue.faults.add({"kind": kind, "where": "STREAM", "probability": 0.3, "seconds": 0.3})
        placed = [scene.desk.accept("buy", Decimal("0.01"), None) for _ in range(12)]
        for order_id in placed:
            await scene.until(order_id, "filled")
        assert scene.position() == Decimal("0.12")
        assert len(scene.exchange.trades) == 12


async def test_an_order_whose_answer_was_lost_is_found_and_sent_once(where):
    async with open_scene(where) as scene:
        scene.venue.faults.add({"kind": "drop_after", "where": scene.submits, "count": 1})
        lost = scene.desk.accept("buy", Decimal("0.01"), None)
        await scene.until(lost, "filled")
        assert len(scene.exchange.orders) == 1
        assert scene.position() == Decimal("0.01")
