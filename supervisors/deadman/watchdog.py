"""The watchdog: counts down for each exchange, and cancels our orders where the runtime was silent too long.

Once it has fired it goes on until the runtime arms it again or it is disarmed: a request that the dead
runtime had on its way may still become an order, and a runtime that only hung may have sent one before it was
heard again. What it guards is kept in a file, so that a watchdog that was killed together with the runtime
does not forget its duty. It cancels and reads open orders, nothing else: its key needs no more.
"""

import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec
import structlog
import trio

from actors.broker.port import Confirmed, ExchangePort, OrderReport, Rejected, Unavailable
from actors.model.clock import Clock
from supervisors.deadman.countdowns import Countdowns
from supervisors.deadman.line import MAX_BYTES, Answered, Asked
from supervisors.deadman.memory import Memory

LOOK_SECONDS = 0.1
READ_SECONDS = 5.0
CALL_SECONDS = 8.0
BUSY_PAUSE = 1.0
"""Between two sweeps while something of ours rests, or could not be looked for."""
CALM_PAUSE = 15.0
"""The same once nothing of ours rests any more."""

_log = structlog.get_logger(room="watchdog")
_decode = msgspec.json.Decoder(Asked).decode
_encode = msgspec.json.Encoder().encode


class Watchdog:
    """`ports` are the exchanges that it can cancel at, with keys of its own."""

    def __init__(self, memory: Memory, ports: Mapping[str, ExchangePort], clock: Clock) -> None:
        self._memory = memory
        self._ports = ports
        self._clock = clock
        self._proven: dict[str, None] = {}
        self._countdowns = Countdowns(clock.monotonic(), _of(ports, memory.read()))

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Count down until cancelled."""
        async with trio.open_nursery() as nursery:
            task_status.started()
            while True:
                for name in self._countdowns.due(self._clock.monotonic()):
                    _log.error("runtime_silent", exchange=name, seconds=self._countdowns.guarded[name])
                    nursery.start_soon(self._clear, name)
                await trio.sleep(LOOK_SECONDS)

    async def answer(self, asked: Asked) -> Answered:
        """Arm, renew or disarm. The first arming of an exchange proves that its orders can be read."""
        name, port = asked.exchange, self._ports.get(asked.exchange)
        if port is None:
            return Answered(error=f"{name} is none of its exchanges: {', '.join(self._ports) or 'none'}")
        if asked.seconds <= 0:
            if self._countdowns.disarm(name):
                await self._memory.write(self._countdowns.guarded)
                _log.info("disarmed", exchange=name)
            return Answered()
        if name not in self._proven:
            try:
                await self._resting(port)
            except Unavailable as problem:
                return Answered(error=f"its key can't read the open orders of {name}: {problem}")
            self._proven[name] = None
        if self._countdowns.arm(name, asked.seconds, self._clock.monotonic()):
            await self._memory.write(self._countdowns.guarded)
            _log.info("armed", exchange=name, seconds=asked.seconds)
        return Answered()

    async def _clear(self, name: str) -> None:
        """Cancel what rests, and look again, until the runtime is back."""
        while self._countdowns.has_fired(name):
            left = await self._sweep(name)
            if self._countdowns.has_fired(name):
                await trio.sleep(CALM_PAUSE if left == 0 else BUSY_PAUSE)

    async def _sweep(self, name: str) -> int | None:
        """Cancel all orders of ours; how many rested, None when that can't be told."""
        port = self._ports[name]
        try:
            resting = await self._resting(port)
            for report in resting:
                if not self._countdowns.has_fired(name):
                    break
                await self._cancel(name, port, report)
        except Unavailable as problem:
            _log.error("exchange_not_reached", exchange=name, why=str(problem))
            return None
        return len(resting)

    async def _cancel(self, name: str, port: ExchangePort, report: OrderReport) -> None:
        outcome = None
        with trio.move_on_after(CALL_SECONDS):
            outcome = await port.cancel(report.symbol, report.venue_id, report.exchange_order_id)
        done = isinstance(outcome, Confirmed) or (isinstance(outcome, Rejected) and outcome.gone)
        _log.warning("cancelled", exchange=name, venue_id=report.venue_id, done=done, outcome=repr(outcome))

    async def _resting(self, port: ExchangePort) -> list[OrderReport]:
        """The open orders that are ours; orders of others have no id of ours. Raise Unavailable."""
        try:
            with trio.fail_after(CALL_SECONDS):
                await port.connect()
                return [report for report in await port.open_orders() if report.venue_id]
        except trio.TooSlowError:
            raise Unavailable("timeout", f"no answer in {CALL_SECONDS:g} s") from None


def _of(ports: Mapping[str, ExchangePort], guarded: Mapping[str, float]) -> dict[str, float]:
    return {name: seconds for name, seconds in guarded.items() if name in ports}


async def serve_watchdog(
    watchdog: Watchdog, path: Path, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Answer at the socket until cancelled; raise OSError when it can't be made."""
    with suppress(FileNotFoundError):
        if stat.S_ISSOCK((await trio.Path(path).stat()).st_mode):
            await trio.Path(path).unlink()
    socket = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        await socket.bind(str(path))
    finally:
        os.umask(before)
    socket.listen()
    listener = trio.SocketListener(socket)

    async def one(stream: trio.SocketStream) -> None:
        async with stream:
            with trio.move_on_after(READ_SECONDS + CALL_SECONDS), suppress(trio.BrokenResourceError):
                answered = await _answer(watchdog, await _line(stream))
                await stream.send_all(_encode(answered) + b"\n")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watchdog.run)
        await nursery.start(trio.serve_listeners, one, [listener])
        task_status.started()


async def _answer(watchdog: Watchdog, line: bytes) -> Answered:
    try:
        asked = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Answered(error=f"the line can't be read: {error}")
    return await watchdog.answer(asked)


async def _line(stream: trio.SocketStream) -> bytes:
    received = b""
    with trio.move_on_after(READ_SECONDS):
        while b"\n" not in received and len(received) < MAX_BYTES:
            part = await stream.receive_some(MAX_BYTES)
            if not part:
                break
            received += part
    return received
