"""Watch and link: hearing of another life's end, once and only once.

A watch is one-sided and delivers `Terminated` on the system lane, also when the other is dead already. A
link is two-sided and passes abnormal ends on: the linked life fails too. Both concern one life; a later
generation at the same address is a stranger and has to be watched anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.kernel.envelope import Envelope, Token
from actors.kernel.errors import LinkedDeath
from actors.kernel.life import Exit, Terminated
from actors.kernel.mailbox import Lane

if TYPE_CHECKING:
    from actors.kernel.cell import Cell
    from actors.kernel.ref import Ref

__all__ = ["Watch", "Watching"]


class Watch(Token):
    """One watch; what it has queued goes stale when it is taken back."""

    __slots__ = ("_watching", "key", "target")

    def __init__(self, watching: Watching, key: tuple[str, int], target: Cell | None) -> None:
        super().__init__()
        self._watching = watching
        self.key = key
        self.target = target

    def taken(self) -> None:
        """Forget the watch: its one notice is about to be handled."""
        self._watching.forget(self)


class Watching:
    """The watches and links of one life, in both directions."""

    __slots__ = ("_cell", "_links", "_watched_by", "_watches")

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._watches: dict[tuple[str, int], Watch] = {}
        self._watched_by: dict[Cell, Watch] = {}
        self._links: dict[Cell, None] = {}

    def watch(self, ref: Ref) -> None:
        """Begin to watch the present life at `ref`; watching it twice changes nothing."""
        target = ref.cell
        key = (ref.address, ref.generation)
        if key in self._watches:
            return
        watch = self._watches[key] = Watch(self, key, target)
        if target is None:
            self._tell(watch, None)
        else:
            target.watching.note_watcher(self._cell, watch)

    def note_watcher(self, watcher: Cell, watch: Watch) -> None:
        """Remember that `watcher` is to be told of this life's end."""
        self._watched_by[watcher] = watch

    def unwatch(self, ref: Ref) -> None:
        """Stop watching every life at `ref`; a notice that is queued already is not delivered."""
        for key in [key for key in self._watches if key[0] == ref.address]:
            self._drop(self._watches.pop(key))

    def _drop(self, watch: Watch) -> None:
        watch.live = False
        if watch.target is not None:
            watch.target.watching.forget_watcher(self._cell)

    def forget_watcher(self, watcher: Cell) -> None:
        """Forget what `note_watcher` noted."""
        self._watched_by.pop(watcher, None)

    def forget(self, watch: Watch) -> None:
        """Forget a watch whose notice is about to be handled."""
        self._watches.pop(watch.key, None)

    def link(self, ref: Ref) -> None:
        """Tie this life and the present one at `ref` together; fails at once when nobody lives there."""
        target = ref.cell
        if target is None:
            self._cell.fail(LinkedDeath(ref.address, ref.generation))
        elif target is not self._cell:
            self._links[target] = None
            target.watching.add_link(self._cell)

    def add_link(self, other: Cell) -> None:
        """Note the other side of a link."""
        self._links[other] = None

    def unlink(self, ref: Ref) -> None:
        """Untie, both ways."""
        target = ref.cell
        if target is not None:
            self.remove_link(target)
            target.watching.remove_link(self._cell)

    def remove_link(self, other: Cell) -> None:
        """Forget one side of a link."""
        self._links.pop(other, None)

    def ended(self, exit_: Exit) -> None:
        """Tell everybody concerned that this life has ended, and let go of them."""
        for watcher, watch in self._watched_by.items():
            watcher.watching._tell(watch, exit_)
        for watch in self._watches.values():
            self._drop(watch)
        for other in self._links:
            other.watching.remove_link(self._cell)
            if exit_.abnormal:
                other.fail(LinkedDeath(self._cell.address, self._cell.generation))
        self._watched_by.clear()
        self._watches.clear()
        self._links.clear()

    def _tell(self, watch: Watch, exit_: Exit | None) -> None:
        watch.target = None
        address, generation = watch.key
        notice = Envelope(Terminated(address, generation, exit_), self._cell.system.now(), watch)
        self._cell.admit(notice, Lane.SYSTEM)
