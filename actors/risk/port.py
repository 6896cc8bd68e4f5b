"""What RiskActor needs of others: the gate and the board of waiting callers. Other rooms implement both."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from actors.model.book import Kill


class InForce(Protocol):
    """A kill in force, as the gate lists it."""

    @property
    def kill(self) -> Kill: ...


class Restricted(Protocol):
    """A trading state that holds for a scope without a kill, and what brought it about."""

    @property
    def state(self) -> str: ...

    @property
    def cause(self) -> str: ...


class TradingGate(Protocol):
    """The trading state as it is at this instant; synchronous."""

    def state_for(self, exchange: str | None, symbol: str | None) -> str:
        """active, reducing or halted; None, None is the account as a whole."""
        ...

    def killed_by_person(self, exchange: str, symbol: str) -> bool:
        """Whether a kill that a person pulled holds for the place."""
        ...

    def closes_position(self, exchange: str, symbol: str) -> bool:
        """Whether a kill is closing the position of the place."""
        ...

    def restrict(self, exchange: str | None, symbol: str | None, state: str, cause: str) -> None:
        """Restrict a scope at once; the operator's actor journals it."""
        ...

    def engage(self, kill: Kill) -> object:
        """Close at once for a kill's scope."""
        ...

    @property
    def kills(self) -> Mapping[str, InForce]:
        """The kills in force by id."""
        ...

    @property
    def restrictions(self) -> Mapping[str, Restricted]:
        """The restrictions in force by the key of their scope."""
        ...

    def drain_sent(self) -> Sequence[str]:
        """The orders of which the sending has begun since the last call."""
        ...

    def verify_exit(self, order_id: str) -> None:
        """Let this order pass while trading is reducing: it can only shrink a position."""
        ...


class AdmissionBoard(Protocol):
    """Where callers wait for what becomes of their orders."""

    def fail(self, order_id: str, code: str, detail: str) -> None:
        """The intent will definitely not be in the journal."""
        ...
