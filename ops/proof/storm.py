"""Whatever goes wrong: each fault of the plan made true at its time, undone at its end, and counted.

A fault counts as fired when it had an effect that the runtime could see, not when it was planned.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from random import Random

import trio

from actors.broker.adapters.instruments import LOT, TICK
from actors.kernel import KernelError, MailboxFull
from actors.model.messages import ChangeLimit
from actors.model.order import OrderIntent
from actors.writer import Advance
from ops.proof.operator import pull_and_resume
from ops.proof.plan import Fault
from ops.proof.sabotage import SMALL_MAILBOX
from ops.proof.venue import FOREIGN
from ops.proof.weather import LINE_FAULTS, Gust
from ops.proof.world import World
from persistence.memory import Unknown

SLOW_COMMIT = 0.4
"""Seconds, under which a risk actor has time to die with what it accepted."""


async def storm(world: World) -> None:
    """Carry out the plan's faults; returns when the last one is over."""
    async with trio.open_nursery() as nursery:
        for fault in world.plan.faults:
            nursery.start_soon(_carry_out, world, fault)


async def _carry_out(world: World, fault: Fault) -> None:
    await trio.sleep_until(fault.at)
    rng = Random(f"{world.plan.seed}/fault {fault.number}")
    if fault.kind in LINE_FAULTS:
        await _blow(world, fault, rng)
    else:
        await _ACTS[fault.kind](world, fault, rng)


async def _blow(world: World, fault: Fault, rng: Random) -> None:
    weather = world.weathers[fault.where]
    gust = Gust(kind=fault.kind, chance=fault.level, rng=rng)
    weather.gusts.append(gust)
    await trio.sleep(fault.seconds)
    weather.gusts.remove(gust)


# The store.


@contextmanager
def _commits_take(world: World, seconds: Callable[[], float]) -> Iterator[None]:
    """While several faults slow commits down, the newest of them does; in the end none is left behind."""
    world.commit_seconds.append(seconds)
    try:
        yield
    finally:
        world.commit_seconds.remove(seconds)


async def _slow_commits(world: World, fault: Fault, rng: Random) -> None:
    def slow() -> float:
        world.fired["slow_commits"] += 1
        return rng.uniform(0.05, 0.3 + 1.5 * fault.level)

    with _commits_take(world, slow):
        await trio.sleep(fault.seconds)


async def _database_down(world: World, fault: Fault, _rng: Random) -> None:
    world.fired["database_down"] += 1
    world.faults.available = False
    await trio.sleep(fault.seconds)
    world.faults.available = True


async def _unknown_commit(world: World, fault: Fault, rng: Random) -> None:
    until = trio.current_time() + fault.seconds
    while trio.current_time() < until:
        if not world.faults.next_commits:
            world.fired["unknown_commit"] += 1
            lands = rng.choice((None, 0.0, rng.uniform(0.0, 4.0)))
            silence = rng.choice((0.0, rng.uniform(0.0, 2.0)))
            world.faults.next_commits.append(Unknown(lands_after_seconds=lands, silence_seconds=silence))
        await trio.sleep(rng.uniform(0.2, 4.0))
    world.faults.next_commits.clear()


async def _refused_commit(world: World, fault: Fault, rng: Random) -> None:
    def refuse(_batch: object) -> str | None:
        if rng.random() < 0.1 * fault.level:
            world.fired["refused_commit"] += 1
            return "a rule that this batch breaks"
        return None

    world.faults.refuse = refuse
    await trio.sleep(min(fault.seconds, 8.0))
    world.faults.refuse = None


async def _latch_fails(world: World, fault: Fault, _rng: Random) -> None:
    world.fired["latch_fails"] += 1
    world.latch.failing = True
    world.latch.seconds = 0.002 if fault.level < 0.6 else 3.0
    await trio.sleep(fault.seconds)
    world.latch.failing, world.latch.seconds = False, 0.002


# The process.


async def _crash(world: World, _fault: Fault, _rng: Random) -> None:
    process = world.process
    if process is not None:
        world.fired["crash"] += 1
        process.life.end("crash")


async def _crash_at_port(world: World, _fault: Fault, rng: Random) -> None:
    """Die at a port: with a commit or an order on its way, or done and not answered yet."""
    life = world.lives[-1]
    if life.alive:
        world.fired["crash_at_port"] += 1
        life.end_after(rng.randint(1, 12))


async def _two_processes(world: World, _fault: Fault, _rng: Random) -> None:
    if world.process is not None:
        world.fired["two_processes"] += 1
        world.start_another()


async def _actor_crash(world: World, fault: Fault, rng: Random) -> None:
    for _ in range(rng.randint(1, 3)):
        process = world.process
        if process is not None:
            addresses = tuple(process.saboteur.addresses)
            process.saboteur.arm(rng.choice(addresses), rng.choice(("before", "after")))
        await trio.sleep(rng.uniform(0.0, fault.seconds / 3))
        if process is not None:
            world.fired["actor_crash"] += len(process.saboteur.struck)
            process.saboteur.struck.clear()
            process.saboteur.disarm()


async def _judge_dies(world: World, fault: Fault, rng: Random) -> None:
    """Fail the risk actor when it has accepted an order whose record still waits for a slow commit: the next
    life must not judge as if there had been none, nor may the record come after that.
    """
    until = trio.current_time() + fault.seconds
    with _commits_take(world, lambda: SLOW_COMMIT):
        while trio.current_time() < until:
            process = world.process
            if process is not None:
                process.saboteur.arm("risk", "after", "PlaceOrder")
            await trio.sleep(rng.uniform(1.0, 3.0))
            if process is not None:
                world.fired["judge_dies"] += len(process.saboteur.struck)
                process.saboteur.struck.clear()
                process.saboteur.disarm()


async def _supervisor_gives_up(world: World, _fault: Fault, _rng: Random) -> None:
    """Fail the journal's actor more often than its supervisor puts up with."""
    process = world.process
    if process is None:
        return
    world.fired["supervisor_gives_up"] += 1
    for _ in range(8):
        process.saboteur.arm("journal", "before")
        process.runtime.system.ref("journal").tell(Advance())
        await trio.sleep(0.5)
    process.saboteur.disarm()


async def _mailbox_full(world: World, _fault: Fault, rng: Random) -> None:
    for _ in range(2):
        process = world.process
        if process is None:
            return
        ref = process.runtime.system.ref("risk")
        try:
            for _ in range(2 * SMALL_MAILBOX):
                ref.tell(Advance())
        except MailboxFull:
            world.fired["mailbox_full"] += 1
        await trio.sleep(rng.uniform(0.1, 1.0))


async def _adapter_bug(world: World, fault: Fault, rng: Random) -> None:
    """An adapter that raises what it must never raise."""
    process = world.process
    if process is None:
        return
    wire = process.wires[fault.where]

    def bug(operation: str) -> None:
        wire.bug = None
        world.fired["adapter_bug"] += 1
        raise LookupError(f"a bug in the adapter's {operation}")

    for _ in range(rng.randint(1, 3)):
        wire.bug = bug
        await trio.sleep(fault.seconds / 3)
    wire.bug = None


# Exchanges and clocks.


async def _disconnect(world: World, fault: Fault, rng: Random) -> None:
    until = trio.current_time() + fault.seconds
    while trio.current_time() < until:
        process = world.process
        if process is not None:
            world.fired["disconnect"] += 1
            process.wires[fault.where].cut()
        await trio.sleep(rng.uniform(0.5, 10.0))


async def _exchange_clock_skew(world: World, fault: Fault, rng: Random) -> None:
    world.fired["exchange_clock_skew"] += 1
    venue = world.venues[fault.where]
    venue.skew_us = int(rng.uniform(-8.0, 3.0) * fault.level * 1_000_000)
    await trio.sleep(fault.seconds)
    venue.skew_us = 0


async def _own_clock_jump(world: World, fault: Fault, rng: Random) -> None:
    world.fired["own_clock_jump"] += 1
    world.clock.offset_us = int(rng.uniform(-6.0, 6.0) * fault.level * 1_000_000)
    await trio.sleep(fault.seconds)
    world.clock.offset_us = 0


async def _foreign_orders(world: World, fault: Fault, rng: Random) -> None:
    """Another trades on the same account."""
    venue = world.venues[fault.where]
    until = trio.current_time() + fault.seconds
    count = 0
    while trio.current_time() < until:
        count += 1
        symbol = rng.choice(world.plan.symbols)
        mid, side = venue.mid(symbol), rng.choice(("buy", "sell"))
        resting = rng.random() < 0.5
        intent = OrderIntent(
            order_id="",
            client_order_id="",
            exchange=venue.name,
            symbol=symbol,
            side=side,
            type="limit" if resting else "market",
            quantity=(Decimal(rng.randint(20, 200)) / mid).quantize(LOT),
            limit_price=(mid * Decimal("0.999" if side == "buy" else "1.001")).quantize(TICK)
            if resting
            else None,
            time_in_force="GTC" if resting else "IOC",
        )
        venue.place(intent, f"{FOREIGN}{fault.number}-{count}")
        world.fired["foreign_orders"] += 1
        await trio.sleep(rng.uniform(0.5, 5.0))


async def _exchange_ends_orders(world: World, fault: Fault, rng: Random) -> None:
    """The exchange cancels or expires what rests, for reasons of its own."""
    venue = world.venues[fault.where]
    until = trio.current_time() + fault.seconds
    while trio.current_time() < until:
        resting = [listed for listed in venue.listed.values() if listed.status == "open"]
        if resting:
            venue.end(rng.choice(resting), rng.choice(("canceled", "expired")))
            world.fired["exchange_ends_orders"] += 1
        await trio.sleep(rng.uniform(0.3, 4.0))


# People.


async def _slow_consumer(world: World, fault: Fault, rng: Random) -> None:
    world.fired["slow_consumer"] += 1
    rng.choice(world.watchers).slow_until = trio.current_time() + fault.seconds + 20.0
    await trio.sleep(fault.seconds)


async def _kill(world: World, fault: Fault, rng: Random) -> None:
    world.fired["kill"] += 1
    await pull_and_resume(world, rng, fault.seconds)


async def _limit_change(world: World, _fault: Fault, rng: Random) -> None:
    process = world.process
    if process is None:
        return
    name, value = rng.choice(
        (
            ("max_pos_usd", str(rng.choice((500, 3_000, 30_000)))),
            ("max_open_orders", rng.choice(("3", "30", "off"))),
            ("max_order_usd", rng.choice(("300", "off"))),
            ("max_gross_usd", rng.choice(("2000", "off"))),
            ("price_collar", rng.choice(("0.001", "0.1"))),
        )
    )
    change = ChangeLimit(name=name, value=value, by="operator", reason="simulated")
    with trio.CancelScope() as connection:
        process.life.connect(connection)
        try:
            await process.runtime.system.ref("risk").ask(change, timeout=2.0)
            world.fired["limit_change"] += 1
        except KernelError:
            pass  # No answer: whether the limit changed is for the checkers to read in the journal.
        finally:
            process.life.disconnect(connection)


_ACTS: dict[str, Callable[[World, Fault, Random], Awaitable[None]]] = {
    "slow_commits": _slow_commits,
    "database_down": _database_down,
    "unknown_commit": _unknown_commit,
    "refused_commit": _refused_commit,
    "latch_fails": _latch_fails,
    "crash": _crash,
    "crash_at_port": _crash_at_port,
    "two_processes": _two_processes,
    "actor_crash": _actor_crash,
    "judge_dies": _judge_dies,
    "supervisor_gives_up": _supervisor_gives_up,
    "mailbox_full": _mailbox_full,
    "adapter_bug": _adapter_bug,
    "disconnect": _disconnect,
    "exchange_clock_skew": _exchange_clock_skew,
    "own_clock_jump": _own_clock_jump,
    "foreign_orders": _foreign_orders,
    "exchange_ends_orders": _exchange_ends_orders,
    "slow_consumer": _slow_consumer,
    "kill": _kill,
    "limit_change": _limit_change,
}
