"""The door into the actors: uniqueness, durability before the answer, and what a refusal promises."""

import msgspec
import pytest
import trio

from actors.model import results as r
from actors.model.book import Book
from actors.model.fingerprint import fingerprint
from actors.model.messages import AlreadyClosed, NoSuchOrder, Refused
from actors.queries import OrderFilter
from actors.router import misnamed
from tests.fixtures.runtime import Machine, intent


@pytest.fixture
def machine():
    return Machine()


async def place(runtime, order=None, wait_seconds=5.0, **more):
    wanted = intent() if order is None else order
    return await runtime.port.place(wanted, wait_seconds=wait_seconds, correlation_id="test", **more)


async def test_an_order_is_answered_with_what_the_exchange_made_of_it(autojump_clock, machine):
    """The answer follows the committed log to the fill."""
    async with machine.boot() as runtime:
        result = await place(runtime)
    assert isinstance(result, r.Placed)
    assert result.order.status == "filled"
    assert machine.disk.orders[result.order.order_id] == result.order


async def test_the_same_request_under_the_same_ids_is_the_same_order(autojump_clock, machine):
    """By client order id and by idempotency key; another request under them is a conflict."""
    async with machine.boot() as runtime:
        first = await place(runtime, intent(client_order_id="mine", idempotency_key="key"))
        for again in (intent(client_order_id="mine"), intent(idempotency_key="key")):
            repeated = await place(runtime, again)
            assert isinstance(repeated, r.Replayed)
            assert repeated.order == first.order
        for other in (intent(qty="0.02", client_order_id="mine"), intent(qty="0.02", idempotency_key="key")):
            conflict = await place(runtime, other)
            assert isinstance(conflict, r.Conflict)
            assert conflict.code == "IDEMPOTENCY_MISMATCH"


@pytest.mark.parametrize("ids", [{"client_order_id": "mine"}, {"idempotency_key": "key"}])
async def test_a_request_that_comes_again_may_name_the_exchange_to_which_it_went(
    autojump_clock, machine, ids
):
    """Or not name it any more; it is the same order."""
    unnamed, named = (
        msgspec.structs.replace(each, fingerprint=fingerprint(each))
        for each in (intent(**ids), intent(exchange="sim", **ids))
    )
    async with machine.boot() as runtime:
        first = await place(runtime, unnamed)
        again = await place(runtime, named)
    assert isinstance(again, r.Replayed)
    assert again.order == first.order


async def test_a_request_is_in_progress_until_the_journal_has_settled_it(autojump_clock, machine):
    """Fifty at once under one key: one order, the others are told to wait or get that order."""
    machine.faults.latency_seconds = 0.05
    results = []

    async def one(runtime):
        results.append(await place(runtime, intent(idempotency_key="key")))

    async with machine.boot() as runtime, trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(one, runtime)
    placed = [each for each in results if isinstance(each, r.Placed)]
    others = [each for each in results if not isinstance(each, r.Placed)]
    assert len(placed) == 1
    assert {each.code for each in others if isinstance(each, r.Conflict)} <= {"IN_PROGRESS"}
    assert len(machine.disk.orders) == 1


async def test_an_order_whose_intent_is_too_slow_is_refused_and_never_sent(autojump_clock, machine):
    """The commit lands after the answer: the order ends denied, not sent."""
    async with machine.boot() as runtime:
        machine.faults.latency_seconds = 1.5
        result = await place(runtime, intent(client_order_id="slow"))
        assert isinstance(result, Refused)
        assert result.code == "JOURNAL_UNAVAILABLE"
        machine.faults.latency_seconds = 0.0
        await trio.sleep(5)
        order = next(iter(machine.disk.orders.values()))
    assert (order.status, order.code) == ("denied", "NOT_SENT")
    assert machine.disk.fills == {}


async def test_while_the_store_is_away_orders_are_refused_and_cancels_pass(autojump_clock):
    """Postgres down is a state: what opens is refused, a resting order can be cancelled."""
    machine = Machine(kind="sim")
    async with machine.boot() as runtime:
        mark = (await runtime.port.marks())[0].mark
        resting = await place(runtime, intent(price=str(int(mark * 95 / 100))))
        assert resting.order.status == "open"
        machine.faults.available = False
        await trio.sleep(2)
        refused = await place(runtime)
        assert (type(refused), refused.code) == (Refused, "JOURNAL_UNAVAILABLE")
        await runtime.port.cancel(resting.order.order_id, by="me", correlation_id="test", wait_seconds=1)
        assert await runtime.outside.exchanges["sim"].open_orders() == ()
        machine.faults.available = True
        await trio.sleep(10)
        assert (await runtime.port.order(resting.order.order_id)).status == "canceled"
        assert isinstance(await place(runtime), r.Placed)


async def test_a_dry_run_says_what_would_happen_and_records_nothing(autojump_clock, machine):
    """Neither an order nor a denial is left."""
    async with machine.boot() as runtime:
        head = runtime.log.head
        fine = await place(runtime, dry_run=True)
        denied = await place(runtime, intent(symbol="DOGE/USDT"), dry_run=True)
        assert isinstance(fine, r.Previewed)
        assert (type(denied), denied.code) == (r.Denied, "SYMBOL_NOT_ALLOWED")
        assert runtime.log.head == head


async def test_an_unknown_exchange_is_refused(autojump_clock, machine):
    """The router names what there is."""
    async with machine.boot() as runtime:
        refused = await place(runtime, intent(exchange="nowhere"))
    assert (type(refused), refused.code) == (Refused, "EXCHANGE_NOT_FOUND")
    assert "sim" in refused.detail


async def test_cancelling_what_is_closed_or_unknown_changes_nothing(autojump_clock, machine):
    """A filled order is already closed, whoever remembers it; an id that never was is no order."""
    async with machine.boot() as runtime:
        order = (await place(runtime)).order
        closed = await runtime.port.cancel(order.order_id, by="me", correlation_id="c", wait_seconds=1)
        assert isinstance(closed, AlreadyClosed)
        nobody = await runtime.port.cancel("nobody", by="me", correlation_id="c", wait_seconds=1)
        assert isinstance(nobody, NoSuchOrder)


async def test_cancel_all_takes_only_what_matches(autojump_clock):
    """Exchange, symbol and side narrow it down."""
    machine = Machine(kind="sim")
    async with machine.boot() as runtime:
        mark = {each.symbol: each.mark for each in await runtime.port.marks()}["BTC/USDT"]
        buy = await place(runtime, intent(price=str(int(mark * 95 / 100))))
        sell = await place(runtime, intent(side="sell", price=str(int(mark * 105 / 100))))
        taken = await runtime.port.cancel_all(
            exchange=None, symbol="BTC/USDT", side="sell", by="me", correlation_id="c"
        )
        await trio.sleep(1)
        assert taken == (sell.order.order_id,)
        opened = await runtime.port.orders(OrderFilter(statuses=("open",)))
        assert [order.order_id for order in opened] == [buy.order.order_id]


@pytest.mark.parametrize(
    ("names", "code"),
    [
        ({"exchange": "nowhere", "symbol": None}, "EXCHANGE_NOT_FOUND"),
        ({"exchange": None, "symbol": "BTC/USD"}, "SYMBOL_NOT_ALLOWED"),
    ],
)
async def test_a_scope_that_is_mistyped_is_refused_and_not_called_stopped(
    autojump_clock, machine, names, code
):
    """Who reads that a kill holds would believe that nothing trades there any more."""
    async with machine.boot() as runtime:
        killed = await runtime.port.kill(level="halt", reason="test", by="me", correlation_id="c", **names)
        cancelled = await runtime.port.cancel_all(side=None, by="me", correlation_id="c", **names)
        assert [(type(each), each.code) for each in (killed, cancelled)] == [(Refused, code)] * 2
        assert (await runtime.port.halt()).trading_state == "active"
        assert isinstance(await place(runtime), r.Placed)


async def test_a_symbol_that_left_the_whitelist_can_be_killed_while_something_is_held(
    autojump_clock, machine
):
    """What is held there is a place to stop."""
    async with machine.boot() as runtime:
        await place(runtime)
        await runtime.port.change_limit(
            name="symbol_whitelist", value="ETH/USDT", reason="test", by="me", correlation_id="c"
        )
        killed = await runtime.port.kill(
            level="halt", exchange=None, symbol="BTC/USDT", reason="test", by="me", correlation_id="c"
        )
        assert isinstance(killed, r.KillResult)


def test_any_symbol_can_be_killed_before_the_journal_has_been_read():
    """Nobody knows yet what is allowed; a kill is never refused for that."""
    assert misnamed(None, "ANY/THING", ("sim",), Book()) is None


async def test_a_new_process_finds_orders_positions_and_a_kill_as_they_were(autojump_clock):
    """The journal and the latch are all that it needs."""
    machine = Machine(kind="sim")
    async with machine.boot() as runtime:
        await place(runtime)
        await runtime.port.kill(
            level="halt", exchange=None, symbol=None, reason="test", by="me", correlation_id="c"
        )
        await trio.sleep(1)
        before = [view.position for view in await runtime.port.positions()]
    async with machine.boot() as runtime:
        assert [view.position for view in await runtime.port.positions()] == before
        refused = await place(runtime)
        assert (type(refused), refused.code) == (r.Denied, "TRADING_HALTED")
        assert not isinstance(
            await runtime.port.resume(reason="tested", by="me", correlation_id="c"), Refused
        )
        assert isinstance(await place(runtime), r.Placed)
