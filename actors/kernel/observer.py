"""What the kernel tells whoever keeps metrics.

An observer is called synchronously from the loop: it must be quick, must not raise and must not wait.
Without an observer no handler is timed. Depth and age of mailboxes are not pushed; read
`System.statistics()`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from actors.kernel.dead_letters import DeadLetter
    from actors.kernel.life import Exit

__all__ = ["NullObserver", "Observer"]


class Observer(Protocol):
    """Receives what happened."""

    def handled(self, address: str, message_type: str, seconds: float) -> None:
        """Take note that a handler took `seconds`, waiting included, for one message."""
        ...

    def dead_letter(self, letter: DeadLetter) -> None:
        """Take note of a dead letter (every one, also those not logged)."""
        ...

    def started(self, address: str, generation: int) -> None:
        """Take note that a life is ready."""
        ...

    def ended(self, address: str, generation: int, exit_: Exit) -> None:
        """Take note that a life has ended."""
        ...

    def restarted(self, address: str, restarts: int, error: BaseException | None) -> None:
        """Take note that a supervisor counts one more restart of the child at `address`."""
        ...

    def loop_lag(self, seconds: float) -> None:
        """Take note of how late the loop was at the latest beat of the watchdog."""
        ...


class NullObserver:
    """Ignores everything; a base for observers that want only some of it."""

    def handled(self, address: str, message_type: str, seconds: float) -> None:
        """Ignore it."""

    def dead_letter(self, letter: DeadLetter) -> None:
        """Ignore it."""

    def started(self, address: str, generation: int) -> None:
        """Ignore it."""

    def ended(self, address: str, generation: int, exit_: Exit) -> None:
        """Ignore it."""

    def restarted(self, address: str, restarts: int, error: BaseException | None) -> None:
        """Ignore it."""

    def loop_lag(self, seconds: float) -> None:
        """Ignore it."""
