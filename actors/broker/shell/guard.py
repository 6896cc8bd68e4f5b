"""The dead-man's switch of a broker: armed before anything opens, renewed while it lives, disarmed before a
planned stop.

Whoever wants it wants no order to rest unguarded, so nothing that opens leaves while it is not known to be
armed. Arming and disarming take turns: a renewal on its way must not land after the disarm of a planned stop,
or the orders that shall stay would be cancelled by it.
"""

from collections.abc import Awaitable, Callable

import structlog
import trio

from actors.broker.limiter import Priority
from actors.broker.port import DeadMansSwitch, Unavailable
from actors.broker.shell.desk import Desk

RENEWALS = 3
"""How often it is renewed within its time; a failed renewal is tried again four times as often."""
LAST_SECONDS = 5.0
"""How long a planned stop waits for the disarm."""

_log = structlog.get_logger(room="broker")


class Guard:
    """`switch` None: there is none. `elsewhere`: it is not the exchange's own."""

    def __init__(self, desk: Desk, switch: DeadMansSwitch | None, *, elsewhere: bool = False) -> None:
        self._desk = desk
        self._switch = switch if desk.timings.dead_man_seconds is not None else None
        self._turn = trio.Lock()
        self._elsewhere = elsewhere
        self._over = False
        self._problem = ""
        if self._switch is not None:
            desk.guarded_until = float("-inf")

    async def arm(self) -> bool:
        """Arm or renew once; whether it is armed now. What opens is refused until it is."""
        desk, switch, seconds = self._desk, self._switch, self._desk.timings.dead_man_seconds
        if switch is None or seconds is None:
            return True
        async with self._turn:
            if self._over:
                return False
            began = desk.clock.monotonic()
            try:
                await self._ask("arm", lambda: switch.arm(seconds))
            except Unavailable as problem:
                self._note(str(problem))
                return False
            desk.guarded_until = began + seconds
            self._note("")
            return True

    async def _ask(self, name: str, call: Callable[[], Awaitable[None]]) -> None:
        """The exchange's own switch is one more call to it; another's says nothing about the exchange."""
        desk = self._desk
        if not self._elsewhere:
            await desk.line.ask(name, Priority.CANCEL, desk.timings.query, call)
            return
        try:
            with trio.fail_after(desk.timings.query):
                await call()
        except trio.TooSlowError:
            raise Unavailable("timeout", f"{name}: no answer in {desk.timings.query:g} s") from None

    def _note(self, problem: str) -> None:
        if problem != self._problem:
            _log.warning("dead_man", exchange=self._desk.exchange, armed=not problem, why=problem)
        self._problem = problem

    async def keep(self) -> None:
        """Renew as long as the broker lives, also while it reconnects: alive is alive."""
        seconds = self._desk.timings.dead_man_seconds
        while self._switch is not None and seconds is not None:
            pause = seconds / RENEWALS
            await trio.sleep(pause if await self.arm() else pause / 4)

    async def disarm(self) -> None:
        """Before a planned stop, once and for all. One that can't be disarmed fires: the safe side."""
        desk, switch = self._desk, self._switch
        if switch is None:
            return
        self._over = True
        why = "no answer"
        with trio.move_on_after(LAST_SECONDS):
            async with self._turn:
                try:
                    await self._ask("disarm", switch.disarm)
                    return
                except Unavailable as problem:
                    why = str(problem)
        _log.warning("dead_man_not_disarmed", exchange=desk.exchange, why=why)
