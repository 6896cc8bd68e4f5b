"""Many orders with one admission: each has its own answer, and none waits in a task of its own."""

import time
from decimal import Decimal

import msgspec
import pytest
import trio
import trio.testing

from actors.kernel import ActorDead
from actors.model import results as r
from actors.model.messages import PlaceOrders
from actors.model.order import Terminal
from actors.placing import DOUBT_SECONDS
from actors.placings import Placings
from actors.risk.actor import _HANDLERS, RiskActor
from actors.risk.limits import RiskLimits
from tests.fixtures.runtime import Machine, intent


@pytest.fixture
def machine():
    return Machine()


def placement(wait_seconds=5.0, dry_run=False, **changes):
    return r.Placement(
        intent=intent(**changes), wait_seconds=wait_seconds, correlation_id="test", dry_run=dry_run
    )


async def place_all(runtime, *placements):
    found = {}
    await runtime.port.place_all(placements, found.__setitem__)
    return [found[index] for index in range(len(placements))]


async def test_each_order_of_many_has_its_own_answer(autojump_clock, machine):
    """What is wrong with one says nothing of the others, and the answers keep the order of the request."""
    async with machine.boot() as runtime:
        found = await place_all(
            runtime,
            placement(),
            placement(symbol="DOGE/USDT"),
            placement(exchange="nowhere"),
            placement(dry_run=True),
            placement(client_order_id="mine"),
        )
        orders = len(machine.disk.orders)
    assert [type(each) for each in found] == [r.Placed, r.Denied, r.Refused, r.Previewed, r.Placed]
    assert found[1].code == "SYMBOL_NOT_ALLOWED"
    assert found[4].order.intent.client_order_id == "mine"
    assert orders == 3


def a_batch(*quantities, whole, fingerprints="abc"):
    """A placement an order, as the web edge makes them of one request under one key."""
    return [
        msgspec.structs.replace(
            placement(qty=qty, idempotency_key=f"key-{index}", fingerprint=f"{fingerprints[index]}/{whole}"),
            group="key",
        )
        for index, qty in enumerate(quantities)
    ]


async def test_a_batch_that_comes_again_is_answered_with_what_it_made(autojump_clock, machine):
    """And so is one of which a crash had lost the end."""
    async with machine.boot() as runtime:
        first, _ = a_batch("0.01", "0.02", whole="w")
        (made,) = await place_all(runtime, first)
        again = await place_all(runtime, *a_batch("0.01", "0.02", whole="w"))
    assert [type(each) for each in again] == [r.Replayed, r.Placed]
    assert again[0].order.order_id == made.order.order_id


async def test_nothing_of_a_batch_is_placed_when_another_was_sent_under_its_key(autojump_clock, machine):
    """An order that was added to it is not a new request, it is a mistake."""
    async with machine.boot() as runtime:
        await place_all(runtime, *a_batch("0.01", whole="w"))
        orders = len(machine.disk.orders)
        again = await place_all(runtime, *a_batch("0.01", "0.02", whole="other"))
        assert [each.code for each in again] == ["IDEMPOTENCY_MISMATCH"] * 2
        assert len(machine.disk.orders) == orders


async def test_nothing_new_of_a_batch_is_placed_while_a_part_of_it_is_being_answered(machine, nursery):
    """Whether it is the same batch is known when the first is done."""
    async with machine.boot() as runtime:
        nursery.start_soon(place_all, runtime, *a_batch("0.01", whole="w"))
        for _ in range(2):
            # So that it has begun, whichever of the two tasks goes first.
            await trio.lowlevel.checkpoint()
        again = await place_all(runtime, *a_batch("0.01", "0.02", whole="other"))
        assert [each.code for each in again] == ["IN_PROGRESS"] * 2


async def test_a_client_order_id_names_its_order_in_a_batch_and_alone(autojump_clock, machine):
    """It is the order's own, whatever came with it."""
    async with machine.boot() as runtime:
        alone = placement(client_order_id="mine", fingerprint="a")
        in_batch = placement(client_order_id="mine", fingerprint="a/w", idempotency_key="key-0")
        (made,) = await place_all(runtime, msgspec.structs.replace(in_batch, group="key"))
        (again,) = await place_all(runtime, alone)
    assert (type(again), again.order.order_id) == (r.Replayed, made.order.order_id)


async def test_one_id_twice_in_one_batch_makes_one_order(autojump_clock, machine):
    """The second is told that the first is being answered."""
    async with machine.boot() as runtime:
        first, second = await place_all(
            runtime, placement(idempotency_key="key"), placement(idempotency_key="key")
        )
        (again,) = await place_all(runtime, placement(idempotency_key="key"))
    assert isinstance(first, r.Placed)
    assert isinstance(second, r.Conflict)
    assert second.code == "IN_PROGRESS"
    assert isinstance(again, r.Replayed)


async def test_many_orders_share_a_commit(autojump_clock, machine):
    """A batch of fifty is journaled in a handful of transactions, not in a hundred."""
    async with machine.boot() as runtime:
        commits = []
        runtime.log.subscribe(commits.append)
        found = await place_all(runtime, *(placement() for _ in range(50)))
    assert all(isinstance(each, r.Placed) for each in found)
    assert len(commits) <= 6


async def test_answers_come_as_soon_as_they_are_known(autojump_clock, machine):
    """An order that waits for nothing is not held up by one that waits for the exchange."""
    answered = []
    async with machine.boot() as runtime:
        machine.faults.latency_seconds = 0.1
        began = trio.current_time()
        await runtime.port.place_all(
            (placement(wait_seconds=5.0), placement(wait_seconds=0.0)),
            lambda index, result: answered.append((index, type(result), trio.current_time() - began)),
        )
    (first, kind, early), (second, other, late) = answered
    assert (first, kind, second, other) == (1, r.Pending, 0, r.Placed)
    assert early < late


async def test_whoever_stops_waiting_takes_nothing_back(autojump_clock, machine):
    """The orders of a caller that went away are placed, and their ids are free afterwards."""
    async with machine.boot() as runtime:
        machine.faults.latency_seconds = 0.2
        answered = []
        with trio.move_on_after(0.1):
            await runtime.port.place_all(
                (placement(idempotency_key="key"),), lambda _index, result: answered.append(result)
            )
        assert answered == []
        await trio.sleep(2)
        assert [type(each) for each in answered] == [r.Placed]
        (again,) = await place_all(runtime, placement(idempotency_key="key"))
    assert isinstance(again, r.Replayed)
    assert len(machine.disk.orders) == 1


async def test_a_kill_answers_while_a_thousand_orders_wait_and_a_hundred_rest(autojump_clock):
    """It takes no commit, no mailbox and hardly any time; nothing that waited is sent, what rested is off."""
    machine = Machine(kind="sim", limits=RiskLimits(max_pos_usd=Decimal(100_000_000)))
    found = {}
    async with machine.boot() as runtime:
        price = (await runtime.port.marks())[0].mark * Decimal("0.95")
        resting = placement(type="limit", qty="0.001", limit_price=price.quantize(Decimal("0.01")))
        rested = [each.order.order_id for each in await place_all(runtime, *[resting] * 100)]
        machine.faults.latency_seconds = 0.5
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                batch = [placement(qty="0.001") for _ in range(50)]
                nursery.start_soon(runtime.port.place_all, batch, found.__setitem__)
            await trio.testing.wait_all_tasks_blocked()
            began, cpu = trio.current_time(), time.thread_time()
            killed = await runtime.port.kill(
                level="cancel", exchange=None, symbol=None, reason="enough", by="ann", correlation_id="k"
            )
            took, cpu = trio.current_time() - began, time.thread_time() - cpu
            fills = len(machine.disk.fills)
        await trio.sleep(5)
        statuses = {machine.disk.orders[order_id].status for order_id in rested}
    assert killed.durable
    assert took < 0.1
    assert cpu < 0.1
    assert len(machine.disk.fills) == fills == 0
    assert statuses == {"canceled"}


async def test_orders_of_different_callers_that_come_together_are_judged_together(
    autojump_clock, machine, monkeypatch
):
    """Twenty callers at once: one message to RiskActor for all of them, and an answer for each."""
    judged, receive = [], RiskActor.on_receive

    def counting(risk, message):
        if isinstance(message, PlaceOrders):
            judged.append(len(message.orders))
        return receive(risk, message)

    monkeypatch.setattr(RiskActor, "on_receive", counting)
    async with machine.boot() as runtime:
        found = {}
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(_place_as, number, runtime, found)
    assert judged == [20]
    assert sorted(found) == list(range(20))
    assert all(isinstance(each, r.Placed) for each in found.values())
    assert len({each.order.order_id for each in found.values()}) == 20


async def test_a_caller_that_goes_away_takes_none_of_the_others_along(autojump_clock, machine):
    """Whoever came first brings the orders of all to RiskActor, its own end notwithstanding."""
    async with machine.boot() as runtime:
        found = {}
        async with trio.open_nursery() as nursery:
            for number in (1, 2, 3):
                nursery.start_soon(_place_as, number, runtime, found)
            with trio.CancelScope() as gone:
                gone.cancel()
                await _place_as(0, runtime, found)
        await trio.sleep(1)
    assert sorted(found) == [0, 1, 2, 3]
    assert len(machine.disk.orders) == 4


async def _place_as(number, runtime, found):
    await runtime.port.place_all((placement(),), lambda _index, result: found.__setitem__(number, result))


async def test_nothing_is_kept_of_orders_that_are_answered(autojump_clock, machine):
    """Placed, denied, replayed or only tried: nobody waits, no id is taken, no deadline is left."""
    async with machine.boot() as runtime:
        deadlines = len(runtime.system.agenda)
        for number in range(4):
            await place_all(
                runtime,
                placement(),
                placement(symbol="DOGE/USDT"),
                placement(dry_run=True),
                placement(idempotency_key=f"key-{number // 2}"),
            )
        await trio.sleep(1)
        port = runtime.port
        assert (len(runtime.admissions._expected), len(port._placings._claims)) == (0, 0)
        assert runtime.system.agenda.live <= deadlines


async def test_an_order_that_met_a_dead_risk_actor_can_be_asked_for_again(
    autojump_clock, machine, monkeypatch
):
    """What was never handled is settled at once: its ids are free for the retry that our refusal asks for."""

    async def nobody(self, message, *, timeout):
        raise ActorDead("risk", type(message).__name__, "nobody lives there")

    async with machine.boot() as runtime:
        with monkeypatch.context() as patch:
            patch.setattr(type(runtime.system.ref("risk")), "ask", nobody)
            (first,) = await place_all(runtime, placement(idempotency_key="key"))
        (again,) = await place_all(runtime, placement(idempotency_key="key"))
    assert (first.code, type(again)) == ("OVERLOADED", r.Placed)


@pytest.mark.parametrize("late", [False, True])
async def test_an_order_that_a_failing_risk_actor_may_have_journaled_is_settled_in_the_end(
    autojump_clock, machine, monkeypatch, late
):
    """Nobody knows at first; then it is there, withdrawn, or it can't come any more."""
    judge = RiskActor._on_place_all

    def fail(self, message):
        if late:
            judge(self, message)
        raise RuntimeError("the judge dies")

    async with machine.boot() as runtime:
        monkeypatch.setitem(_HANDLERS, PlaceOrders, fail)
        (first,) = await place_all(runtime, placement(idempotency_key="key"))
        monkeypatch.setitem(_HANDLERS, PlaceOrders, judge)
        await trio.sleep(DOUBT_SECONDS + 1)
        (again,) = await place_all(runtime, placement(idempotency_key="key"))
    assert first.code == "OVERLOADED"
    if late:
        assert (type(again), again.order.terminal) == (r.Replayed, Terminal.NOT_SENT)
    else:
        assert isinstance(again, r.Placed)


async def test_an_order_of_which_two_risk_actors_died_before_its_commit_is_settled_in_the_end(
    autojump_clock, machine
):
    """The first had handed it over, the second was told that it never will be journaled, and told nobody."""
    async with machine.boot() as runtime, trio.open_nursery() as clients:
        machine.faults.latency_seconds = 2.0
        clients.start_soon(place_all, runtime, placement())
        await trio.sleep(0.1)
        clients.start_soon(place_all, runtime, placement(idempotency_key="key"))
        for _ in range(2):
            await trio.sleep(0.1)
            runtime.system.ref("risk").cell.kill()
        await trio.sleep(DOUBT_SECONDS + 5)
        machine.faults.latency_seconds = 0.0
        (again,) = await place_all(runtime, placement(idempotency_key="key"))
    assert isinstance(again, r.Placed)


async def test_a_batch_whose_caller_goes_while_another_is_being_judged_goes_on(
    autojump_clock, machine, monkeypatch
):
    """It is handed over and answered all the same, and its ids are free afterwards."""
    ask = Placings._ask_risk

    async def slowly(self, orders):
        await trio.sleep(0.5)
        return await ask(self, orders)

    monkeypatch.setattr(Placings, "_ask_risk", slowly)
    async with machine.boot() as runtime:
        async with trio.open_nursery() as others:
            others.start_soon(place_all, runtime, *(placement(qty="0.001") for _ in range(9)))
            await trio.sleep(0.1)
            with trio.move_on_after(0.1):
                await place_all(runtime, *(placement(idempotency_key=f"k{at}") for at in range(9)))
        await trio.sleep(1)
        (again,) = await place_all(runtime, placement(idempotency_key="k0"))
    assert isinstance(again, r.Replayed)
