"""Who told whom what: a readable account of one run, for a seed that failed.

The kernel's references are where every message passes; for the length of a traced run they note sender,
receiver and message. Journal records and the ends of processes stand between them.
"""

from typing import TYPE_CHECKING, TextIO

import trio

from actors.kernel import Ref
from actors.kernel.handling import current_cell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.model.journal import Record
    from ops.proof.world import Process, World

QUIET = ("Tick", "Mark", "Second", "Look", "Advance")
"""Messages of which there are thousands and that decide nothing."""

LONGEST = 300


class Trace:
    """Called with the world before it runs; `write` gives the account afterwards."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._tell, self._ask = Ref.tell, Ref.ask

    def __call__(self, world: "World") -> None:
        trace, tell, ask = self, self._tell, self._ask

        def told(ref: Ref, message: object, *args: object, **named: object) -> object:
            trace.note("tells", ref.address, message)
            return tell(ref, message, *args, **named)  # type: ignore[arg-type]

        def asked(ref: Ref, message: object, *args: object, **named: object) -> object:
            trace.note("asks", ref.address, message)
            return ask(ref, message, *args, **named)  # type: ignore[arg-type]

        Ref.tell, Ref.ask = told, asked  # type: ignore[assignment, method-assign]
        world.on_process = self._process

    def note(self, verb: str, address: str, message: object) -> None:
        """One message."""
        if type(message).__name__ in QUIET:
            return
        cell = current_cell.get()
        sender = "outside" if cell is None else cell.address
        self.say(f"{sender} {verb} {address}: {message!r}")

    def say(self, text: str) -> None:
        """One line, with the time before it."""
        self.lines.append(f"{trio.current_time():10.4f} {text[:LONGEST]}")

    def _process(self, process: "Process") -> None:
        self.say(f"=== process {process.life.number} is ready")
        process.runtime.port.subscribe(lambda records, _changes: self._committed(records))

    def _committed(self, records: "Sequence[Record]") -> None:
        for record in records:
            self.say(f"--- {record.seq} {record.stream} {record.payload.decode()}")

    def write(self, out: TextIO) -> None:
        """Everything, in order; the references are as before afterwards."""
        Ref.tell, Ref.ask = self._tell, self._ask  # type: ignore[method-assign]
        out.writelines(line + "\n" for line in self.lines)
