"""Who waits for which order: the board between callers and the committed log.

A caller expects an order before it asks RiskActor, so that no event can pass unseen; then it waits for the
order's state to satisfy it. States come from the log alone. The one thing that the log can't tell, that an
intent will never be in it, RiskActor reports with `fail`.
"""

from collections.abc import Callable, Sequence

import trio

from actors.model.events import order_id_of
from actors.model.journal import CommittedLog, Record
from actors.model.order import Order


class Expected:
    """One caller's view of one order: its newest committed state, or why there will be none."""

    def __init__(self, order_id: str, amend_id: str = "") -> None:
        self.order_id = order_id
        self.ids = (order_id, amend_id) if amend_id else (order_id,)
        self.amended: Order | None = None
        """The newest state in which the order had the amend that is waited for."""
        self._amend_id = amend_id
        self.order: Order | None = None
        self.failure: tuple[str, str] | None = None
        self._changed: trio.Event | None = None
        self._settled: Callable[[], None] | None = None

    @property
    def settled(self) -> bool:
        """Whether it is known that the intent is, or never will be, in the journal."""
        return self.order is not None or self.failure is not None

    def when_settled(self, then: Callable[[], None]) -> None:
        """Call `then` once it is settled: now, or with the word that settles it."""
        if self.settled:
            then()
        else:
            self._settled = then

    def set(self, order: Order) -> None:
        """A new committed state."""
        self.order = order
        if order.amend is not None and order.amend.amend_id == self._amend_id:
            self.amended = order
        self._wake()

    def fail(self, code: str, detail: str) -> None:
        """The intent is definitely not in the journal."""
        self.failure = (code, detail)
        self._wake()

    def _wake(self) -> None:
        changed, self._changed = self._changed, None
        if changed is not None:
            changed.set()
        then, self._settled = self._settled, None
        if then is not None:
            then()

    async def until(self, satisfied: Callable[[Order], bool], deadline: float) -> bool:
        """Wait until the state satisfies, the intent failed, or the deadline (trio clock) passes.

        True when satisfied. Cancellation changes nothing: what was admitted goes on.
        """
        with trio.CancelScope(deadline=deadline):
            while self.failure is None:
                if self.order is not None and satisfied(self.order):
                    return True
                if self._changed is None:
                    self._changed = trio.Event()
                await self._changed.wait()
        return self.order is not None and satisfied(self.order)


class Admissions:
    """All callers that wait for orders. Plain and synchronous; used by the command port and RiskActor."""

    def __init__(self, log: CommittedLog) -> None:
        self._log = log
        self._expected: dict[str, list[Expected]] = {}
        log.subscribe(self._follow)

    def expect(self, order_id: str, amend_id: str = "") -> Expected:
        """Begin to watch an order, and what is said of an amend of it; end it with `forget`."""
        expected = Expected(order_id, amend_id)
        self.watch(expected)
        return expected

    def watch(self, expected: Expected) -> None:
        """Tell this one of every committed state of its order; end it with `forget`."""
        for each in expected.ids:
            self._expected.setdefault(each, []).append(expected)

    def forget(self, expected: Expected) -> None:
        """Stop watching."""
        for each in expected.ids:
            watchers = self._expected.get(each, [])
            if expected in watchers:
                watchers.remove(expected)
            if not watchers:
                self._expected.pop(each, None)

    def fail(self, order_id: str, code: str, detail: str) -> None:
        """Tell whoever waits that the order's intent, or the amend's, is definitely not in the journal."""
        for expected in tuple(self._expected.get(order_id, ())):
            expected.fail(code, detail)

    def _follow(self, records: Sequence[Record]) -> None:
        if not self._expected:
            return
        touched: dict[str, None] = {}
        for record in records:
            order_id = order_id_of(record.event)
            if order_id in self._expected:
                touched[order_id] = None
        for order_id in touched:
            order = self._log.book.order(order_id)
            if order is not None:
                for expected in tuple(self._expected[order_id]):
                    expected.set(order)
