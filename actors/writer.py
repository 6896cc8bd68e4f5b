"""One life of an actor as the writer of a stream: the fence before it, the log it follows, its appends.

A writer starts with a fence: only the journal can say what of its former life is still on the way. Whenever
it loses track (it lagged, an append failed), it fences again and writes nothing until that is answered.
Success is seen in the committed log alone.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import msgspec
import trio

from actors.kernel import KernelError, TrioActor
from actors.model.events import AnyEvent
from actors.model.journal import Append, Appends, CommittedLog, Fence, Fenced, Lagged, Record

FENCE_SECONDS = 5.0
RETRY_SECONDS = 0.2


class Advance(msgspec.Struct, frozen=True):
    """Told to the actor, conflated: the journal has moved."""


class Whole(msgspec.Struct, frozen=True):
    """Told to the actor: a fence was answered after its start."""

    fenced: Fenced


class Writer:
    """Made in `on_start`; it follows the log exactly as long as that life. `whole`: the fence is answered and
    nothing since was lost.
    """

    def __init__(self, actor: TrioActor, stream: str, log: CommittedLog) -> None:
        self.stream = stream
        self.whole = False
        self.generation = 0
        self.cursor = log.head
        self._actor = actor
        self._log = log
        self._journal = actor.system.ref("journal")
        self._fencing = False
        self._gathered: list[Append] | None = None
        actor.start_task(self._hold, log.subscribe(self._wake), name="follow")

    @property
    def can_write(self) -> bool:
        """Whether an append now has a chance: the fence is answered and the store is there."""
        return self.whole and self._log.available

    async def _hold(self, unsubscribe: Callable[[], None]) -> None:
        """A killed life has no last word, but its tasks end with it, whatever ends it."""
        try:
            await trio.sleep_forever()
        finally:
            unsubscribe()

    def _wake(self, _records: object) -> None:
        self._actor.actor_ref.tell(Advance(), key="advance")

    async def open(self) -> Fenced | None:
        """Fence for the first time. None when the journal can't answer now: `Whole` is told when it has."""
        try:
            return await self._ask()
        except KernelError:
            self.fence()
            return None

    def fence(self, *, pause: float = 0.0) -> None:
        """Write nothing until the journal has said what of ours is in it, asked after `pause` seconds; then
        `Whole` is told.
        """
        self.whole = False
        if not self._fencing:
            self._fencing = True
            self._actor.start_task(self._keep_asking, pause, name="fence")

    async def _keep_asking(self, pause: float) -> None:
        await trio.sleep(pause)
        while True:
            try:
                fenced = await self._ask()
            except KernelError:
                await trio.sleep(RETRY_SECONDS)
            else:
                self._actor.actor_ref.tell(Whole(fenced), key="whole")
                return

    async def _ask(self) -> Fenced:
        fenced = await self._journal.ask(Fence(self.stream), timeout=FENCE_SECONDS)
        if not isinstance(fenced, Fenced):
            raise TypeError(f"the journal answered a fence with {type(fenced).__name__}")
        return fenced

    def begin(self, fenced: Fenced) -> None:
        """Write under the new generation, and follow from the log's head."""
        self._fencing, self.whole, self.generation = False, True, fenced.generation
        self.cursor = self._log.head

    def unread(self) -> Sequence[Record]:
        """What was committed since the last call. None of it, and a fence, when that has left memory."""
        if self._log.head == self.cursor:
            return ()
        try:
            records = self._log.after(self.cursor)
        except Lagged:
            self.fence()
            return ()
        self.cursor = self._log.head
        return records

    def append(
        self,
        append_id: str,
        events: tuple[AnyEvent, ...],
        *,
        correlation_id: str = "",
        causation_id: str = "",
        deadline: float | None = None,
    ) -> None:
        """Hand events to the journal; a definite failure comes back to the actor as `AppendFailed`."""
        append = Append(
            append_id=append_id,
            stream=self.stream,
            generation=self.generation,
            events=events,
            correlation_id=correlation_id,
            causation_id=causation_id,
            reply_to=self._actor.address,
            deadline=deadline,
        )
        if self._gathered is None:
            self._journal.tell(append)
        else:
            self._gathered.append(append)

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is appended in the block leaves as one message at its end, in order; each stays an append of
        its own.
        """
        gathered: list[Append] = []
        self._gathered = gathered
        try:
            yield
        finally:
            self._gathered = None
            if gathered:
                self._journal.tell(Appends(tuple(gathered)))
