"""The operator's actor as a writer of the journal: its fence, what it has under way, and what came of it.

Every append carries its own id as the cause of its records, so that the committed log itself tells which of
them landed. A failure is told; an append that is neither landed nor failed is still under way.
"""

from collections.abc import Awaitable, Callable

import trio

from actors.kernel import KernelError, Ref
from actors.model.events import AnyEvent
from actors.model.journal import Append, CommittedLog, Fence, Fenced, Lagged

STREAM = "operator"
FENCE_SECONDS = 5.0
RETRY_SECONDS = 0.2

StartTask = Callable[[Callable[[], Awaitable[None]]], None]


class Records:
    """Belongs to one life of the actor. `whole` tells the actor, by a message to itself, of its fence."""

    def __init__(
        self,
        *,
        journal: Ref,
        log: CommittedLog,
        address: str,
        start_task: StartTask,
        whole: Callable[[Fenced], None],
    ) -> None:
        self._journal = journal
        self._log = log
        self._address = address
        self._start_task = start_task
        self._tell_whole = whole
        self._cursor = log.head
        self._generation = 0
        self._fencing = False
        self._count = 0
        self._under_way: dict[str, tuple[str, ...]] = {}
        self._whole = False

    @property
    def can_write(self) -> bool:
        """Whether an append now has a chance: the fence is answered and the store is there."""
        return self._whole and self._log.available

    @property
    def keys_under_way(self) -> dict[str, None]:
        """What the appends under way are about."""
        return {key: None for keys in self._under_way.values() for key in keys}

    async def open(self) -> Fenced | None:
        """Fence for the first time. None when the journal can't answer now; it is asked again in the
        background.
        """
        try:
            fenced = await self._journal.ask(Fence(STREAM), timeout=FENCE_SECONDS)
        except KernelError:
            self.fence()
            return None
        return fenced if isinstance(fenced, Fenced) else None

    def fence(self) -> None:
        """Write nothing until the journal has said what of ours is in it."""
        self._whole = False
        if not self._fencing:
            self._fencing = True
            self._start_task(self._ask)

    async def _ask(self) -> None:
        while True:
            try:
                fenced = await self._journal.ask(Fence(STREAM), timeout=FENCE_SECONDS)
            except KernelError:
                await trio.sleep(RETRY_SECONDS)
            else:
                if isinstance(fenced, Fenced):
                    self._tell_whole(fenced)
                return

    def become_whole(self, fenced: Fenced) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The fence is answered: which appends had landed, and which definitely never will."""
        landed = self.follow()
        lost = tuple(self._under_way)
        self._under_way.clear()
        self._fencing, self._whole, self._generation = False, True, fenced.generation
        self._cursor = self._log.head
        return landed, lost

    def append(
        self,
        what: str,
        events: tuple[AnyEvent, ...],
        keys: tuple[str, ...] = (),
        correlation_id: str = "",
        deadline: float | None = None,
    ) -> str:
        """Send events that are about `keys` to the journal; return the append's id."""
        self._count += 1
        append_id = f"{self._address}/{what}/{self._generation}/{self._count}"
        self._under_way[append_id] = keys
        self._journal.tell(
            Append(
                append_id=append_id,
                stream=STREAM,
                generation=self._generation,
                events=events,
                correlation_id=correlation_id,
                causation_id=append_id,
                reply_to=self._address,
                deadline=deadline,
            )
        )
        return append_id

    def follow(self) -> tuple[str, ...]:
        """The appends that have landed since the last call."""
        try:
            records = self._log.after(self._cursor)
        except Lagged:
            self.fence()
            return ()
        self._cursor = self._log.head
        return tuple(
            record.causation_id
            for record in records
            if record.stream == STREAM and self._under_way.pop(record.causation_id, None) is not None
        )

    def failed(self, append_id: str) -> None:
        """The append will never be in the journal."""
        self._under_way.pop(append_id, None)
