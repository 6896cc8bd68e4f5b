"""What RiskActor needs of others: the gate and the board of waiting callers. Other rooms implement both."""

from typing import Protocol


class TradingGate(Protocol):
    """The trading state as it is at this instant; synchronous."""

    def state_for(self, exchange: str | None, symbol: str | None) -> str:
        """active, reducing or halted; None, None is the account as a whole."""
        ...

    def killed_by_person(self, exchange: str, symbol: str) -> bool:
        """Whether a kill that a person pulled holds for the place."""
        ...

    def restrict(self, exchange: str | None, symbol: str | None, state: str, cause: str) -> None:
        """Restrict a scope at once; the operator's actor journals it."""
        ...

    def verify_exit(self, order_id: str) -> None:
        """Let this order pass while trading is reducing: it can only shrink a position."""
        ...


class AdmissionBoard(Protocol):
    """Where callers wait for what becomes of their orders."""

    def fail(self, order_id: str, code: str, detail: str) -> None:
        """The intent will definitely not be in the journal."""
        ...
