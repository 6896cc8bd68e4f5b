"""What a broker does whatever its exchange: one suite, run against every bench."""

import random

import pytest
import trio
from trio.testing import MockClock

from actors.broker.timings import BrokerTimings
from actors.model import messages as say
from tests.actors.broker.benches import SIMULATED, open_bench
from tests.actors.broker.world import TestClock, eventually, open_world

QUICK = BrokerTimings(
    submit=2.0, query=2.0, open_orders_every=3.0, accounts_every=5.0, absence_margin=0.5, sweep_retry=0.2
)


WIRES = ("binance-spot", "binance-usdm", "bybit-spot", "bybit-linear")


@pytest.fixture(params=[*SIMULATED, *WIRES])
def place(request):
    return request.param


@pytest.fixture
def time_of(place):
    """Simulated time in the process; the machine's where real sockets are."""
    return MockClock(autojump_threshold=0) if place in SIMULATED else None


@pytest.fixture
async def bench(place):
    async with open_bench(place, TestClock()) as opened:
        yield opened


def require(bench, operation, kind):
    """Break the next call, or leave the test out where that can't be done."""
    if not bench.can(operation, kind):
        pytest.skip(f"{bench.name} can't do it")
    bench.fault(operation, kind)


def one_of_a_kind(bench):
    """Seconds of waiting in real time: once for each family of exchanges is enough."""
    if bench.name in ("binance-usdm", "bybit-spot"):
        pytest.skip("the same on the other exchange of its family")


def simulated_only(bench):
    if not hasattr(bench, "faults"):
        pytest.skip("only where time is simulated")


def world_at(bench, **settings):
    return open_world(bench=bench, timings=QUICK, **settings)


def market(world, side="buy", quantity="0.01", **more):
    return world.accept(side=side, quantity=quantity, symbol=world.bench.symbol, **more)


def resting(world, quantity="0.01", **more):
    return world.accept(quantity=quantity, price=world.bench.far_below, symbol=world.bench.symbol, **more)


async def cancel(world, order_id):
    wish = say.CancelOrder(order_id=order_id, by="me", correlation_id="c")
    return await world.position(world.bench.symbol).ask(wish, timeout=1)


async def test_market_orders_fill_both_ways(time_of, bench):
    """A long, then through zero to a short; book and exchange agree to the last digit."""
    async with world_at(bench) as world:
        await world.until(market(world), "filled")
        await world.until(market(world, "sell", "0.025"), "filled")
        await world.agree()


async def test_a_resting_order_is_acknowledged_and_cancelled(time_of, bench):
    """Open, then gone at the exchange before it is gone here."""
    async with world_at(bench) as world:
        order_id = resting(world)
        await world.until(order_id, "open")
        assert isinstance(await cancel(world, order_id), say.CancelTaken)
        await world.until(order_id, "canceled")
        await world.agree()


async def test_an_order_that_cant_fill_at_once_ends_by_its_time_in_force(time_of, bench):
    """An unfilled IOC is canceled, not rejected."""
    async with world_at(bench) as world:
        order = await world.until(resting(world, time_in_force="IOC"), "canceled")
        assert order.executed == 0
        await world.agree()


async def test_a_refusal_of_the_exchange_is_a_rejection(time_of, bench):
    """More than the account can pay."""
    async with world_at(bench) as world:
        order = await world.until(market(world, quantity="1000"), "rejected")
        assert order.code
        await world.agree()


@pytest.mark.parametrize("kind", ["lost", "broken", "never", "late", "too late"])
async def test_a_submit_without_an_answer_is_resolved_by_evidence_alone(time_of, bench, kind):
    """Unknown first, then what really happened; never sent twice, never rejected without proof."""
    if kind == "never":
        one_of_a_kind(bench)
    async with world_at(bench) as world:
        require(bench, "submit", kind)
        order_id = market(world)
        order = await world.until(order_id, "filled", "denied", seconds=30)
        assert (order.status == "denied") == (kind in ("never", "too late"))
        if order.status == "denied":
            assert "OrderUnresolved" in world.types(order_id)
        await world.agree()


async def test_a_submit_that_never_left_is_denied(time_of, bench):
    """Nothing left this machine, so nothing is unknown."""
    async with world_at(bench) as world:
        require(bench, "submit", "refused")
        order_id = market(world)
        order = await world.until(order_id, "denied")
        assert order.code == "NOT_SENT"
        assert "OrderUnresolved" not in world.types(order_id)
        await world.agree()


async def test_a_throttled_submit_is_refused_and_the_silence_is_kept(time_of, bench):
    """The next call waits as long as the exchange asked for."""
    async with world_at(bench) as world:
        require(bench, "submit", "throttled")
        order = await world.until(market(world), "rejected")
        assert order.code == "RATE_LIMITED"
        began = trio.current_time()
        await world.until(market(world), "filled")
        assert trio.current_time() - began >= 0.9
        await world.agree()


@pytest.mark.parametrize("kind", ["lost", "broken", "never", "late", "refused", "throttled"])
async def test_a_cancel_is_pursued_until_the_exchange_confirms(time_of, bench, kind):
    """It may be asked for again, unlike a submit."""
    async with world_at(bench) as world:
        order_id = resting(world)
        await world.until(order_id, "open")
        require(bench, "cancel", kind)
        await cancel(world, order_id)
        await world.until(order_id, "canceled", seconds=30)
        await world.agree()


@pytest.mark.parametrize("kind", ["lost", "late"])
async def test_a_cancel_of_an_unresolved_order_catches_it_when_it_turns_up(time_of, bench, kind):
    """The wish is kept while nobody knows whether there is anything to cancel."""
    async with world_at(bench) as world:
        require(bench, "submit", kind)
        order_id = resting(world)
        await trio.sleep(0.5)
        await cancel(world, order_id)
        await world.until(order_id, "canceled", "denied", seconds=40)
        await world.agree()
        assert not [e for e in (await bench.books()).values() if e.status == "open"]


async def test_a_cancel_that_comes_too_late_ends_with_the_fill(time_of, bench):
    """The order filled; the refused cancel changes nothing."""
    async with world_at(bench) as world:
        require(bench, "submit", "lost")
        order_id = market(world)
        await trio.sleep(0.3)
        await cancel(world, order_id)
        await world.until(order_id, "filled", seconds=30)
        await world.agree()


async def test_a_fill_that_the_stream_swallowed_is_found_by_polling(time_of, bench):
    """A healthy stream that drops one."""
    simulated_only(bench)
    bench.faults.stream_loss = 1.0
    async with world_at(bench) as world:
        require(bench, "submit", "lost")
        await world.until(market(world), "filled", seconds=30)
        await world.agree()


async def test_a_lost_stream_makes_the_broker_reconcile_before_it_trades_on(time_of, bench):
    """Nobody knows what was missed."""
    async with world_at(bench) as world:
        await world.until(resting(world), "open")
        heard = len(world.said)
        bench.break_stream()
        resting(world)
        await eventually(lambda: world.state == "trading" and len(world.said) > heard, 30)
        states = [message.state for message in world.said[heard:]]
        assert states == ["reconnecting", "reconciling", "trading"]
        await world.until(market(world), "filled")
        await world.agree()


async def test_a_skewed_clock_lets_only_exits_out(time_of, bench):
    """Beyond the limit nothing that opens is sent."""
    simulated_only(bench)
    bench.set_skew(30.0)
    async with world_at(bench) as world:
        order = await world.until(market(world), "denied")
        assert "clock" in order.reason


async def test_the_proof_of_absence_uses_the_exchanges_clock(time_of, bench):
    """An exchange that is half a minute ahead would else be believed at once."""
    simulated_only(bench)
    async with world_at(bench) as world:
        require(bench, "submit", "late")
        order_id = market(world)
        bench.set_skew(0.0)
        order = await world.until(order_id, "filled", "denied", seconds=40)
        books = await bench.books()
        assert (order.status == "filled") == (order.intent.venue_id in books)
        await world.agree()


async def test_a_sweep_cancels_what_rests_and_what_is_on_its_way(time_of, bench):
    """Resting, waiting and unanswered orders; done only when the exchange lists none of ours."""
    async with world_at(bench) as world:
        for _ in range(5):
            await world.until(resting(world), "open")
        require(bench, "submit", "lost")
        resting(world)
        await trio.sleep(0.2)
        world.gate.refusal = "trading is halted"
        world.broker.tell(say.Sweep(sweep_id="k1", symbol=None))
        await eventually(lambda: any(p.done for p in world.operator.of(say.SweepProgress)), 40)
        assert not [e for e in (await bench.books()).values() if e.status == "open"]
        await world.agree()


async def test_a_sweep_goes_on_while_the_exchange_is_away(time_of, bench):
    """Through an open circuit, until it is confirmed."""
    simulated_only(bench)
    async with world_at(bench) as world:
        await world.until(resting(world), "open")
        bench.set_down(True)
        await trio.sleep(15)
        world.broker.tell(say.Sweep(sweep_id="k1", symbol=None))
        await trio.sleep(5)
        assert not world.operator.of(say.SweepProgress)[-1].done
        bench.set_down(False)
        await eventually(lambda: any(p.done for p in world.operator.of(say.SweepProgress)), 40)
        await world.trading()
        await world.agree()


async def test_orders_wait_out_a_restart_and_none_of_the_former_life_is_sent(time_of, bench):
    """What was accepted before is asked for, what is accepted after is sent."""
    one_of_a_kind(bench)
    async with world_at(bench) as world:
        require(bench, "submit", "never")
        lost = market(world)
        await trio.sleep(0.2)
        await world.crash_broker()
        later = market(world, age=30.0)
        await world.until(later, "filled", seconds=30)
        await world.until(lost, "denied", seconds=40)
        await world.agree()


async def test_hundreds_of_orders_over_a_bad_line_end_as_the_exchange_has_them(time_of, bench):
    """A fifth of the answers lost, late or never asked for; fills dropped and repeated by the stream."""
    simulated_only(bench)
    faults = bench.faults
    dice = random.Random(7)
    async with world_at(bench) as world:
        faults.rate = {"submit": 0.2, "cancel": 0.2, "order": 0.05, "fills_since": 0.05, "open_orders": 0.05}
        faults.stream_loss, faults.stream_repeat = 0.1, 0.2
        wanted = []
        for _ in range(200):
            if dice.random() < 0.6:
                market(world, dice.choice(["buy", "sell"]), f"0.0{dice.randint(1, 9)}", age=20.0)
            else:
                wanted.append(resting(world, age=20.0))
            if wanted and dice.random() < 0.3:
                await cancel(world, wanted.pop(0))
            await trio.sleep(dice.random() * 0.1)
        faults.rate, faults.stream_loss = {}, 0.0
        await world.agree(seconds=60)
        sent = list(await bench.books())
        assert len(sent) == len(set(sent))
