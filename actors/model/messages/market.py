"""What is told of prices and of the state of exchanges, to all who want to know."""

from decimal import Decimal

from actors.model.instrument import Instrument
from actors.model.messages.base import Message


class Mark(Message, frozen=True, kw_only=True):
    """Told by MarketDataActor, conflated per instrument: the newest prices. Any of them may be missing.

    `at_us` is the wall clock when we got it. `mark` is the exchange's own mark price where it tells one and
    keeps telling it, else the mid of bid and ask, else the last trade.
    """

    exchange: str
    symbol: str
    bid: Decimal | None
    ask: Decimal | None
    last: Decimal | None
    mark: Decimal
    at_us: int


class BrokerState(Message, frozen=True, kw_only=True):
    """Told by BrokerActor to risk, the operator and the market room whenever it changes.

    `state`: connecting, reconciling, trading, reconnecting, halted. `circuit`: closed, open, half_open.
    """

    exchange: str
    state: str
    circuit: str
    detail: str
    instruments: tuple[Instrument, ...] = ()
    balances: tuple[tuple[str, Decimal], ...] = ()
    apart: tuple[tuple[str, Decimal], ...] = ()
    """By asset, how much more the account held than the journal said when the balances were read; empty until
    they were.
    """
    amends_in_place: bool = False
    """Whether the exchange changes a working order itself; else amends replace it."""
    takes_stops: bool = False
    """Whether the exchange holds stop and stop-limit orders."""


class Tick(Message, frozen=True, kw_only=True):
    """Told by an exchange's market stream: a quote, a trade or its mark price, the rest None."""

    exchange: str
    symbol: str
    bid: Decimal | None = None
    ask: Decimal | None = None
    last: Decimal | None = None
    last_quantity: Decimal | None = None
    mark: Decimal | None = None
    at_us: int


class ReadMarks(Message, frozen=True):
    """Ask to MarketDataActor: `Marks`, one for each instrument that has a price."""


class Marks(Message, frozen=True, kw_only=True):
    """Answer to ReadMarks, ordered by exchange and symbol."""

    marks: tuple[Mark, ...]
