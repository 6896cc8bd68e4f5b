"""A person's way out under a kill, in a whole runtime: what of it stays, and what must not stand in the way
of a kill that closes positions.
"""

from decimal import Decimal

import trio
from trio.testing import MockClock

from actors.model.results import Placed
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


async def protect(runtime: Runtime, share: str = "0.5") -> Placed:
    """Place a reduce-only stop for the whole position, its trigger at this share of the last price."""
    (mark,) = [each for each in await runtime.port.marks() if each.symbol == BTC]
    trigger = ((mark.last or mark.mark) * Decimal(share)).quantize(Decimal("0.01"))
    asked = intent("sell", "0.1", type="stop", stop_price=trigger, reduce_only=True)
    placed = await runtime.port.place(asked, wait_seconds=5, correlation_id="t")
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
