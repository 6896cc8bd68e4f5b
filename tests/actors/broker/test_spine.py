"""One order's way through broker, position actor and journal, and what can happen to it on the way."""

from decimal import Decimal

import pytest
import trio

from actors.broker.timings import BrokerTimings
from actors.model import messages as say
from actors.model.events import TradingStateChanged
from tests.actors.broker.little_exchange import LittleExchange
from tests.actors.broker.world import TestClock, eventually, open_world


async def test_a_market_order_fills_and_moves_the_position(autojump_clock):
    """Accepted, sent once, filled with the answer, journaled in one append."""
    async with open_world() as world:
        order_id = world.accept(quantity="2")
        await world.until(order_id, "filled")
        assert world.types(order_id) == ["OrderAccepted", "OrderFilled"]
        assert world.held() == Decimal(2)
        assert list(world.port.submits) == ["tw-1"]
        assert not world.gate.begun


async def test_a_limit_order_rests_and_is_cancelled(autojump_clock):
    """A durable wish, a cancel at the exchange, an end in the journal."""
    async with open_world() as world:
        order_id = world.accept(price="90")
        await world.until(order_id, "open")
        answer = await world.position().ask(
            say.CancelOrder(order_id=order_id, by="me", correlation_id="c"), timeout=1
        )
        assert isinstance(answer, say.CancelTaken)
        await world.until(order_id, "canceled")
        assert "CancelRequested" in world.types(order_id)
        assert world.port.orders["tw-1"].status == "canceled"


async def test_a_rejected_order_is_refused(autojump_clock):
    """The exchange's own code and reason reach the journal."""
    async with open_world() as world:
        world.port.next_submits.append("reject")
        order = await world.until(world.accept(), "rejected")
        assert (order.code, order.reason) == ("INSUFFICIENT", "no money")


async def test_a_lost_answer_is_unknown_until_the_order_is_found(autojump_clock):
    """Time-out after the exchange took it: never sent again, found by our id."""
    async with open_world() as world:
        world.port.next_submits.append("lose")
        order_id = world.accept(quantity="3")
        await world.until(order_id, "filled")
        assert "OrderUnresolved" in world.types(order_id)
        assert len(world.port.submits) == 1
        assert world.held() == 3


async def test_an_order_that_never_arrived_is_absent_only_after_the_window(autojump_clock):
    """No verdict before the exchange's clock has passed timestamp, window and margin."""
    async with open_world() as world:
        world.port.next_submits.append("drop")
        order_id = world.accept()
        await world.until(order_id, "unknown")
        begun = trio.current_time()
        order = await world.until(order_id, "denied")
        assert order.code == "NOT_SENT"
        assert trio.current_time() - begun > 6.9
        assert len(world.port.submits) == 1


async def test_a_broker_that_dies_between_send_and_answer_never_sends_again(autojump_clock):
    """The next life calls the order unresolved and finds it at the exchange."""
    async with open_world() as world:
        world.port.latency = 0.1
        order_id = world.accept()
        await trio.sleep(0.05)
        await world.crash_broker()
        await world.until(order_id, "filled", "denied")
        await world.trading()
        assert len(world.port.submits) == 1
        assert world.held() == world.port.position("BTC/USDT")


async def test_an_order_without_an_answer_for_a_while_is_journaled_as_submitted(autojump_clock):
    """Slow answers are visible."""
    async with open_world() as world:
        world.port.latency = 1.0
        order_id = world.accept()
        await world.until(order_id, "submitted")
        assert trio.current_time() < 1.0
        await world.until(order_id, "filled")


async def test_the_gate_is_asked_at_the_last_moment(autojump_clock):
    """A closed gate: nothing leaves, the order ends as not sent."""
    async with open_world() as world:
        world.gate.refusal = "trading is halted"
        order = await world.until(world.accept(), "denied")
        assert (order.code, order.reason) == ("NOT_SENT", "trading is halted")
        assert not world.port.submits


async def test_orders_wait_while_the_broker_reconnects_but_not_beyond_their_time(autojump_clock):
    """An accepted order is sent within its time or not at all."""
    async with open_world() as world:
        world.port.cut()
        await trio.sleep(1)
        order = await world.until(world.accept(age=2.0), "denied")
        assert "not sent in time" in order.reason
        world.port.reachable = True
        await world.trading()
        await world.until(world.accept(), "filled")
        assert len(world.port.submits) == 1


async def test_a_symbol_that_the_exchange_does_not_list_is_left_alone(autojump_clock):
    """It would else be asked for in vain, and the exchange never be ready."""
    port = LittleExchange(TestClock())
    async with open_world(port=port, symbols=("BTC/USDT", "OLD/USDT")) as world:
        await world.until(world.accept(), "filled")


async def test_a_delisted_symbol_with_a_position_halts_the_exchange(autojump_clock):
    """Nobody can trade out of it any more."""
    async with open_world(timings=BrokerTimings(skew_every=1.0, instruments_looks=1)) as world:
        await world.until(world.accept(), "filled")
        world.port.symbols = ()
        await eventually(lambda: world.state == "halted")
        assert "not listed" in world.operator.of(say.HaltExchange)[0].cause


@pytest.mark.parametrize(
    ("exchange", "old"), [(None, "reducing"), ("sim", "reducing"), (None, "halted"), ("other", "halted")]
)
async def test_a_halted_exchange_waits_for_a_person_and_not_for_the_end_of_something_else(
    autojump_clock, exchange, old
):
    """What halted it contradicts the journal; that a price came back is no answer to it."""
    async with open_world() as world:
        world.broker.tell(say.HaltExchange(exchange="sim", cause="it contradicts the journal"))
        await eventually(lambda: world.state == "halted")
        ended = TradingStateChanged(exchange=exchange, symbol=None, old=old, new="active", cause="")
        world.append(ended)
        await trio.sleep(2)
        assert world.state == "halted"
        world.append(TradingStateChanged(exchange="sim", symbol=None, old="halted", new="active", cause=""))
        await eventually(lambda: world.state == "trading")


async def test_a_broker_that_starts_at_a_halted_exchange_says_so(autojump_clock):
    """What was found once need not be found again, and nobody has looked at it yet."""
    async with open_world() as world:
        scope = {"exchange": "sim", "symbol": None}
        world.append(TradingStateChanged(**scope, old="active", new="halted", cause="it contradicts"))
        await trio.sleep(0.1)
        world.risk.heard.clear()
        await world.crash_broker()
        await eventually(lambda: world.state == "halted")
        assert world.said[-1].detail == "it contradicts"
        assert "trading" not in [told.state for told in world.said]
        world.append(TradingStateChanged(**scope, old="halted", new="active", cause="resumed"))
        await world.trading()


async def test_what_halts_an_exchange_is_told_until_the_journal_has_it(autojump_clock):
    """The operator's actor may be beginning a new life, and what it is told meanwhile is lost."""
    async with open_world(timings=BrokerTimings(announce_every=1.0)) as world:
        world.broker.tell(say.HaltExchange(exchange="sim", cause="it contradicts the journal"))
        await eventually(lambda: world.operator.of(say.HaltExchange), seconds=2)
        assert world.operator.of(say.HaltExchange)[0].cause == "it contradicts the journal"
        halted = TradingStateChanged(exchange="sim", symbol=None, old="active", new="halted", cause="")
        world.append(halted)
        await trio.sleep(0.1)
        world.operator.heard.clear()
        await trio.sleep(5)
        assert not world.operator.of(say.HaltExchange)
