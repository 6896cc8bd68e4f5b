"""Trading states, the scopes they hold for, and which of several wins. Pure."""

from typing import Literal

from actors.model.book import scope_key

State = Literal["active", "reducing", "halted"]

ACTIVE: State = "active"
REDUCING: State = "reducing"
HALTED: State = "halted"

_RANK: dict[str, int] = {ACTIVE: 0, REDUCING: 1, HALTED: 2}
_STATE: tuple[State, ...] = (ACTIVE, REDUCING, HALTED)

LEVELS = ("halt", "cancel", "flatten")
"""What a kill does besides closing the gate: cancel what opens; cancel everything; cancel everything and
close positions.
"""


def rank(state: str) -> int:
    """How restrictive a state is: 0 active, 1 reducing, 2 halted. An unknown state counts as halted."""
    return _RANK.get(state, 2)


def state_of(rank_: int) -> State:
    """The state of a rank."""
    return _STATE[rank_]


def stricter(one: str, other: str) -> State:
    """The more restrictive of two states."""
    return _STATE[max(rank(one), rank(other))]


def scopes_over(exchange: str | None, symbol: str | None) -> tuple[str, ...]:
    """The keys of every scope that holds for a place: the whole, its exchange, its symbol anywhere, and
    itself.
    """
    keys = ["*"]
    if exchange is not None:
        keys.append(exchange)
    if symbol is not None:
        keys.append(scope_key(None, symbol))
        if exchange is not None:
            keys.append(scope_key(exchange, symbol))
    return tuple(keys)


def covers(scope: tuple[str | None, str | None], exchange: str, symbol: str) -> bool:
    """Whether a scope (exchange or None, symbol or None) holds for a place."""
    return scope[0] in (None, exchange) and scope[1] in (None, symbol)
