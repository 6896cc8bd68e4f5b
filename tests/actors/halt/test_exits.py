"""A person's way out under a kill, in a whole runtime: what of it stays, and what must not stand in the way
of a kill that closes positions.
"""

from decimal import Decimal

import trio
from trio.testing import MockClock

from actors.model.book import Kill
from actors.model.results import Denied, Placed, PlaceResult
from supervisors.tree import Runtime
from tests.fixtures.runtime import Machine, intent

BTC = "BTC/USDT"


async def pull(runtime: Runtime, level: str) -> None:
    """A person pulls the kill switch for everything."""
    await runtime.port.kill(
        level=level, exchange=None, symbol=None, reason="a test", by="ann", correlation_id="k"
    )


async def buy(runtime: Runtime) -> None:
    """Hold 0.1."""
    bought = await runtime.port.place(intent("buy", "0.1"), wait_seconds=5, correlation_id="t")
    assert bought.order.status == "filled"


async def rest(runtime: Runtime) -> Placed:
    """An order that opens and does not execute."""
    (mark,) = [each for each in await runtime.port.marks() if each.symbol == BTC]
    price = ((mark.last or mark.mark) * Decimal("0.95")).quantize(Decimal("0.01"))
    placed = await runtime.port.place(
        intent("buy", "0.01", str(price), time_in_force="GTC"), wait_seconds=5, correlation_id="t"
    )
    assert isinstance(placed, Placed), placed
    return placed


async def place_stop(runtime: Runtime, share: str) -> PlaceResult:
    """Ask for a reduce-only stop for the whole position, its trigger at this share of the last price."""
    (mark,) = [each for each in await runtime.port.marks() if each.symbol == BTC]
    trigger = ((mark.last or mark.mark) * Decimal(share)).quantize(Decimal("0.01"))
    asked = intent("sell", "0.1", type="stop", stop_price=trigger, reduce_only=True)
    return await runtime.port.place(asked, wait_seconds=5, correlation_id="t")


async def protect(runtime: Runtime, share: str = "0.5") -> Placed:
    """The same, which must be taken."""
    placed = await place_stop(runtime, share)
    assert isinstance(placed, Placed), placed
    return placed


async def test_a_protective_stop_placed_after_a_kill_survives_a_restart(autojump_clock: MockClock):
    """What is in force is swept again after each start, and would leave the position without its stop."""
    machine = Machine(kind="sim")
    async with machine.boot() as runtime:
        await buy(runtime)
        before = await protect(runtime)
        await pull(runtime, "cancel")
        await trio.sleep(5)
        assert (await runtime.port.order(before.order.order_id)).status == "canceled"
        placed = await protect(runtime)
        await trio.sleep(30)
        assert (await runtime.port.order(placed.order.order_id)).status == "open"
    async with machine.boot() as runtime:
        await trio.sleep(30)
        assert (await runtime.port.order(placed.order.order_id)).status == "open"
        (progress,) = (await runtime.port.halt()).sweeps
        assert progress.done


async def test_a_clock_that_was_set_back_does_not_decide_which_exits_a_kill_takes(autojump_clock: MockClock):
    """The journal's time stands still until the clock has caught up; before and after must not."""
    machine = Machine(kind="sim")
    async with machine.boot() as runtime:
        await buy(runtime)
        before = await protect(runtime)
        machine.clock.ahead_us = -3_600_000_000
        await pull(runtime, "cancel")
        await trio.sleep(5)
        assert (await runtime.port.order(before.order.order_id)).status == "canceled"
        after = await protect(runtime)
        await trio.sleep(30)
        assert (await runtime.port.order(after.order.order_id)).status == "open"
    async with machine.boot() as runtime:
        await trio.sleep(30)
        assert (await runtime.port.order(after.order.order_id)).status == "open"


async def test_a_flatten_closes_the_position_although_a_client_keeps_placing_stops(autojump_clock: MockClock):
    """Each sweep found the newest stop, so that none was ever done and the position stayed open."""
    machine = Machine(kind="sim")
    async with machine.boot() as runtime, trio.open_nursery() as nursery:
        await buy(runtime)
        first = await protect(runtime)
        denied: list[Denied] = []

        async def client() -> None:
            while runtime.log.book.position("sim", BTC).quantity:
                if not runtime.log.book.orders:
                    placed = await place_stop(runtime, "0.5")
                    assert isinstance(placed, Placed | Denied), placed
                    denied.extend([placed] if isinstance(placed, Denied) else [])
                await trio.sleep(0.01)

        nursery.start_soon(client)
        await trio.sleep(2)
        await pull(runtime, "flatten")
        await trio.sleep(30)
        assert runtime.log.book.position("sim", BTC).quantity == 0
        assert (await runtime.port.order(first.order.order_id)).status == "canceled"
        assert {(each.code, "flatten" in each.detail) for each in denied} == {("TRADING_HALTED", True)}
        nursery.cancel_scope.cancel()


async def test_an_automatic_flatten_is_not_held_up_by_a_clients_exits_either(autojump_clock: MockClock):
    """Exits pass a kill that no person pulled, and one was enough to keep the position from being closed."""
    machine = Machine(kind="sim")
    async with machine.boot() as runtime:
        await buy(runtime)
        runtime.gate.engage(
            Kill(
                kill_id="loss",
                level="flatten",
                exchange=None,
                symbol=BTC,
                reason="a test",
                by="risk",
                at_us=machine.clock.now_us(),
                automatic=True,
            )
        )
        denied = await place_stop(runtime, "0.5")
        assert isinstance(denied, Denied)
        assert denied.code == "TRADING_HALTED"
        await trio.sleep(30)
        assert runtime.log.book.position("sim", BTC).quantity == 0


async def test_a_kill_does_not_let_a_reduce_only_stop_that_outlived_its_position_open_another(
    autojump_clock: MockClock,
):
    """The simulated exchange, and spot exchanges, don't enforce the flag: halted and flat became short."""
    machine = Machine(kind="sim")
    async with machine.boot() as runtime:
        await buy(runtime)
        kept = await protect(runtime)
        await pull(runtime, "halt")
        await trio.sleep(5)
        assert (await runtime.port.order(kept.order.order_id)).status == "open"
        await runtime.port.resume(reason="a test", by="ann", correlation_id="r")
        sold = await runtime.port.place(intent("sell", "0.1"), wait_seconds=5, correlation_id="t")
        assert sold.order.status == "filled"
        await pull(runtime, "halt")
        await trio.sleep(5)
        assert (await runtime.port.order(kept.order.order_id)).status == "canceled"


async def test_a_sweep_ends_with_its_kill(autojump_clock: MockClock):
    """Looking again for what was left, it found what was placed after the resume, and cancelled that: without
    end, while somebody kept placing orders.
    """
    machine = Machine(kind="sim")
    async with machine.boot() as runtime:
        await rest(runtime)
        await pull(runtime, "cancel")
        await trio.sleep(0.1)
        await runtime.port.resume(reason="a test", by="ann", correlation_id="r")
        placed = await rest(runtime)
        await trio.sleep(5)
        assert (await runtime.port.order(placed.order.order_id)).status == "open"
        assert (await runtime.port.halt()).sweeps == ()
