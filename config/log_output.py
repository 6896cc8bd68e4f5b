"""Where log lines go, and when: those of one turn of trio's loop leave with one write.

Writing costs more than making a line, and a line is written for every order. As an instrument of the loop
(`trio.run(..., instruments=[output])`) it holds lines back until the loop is about to wait, some milliseconds
at most; a warning or anything worse leaves at once, with all before it. Without a loop nothing is held back.
"""

import threading
from collections.abc import Callable
from typing import BinaryIO

import trio

__all__ = ["Output"]


class Output(trio.abc.Instrument):
    """Writes lines to a stream, in the order in which they came; may be used from any thread.

    A stream that can't be written to must not stop trading: the lines are dropped, and as soon as one can be
    written again the line that `tell_lost` makes says how many may be missing.
    """

    def __init__(self, stream: BinaryIO, tell_lost: Callable[[int], bytes]) -> None:
        self._stream = stream
        self._tell_lost = tell_lost
        self._lock = threading.RLock()
        self._writing = False
        self._held: list[bytes] = []
        self._holding = False
        self._lost = 0

    def hold(self, line: bytes) -> None:
        """Write the line with the others of its turn."""
        with self._lock:
            self._held.append(line)
            if not self._holding:
                self._write()

    def send(self, line: bytes) -> None:
        """Write the line now, after those that were held back."""
        with self._lock:
            self._held.append(line)
            self._write()

    def flush(self) -> None:
        """Write what was held back."""
        with self._lock:
            if self._held:
                self._write()

    def before_run(self) -> None:
        """The loop begins: lines may wait for the end of their turn."""
        self._holding = True

    def before_io_wait(self, timeout: float) -> None:
        """The turn is over."""
        if self._held:
            self.flush()

    def after_run(self) -> None:
        """The loop has ended: nothing waits any more."""
        self._holding = False
        self.flush()

    def _write(self) -> None:
        if self._writing:
            # The garbage collector ran while we write, and what it ended has logged: the loop below takes it.
            return
        self._writing = True
        try:
            while self._held:
                self._write_held()
        finally:
            self._writing = False

    def _write_held(self) -> None:
        lines, self._held = self._held, []
        # What failed before may have left half a line.
        told = [b"", self._tell_lost(self._lost)] if self._lost else []
        try:
            self._stream.write(b"\n".join((*told, *lines, b"")))
            self._stream.flush()
        except Exception:  # noqa: BLE001 - whatever a stream raises, trading goes on, and the gap is told
            self._lost += len(lines)
        else:
            self._lost = 0
