"""What is said to OperatorActor (address `operator`), and its answers."""

from decimal import Decimal

from actors.model.book import Kill
from actors.model.messages.base import Message
from actors.model.messages.risk import Proposed


class KillPulled(Message, frozen=True, kw_only=True):
    """Tell, after gate and latch are closed: journal the kill and make the exchanges agree with it."""

    kill_id: str
    level: str
    exchange: str | None
    symbol: str | None
    reason: str
    by: str
    correlation_id: str
    automatic: bool = False


class GateChanged(Message, frozen=True):
    """Tell, once the gate was closed or restricted: journal it and make the exchanges agree."""


class EndRestriction(Message, frozen=True, kw_only=True):
    """Tell: what restricted this scope by itself is over, and the settings say that it ends by itself too.

    `brought_by` is the cause of the restriction that is meant: by the time this is heard another one may hold
    there. `cause` says why it ends.
    """

    exchange: str | None
    symbol: str | None
    brought_by: str
    cause: str


class Resume(Message, frozen=True, kw_only=True):
    """Ask: lift the kills that are named, or all that holds for exactly this scope, or everything.

    Answered by `Resumed`, `Proposed` or `Refused`.
    """

    reason: str
    by: str
    correlation_id: str
    kill_ids: tuple[str, ...] = ()
    exchange: str | None = None
    symbol: str | None = None


class Resumed(Message, frozen=True, kw_only=True):
    """Trading may go on; the kills that were lifted."""

    kill_ids: tuple[str, ...]


class ReadHalt(Message, frozen=True):
    """Ask to OperatorActor: the `HaltView`."""


class SweepProgress(Message, frozen=True, kw_only=True):
    """Told by BrokerActor to the operator's actor: how far a sweep is. `done` once the exchange confirmed."""

    sweep_id: str
    exchange: str
    cancelled: int
    remaining: int
    done: bool
    detail: str = ""


class HaltExchange(Message, frozen=True, kw_only=True):
    """Told by a broker or a position actor: the exchange contradicts the journal; stop opening there.

    The operator's actor journals `TradingStateChanged` to halted with the cause; only a person lifts it.
    """

    exchange: str
    cause: str


class InForce(Message, frozen=True, kw_only=True):
    """A trading state other than active that holds for a scope without a kill, and its cause."""

    exchange: str | None
    symbol: str | None
    state: str
    cause: str


class Closing(Message, frozen=True, kw_only=True):
    """A position that a kill of level `flatten` is closing; `detail` says what stood in the way last."""

    exchange: str
    symbol: str
    detail: str


class BalanceMove(Message, frozen=True, kw_only=True):
    """A line of an exchange's own statement that is no trade: `amount` signed, `at_us` by its clock."""

    asset: str
    amount: Decimal
    cause: str
    evidence: str
    at_us: int


class BookBalances(Message, frozen=True, kw_only=True):
    """Told by a broker, again and again until the log has them: what the exchange says moved the balances."""

    exchange: str
    moves: tuple[BalanceMove, ...]


class AdjustBalance(Message, frozen=True, kw_only=True):
    """Ask, on behalf of a person: a balance changed by `amount` (signed) for a reason that no record tells.

    `reference` names what proves it and counts once. Answered, once journaled, by `BalanceBooked`, else by
    `Refused`.
    """

    exchange: str
    asset: str
    amount: Decimal
    reference: str
    reason: str
    by: str
    correlation_id: str


class BalanceBooked(Message, frozen=True, kw_only=True):
    """The adjustment is in the journal; what the account holds now as the journal knows it."""

    total: Decimal


class HaltView(Message, frozen=True, kw_only=True):
    """The trading state (active, reducing, halted), what brought it about, and how far the work of it is.

    `problem` says why the latch file is not what it should be; `proposed` is a resume that waits for a second
    person.
    """

    trading_state: str
    kills: tuple[Kill, ...] = ()
    restrictions: tuple[InForce, ...] = ()
    sweeps: tuple[SweepProgress, ...] = ()
    closing: tuple[Closing, ...] = ()
    durable: bool = True
    problem: str | None = None
    proposed: Proposed | None = None
