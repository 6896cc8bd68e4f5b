"""Pulling the kill switch: close the gate, write the latch, answer. Nothing else is waited for.

The steps are in the order of what they are worth. The gate closes first and at once, in memory, without any
await. Then the latch file, so that a crash doesn't undo it; a latch that can't be written within its time
leaves everything halted and the answer says so. Journal and exchanges come after the answer and are the work
of the operator's actor, which is told. Every write to the latch is made here, one at a time, and always
carries all kills in force, so that a resume and a kill that cross each other can't lose the kill.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio

from actors.halt import latch as content
from actors.halt.gate import Gate
from actors.halt.port import LatchFailed, LatchFile
from actors.model.book import Kill
from actors.model.clock import Clock, Ids
from actors.model.journal import CommittedLog
from actors.model.messages import KillPulled
from actors.model.readable import reason_of
from actors.model.results import KillResult

LATCH_SECONDS = 1.0
"""How long the answer waits for the disk. A healthy one takes milliseconds; a hanging one must not hang the
answer.
"""


class KillSwitch:
    """The one thing that engages and lifts kills. Made by the tree; shared by the command port and the
    operator's actor.

    `announce` tells the operator's actor and must neither wait nor raise. `halted_because` makes the start a
    halted one that a person has to resume, as after a restored backup.
    """

    def __init__(
        self,
        *,
        gate: Gate,
        latch: LatchFile,
        clock: Clock,
        log: CommittedLog,
        ids: Ids,
        announce: Callable[[KillPulled], None],
        halted_because: str | None = None,
        latch_seconds: float = LATCH_SECONDS,
    ) -> None:
        self._gate = gate
        self._latch = latch
        self._clock = clock
        self._log = log
        self._ids = ids
        self._announce = announce
        self._halted_because = halted_because
        self._latch_seconds = latch_seconds
        self._one_at_a_time = trio.Lock()
        self._read = False
        self._durable: frozenset[str] = frozenset()
        self.problem: str | None = None
        """Why the latch file is not what it should be, or None."""
        self.inherited: frozenset[str] = frozenset()
        """The kills that the latch file held when this process read it."""

    async def __call__(
        self,
        *,
        level: str,
        exchange: str | None,
        symbol: str | None,
        reason: str,
        by: str,
        correlation_id: str,
        automatic: bool = False,
    ) -> KillResult:
        """Halt the scope. When this returns no submit of an opening order begins any more, whatever crashes.

        `durable` False means: halted, but only in memory (HALTED_NOT_DURABLE); the latch is tried again until
        it is written. Cancelling the caller does not undo or interrupt the kill.
        """
        kill = self._made(level, exchange, symbol, reason, by, automatic)
        engaged = self._gate.engage(kill)
        with trio.CancelScope(shield=True):
            await self.secure()
        self._tell(kill, correlation_id)
        return KillResult(
            kill_id=kill.kill_id,
            trading_state="halted",
            durable=kill.kill_id in self._durable,
            in_flight=engaged.in_flight,
        )

    engage = __call__

    def _made(
        self,
        level: str,
        exchange: str | None,
        symbol: str | None,
        reason: str,
        by: str,
        automatic: bool = False,
    ) -> Kill:
        return Kill(
            kill_id=self._ids.order_id(),
            level=level,
            exchange=exchange,
            symbol=symbol,
            reason=reason_of(reason),
            by=by,
            # A clock that was set back is behind the journal's time, by which orders are before it or after.
            at_us=max(self._clock.now_us(), self._log.head_at_us),
            automatic=automatic,
        )

    def _tell(self, kill: Kill, correlation_id: str) -> None:
        self._announce(
            KillPulled(
                kill_id=kill.kill_id,
                level=kill.level,
                exchange=kill.exchange,
                symbol=kill.symbol,
                reason=kill.reason,
                by=kill.by,
                correlation_id=correlation_id,
                automatic=kill.automatic,
            )
        )

    @property
    def secured(self) -> bool:
        """Whether every kill in force is in the latch file."""
        return self._durable.issuperset(self._gate.kills)

    async def load(self) -> None:
        """Put the kills of the latch file into force. A latch that can't be read is a kill by itself."""
        with trio.move_on_after(self._latch_seconds) as scope:
            async with self._one_at_a_time:
                await self._load()
        if scope.cancelled_caught:
            self._gate.engage(content.unreadable("the latch file could not be read in time"), in_flight=())
            self.problem = "the latch file could not be read in time"

    async def _load(self) -> None:
        if self._read:
            return
        try:
            found = content.decode(await self._latch.read())
        except LatchFailed as error:
            self.problem = error.detail
            found = (content.unreadable(error.detail),)
        for kill in found:
            self._gate.engage(kill, in_flight=())
        self._durable = self.inherited = frozenset(kill.kill_id for kill in found)
        self._read = True
        if self._halted_because is not None:
            self._gate.engage(self._made("halt", None, None, self._halted_because, "restore"), in_flight=())

    async def secure(self) -> None:
        """Write the kills in force to the latch file unless they are in it; failing leaves `problem` set."""
        with trio.move_on_after(self._latch_seconds) as scope:
            async with self._turn():
                await self._load()
                if not self.secured:
                    await self._write(tuple(engaged.kill for engaged in self._gate.kills.values()))
        if scope.cancelled_caught:
            self.problem = f"the latch file was not written within {self._latch_seconds:g} s"

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """One at a time; without giving the loop away where nobody else is at it."""
        try:
            self._one_at_a_time.acquire_nowait()
        except trio.WouldBlock:
            await self._one_at_a_time.acquire()
        try:
            yield
        finally:
            self._one_at_a_time.release()

    async def lift(self, kill_ids: tuple[str, ...]) -> bool:
        """Take the kills out of the file, then out of force; False, and all still in force, when the file
        can't be written.

        The caller has journaled the resume. Kills that come in the meantime stay.
        """
        done = False
        with trio.move_on_after(self._latch_seconds) as scope:
            async with self._one_at_a_time:
                left = tuple(e.kill for key, e in self._gate.kills.items() if key not in kill_ids)
                await self._write(left)
                if self.problem is None:
                    self._gate.lift(kill_ids)
                    done = True
        if scope.cancelled_caught and not done:
            self.problem = f"the latch file was not written within {self._latch_seconds:g} s"
        return done

    async def _write(self, kills: tuple[Kill, ...]) -> None:
        self._durable = frozenset()
        try:
            if kills:
                await self._latch.write(content.encode(kills, self._latch.capacity))
            else:
                await self._latch.clear()
        except LatchFailed as error:
            self.problem = error.detail
        else:
            self._durable = frozenset(kill.kill_id for kill in kills)
            self.problem = None
