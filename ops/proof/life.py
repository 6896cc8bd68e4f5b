"""One incarnation of the process, and that it can end at any moment.

A crash is no exception: from one moment on nothing that the process does has an effect, and nothing from
outside reaches it. Its tasks are cancelled afterwards only to be rid of them; whatever their cleaning up
tries then finds every port dead.
"""

from collections.abc import Callable

import trio


class Life:
    """`number` counts the incarnations of a run from 1. `on_end` is called once, with the reason."""

    def __init__(self, number: int, on_end: Callable[["Life", str], None]) -> None:
        self.number = number
        self.alive = True
        self.ended_because = ""
        self.scope = trio.CancelScope()
        self.over = trio.Event()
        self._on_end = on_end
        self._connections: dict[trio.CancelScope, None] = {}
        self._steps_left: int | None = None

    def end(self, why: str) -> None:
        """Be dead from now on."""
        if self.alive:
            self.alive = False
            self.ended_because = why
            for connection in tuple(self._connections):
                connection.cancel()
            self._on_end(self, why)
            self.over.set()

    def end_after(self, steps: int) -> None:
        """Die at the so-manieth use of a port from now on."""
        self._steps_left = steps

    def passed(self, where: str) -> None:
        """A port is being used, or has done its work and not answered yet."""
        if self._steps_left is not None:
            self._steps_left -= 1
            if self._steps_left <= 0:
                self._steps_left = None
                self.end(f"crash at {where}")

    async def reach(self) -> None:
        """Go on if this life lasts; a dead one waits for ever."""
        if not self.alive:
            await trio.sleep_forever()

    def connect(self, scope: trio.CancelScope) -> None:
        """A caller from outside waits for this life; it is told (by cancelling) when it ends."""
        self._connections[scope] = None

    def disconnect(self, scope: trio.CancelScope) -> None:
        """The caller waits no more."""
        self._connections.pop(scope, None)
