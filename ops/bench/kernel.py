"""What the kernel costs, in the same run as what it is compared with.

    python -m ops.bench.kernel

An ask is measured the way it is used: with a deadline, from a task that does nothing else. It stands beside
an ask of pykka's ThreadingActor with the same deadline, and beside a message through a bare trio memory
channel and back under `trio.fail_after`. The rounds are interleaved, so that a busy machine hurts all alike,
and the median round counts. `ask_us` is an actor with a plain handler that is idle; `ask_async_us` one whose
handler is async; `ask_queued_us` is a busy actor with 32 askers at once.
"""

from __future__ import annotations

import gc
import json
import logging
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pykka
import trio

from actors.kernel import Ref, System, TrioActor, open_system
from supervisors.otp import Backoff, ChildSpec, SupervisorSpec, open_tree

__all__ = ["measure", "measure_calls", "measure_crowd", "measure_restart"]

ROUNDS = 7
ASKS = 3_000
DEADLINE = 5.0
CROWD = 10_000
RESTARTS = 200


class Echo(TrioActor):
    """Answers at once."""

    def on_receive(self, message: object) -> object:
        """Return the message."""
        return message


class AsyncEcho(TrioActor):
    """Answers from a coroutine."""

    async def on_receive(self, message: object) -> object:
        """Return the message."""
        return message


class ThreadingEcho(pykka.ThreadingActor):
    """What pykka offers."""

    def on_receive(self, message: object) -> object:
        """Return the message."""
        return message


def result(name: str, value: float, unit: str) -> dict[str, str | float]:
    """Return one line of the report."""
    return {"name": name, "value": round(value, 4), "unit": unit}


async def _timed(what: Callable[[], Awaitable[int]]) -> float:
    began = time.perf_counter()
    times = await what()
    return (time.perf_counter() - began) / times * 1e6


async def _asks(ref: Ref) -> int:
    for _ in range(ASKS):
        await ref.ask(None, timeout=DEADLINE)
    return ASKS


async def _queued_asks(ref: Ref) -> int:
    async with trio.open_nursery() as nursery:
        for _ in range(32):
            nursery.start_soon(_some_asks, ref, ASKS // 32)
    return ASKS // 32 * 32


async def _some_asks(ref: Ref, times: int) -> None:
    for _ in range(times):
        await ref.ask(None, timeout=DEADLINE)


async def _tells(ref: Ref) -> int:
    """Tell bursts and wait until each is handled: the price of a message, handling included."""
    for _ in range(ASKS // 500):
        for _ in range(500):
            ref.tell(None)
        await ref.ask(None, timeout=DEADLINE)
    return ASKS // 500 * 501


async def _channel_round_trips() -> int:
    to_echo, at_echo = trio.open_memory_channel[None](1)
    from_echo, at_asker = trio.open_memory_channel[None](1)

    async def echo() -> None:
        async with at_echo, from_echo:
            async for message in at_echo:
                await from_echo.send(message)

    async with trio.open_nursery() as nursery, at_asker:
        nursery.start_soon(echo)
        async with to_echo:
            for _ in range(ASKS):
                with trio.fail_after(DEADLINE):
                    await to_echo.send(None)
                    await at_asker.receive()
    return ASKS


def _threading_asks() -> float:
    ref = ThreadingEcho.start()
    began = time.perf_counter()
    for _ in range(ASKS):
        ref.ask(None, timeout=DEADLINE)
    took = (time.perf_counter() - began) / ASKS * 1e6
    ref.stop()
    return took


async def measure_calls() -> list[dict[str, str | float]]:
    """Measure asks, tells, a bare channel and pykka's threads, interleaved; microseconds each."""
    found: dict[str, list[float]] = {}
    async with open_system() as system:
        plain = await system.start(Echo(), "plain")
        waiting = await system.start(AsyncEcho(), "async")
        rounds: dict[str, Callable[[], Awaitable[int]]] = {
            "ask_us": lambda: _asks(plain),
            "ask_async_us": lambda: _asks(waiting),
            "ask_queued_us": lambda: _queued_asks(waiting),
            "tell_us": lambda: _tells(plain),
            "channel_us": _channel_round_trips,
        }
        for _ in range(ROUNDS):
            for name, what in rounds.items():
                found.setdefault(name, []).append(await _timed(what))
            found.setdefault("threading_ask_us", []).append(_threading_asks())
    return [result(name, statistics.median(values), "us") for name, values in found.items()]


class Fragile(TrioActor):
    """Fails when it is told to, and says when it is ready again."""

    def __init__(self, ready: list[trio.Event]) -> None:
        super().__init__()
        self._ready = ready

    async def on_start(self) -> None:
        """Say so."""
        self._ready[0].set()

    def on_receive(self, message: object) -> object:
        """Fail."""
        raise RuntimeError("as told")


async def measure_restart() -> list[dict[str, str | float]]:
    """Measure from the message that fails an actor until its next life is ready, without backoff."""
    ready = [trio.Event()]
    system = System()
    spec = SupervisorSpec(
        id="bench",
        intensity=RESTARTS,
        backoff=Backoff.none(),
        children=(ChildSpec("fragile", lambda: Fragile(ready)),),
    )
    times = []
    # Every one of these failures is meant; a line for each would bury the figures.
    logging.disable(logging.WARNING)
    async with open_tree(system, spec):
        for _ in range(RESTARTS):
            ready[0] = trio.Event()
            began = time.perf_counter()
            system.ref("bench/fragile").tell("fail")
            await ready[0].wait()
            times.append((time.perf_counter() - began) * 1e3)
            await trio.lowlevel.checkpoint()
    logging.disable(logging.NOTSET)
    return [result("restart_ms", statistics.median(times), "ms")]


def _resident_kb() -> float:
    """Return the resident memory of this process in KiB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4.0


async def measure_crowd() -> list[dict[str, str | float]]:
    """Measure 10,000 supervised actors: starting and stopping them, and what one costs while idle."""
    spec = SupervisorSpec(
        id="crowd", children=tuple(ChildSpec(f"a{number}", Echo) for number in range(CROWD))
    )
    gc.collect()
    before = _resident_kb()
    began = time.perf_counter()
    async with open_tree(System(), spec):
        started = time.perf_counter() - began
        gc.collect()
        each = (_resident_kb() - before) / CROWD
        began = time.perf_counter()
    took = started + time.perf_counter() - began
    return [result("actors_10k_s", took, "s"), result("idle_actor_kb", each, "kB")]


async def measure() -> list[dict[str, str | float]]:
    """Measure everything; about ten seconds."""
    crowd = await measure_crowd()  # first: later memory comes from what others have freed
    return [*await measure_calls(), *await measure_restart(), *crowd]


def main() -> None:
    """Print one JSON object a line."""
    for line in trio.run(measure):
        print(json.dumps(line))


if __name__ == "__main__":
    main()
