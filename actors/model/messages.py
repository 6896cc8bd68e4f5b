"""What the rooms say to each other: frozen, complete, and known to every room.

The journal's own messages are in `actors.model.journal`. Messages that never leave a room live in that room.
"""

from decimal import Decimal

import msgspec

from actors.model.book import Kill
from actors.model.events import AmendAsked
from actors.model.fill import Fill
from actors.model.instrument import Instrument
from actors.model.order import Order, OrderIntent


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """The base of all messages between actors."""


# To RiskActor (address "risk").


class PlaceOrder(Message, frozen=True, kw_only=True):
    """Ask: check, reserve and journal. Answered by `Admitted`, `Denied` or `Refused`; not by the commit.

    `venue_id` of the intent is empty: RiskActor draws it. With `dry_run` nothing is reserved or journaled.
    """

    intent: OrderIntent
    correlation_id: str
    dry_run: bool = False


class PlaceOrders(Message, frozen=True, kw_only=True):
    """Ask: the same for many, one after the other. Answered by a tuple of answers in the same order."""

    orders: tuple[PlaceOrder, ...]


class Admitted(Message, frozen=True, kw_only=True):
    """The order passed and its intent is on its way to the journal; watch the log for `OrderAccepted`."""

    order_id: str


class Denied(Message, frozen=True, kw_only=True):
    """A rule said no. An `OrderDenied` is on its way to the journal (unless it was a dry run)."""

    order_id: str
    code: str
    detail: str
    limit: str | None = None
    value: str | None = None
    headroom: str | None = None


class Refused(Message, frozen=True, kw_only=True):
    """Nothing was recorded: the runtime can't take it now. `code` is stable, like JOURNAL_UNAVAILABLE."""

    code: str
    detail: str
    retry_after_seconds: float | None = None


class AmendOrder(Message, frozen=True, kw_only=True):
    """Ask: check, reserve and journal an amend of a working order.

    Answered by `Admitted`, `Denied` or `Refused` like an order; `Refused` also where the order can't be
    amended as it is now (ORDER_CLOSED, NOT_AMENDABLE, AMEND_IN_PROGRESS, QTY_BELOW_FILLED). Watch the log for
    what becomes of the order.
    """

    order_id: str
    asked: AmendAsked
    correlation_id: str


class ChangeLimit(Message, frozen=True, kw_only=True):
    """Ask to RiskActor: set a limit. Answered by `LimitSet`, `Proposed` or `Refused`, when certain."""

    name: str
    value: str
    by: str
    reason: str
    correlation_id: str = ""


class LimitSet(Message, frozen=True, kw_only=True):
    """The change is in the journal. It is in force since it was asked for, between two orders."""

    name: str
    old: str | None
    new: str
    by: str
    approved_by: str | None = None


class Proposed(Message, frozen=True, kw_only=True):
    """Nothing has changed yet: another person has to ask for the same until `until_us`."""

    what: str
    by: str
    reason: str
    until_us: int


class ReadLimits(Message, frozen=True):
    """Ask to RiskActor: the `LimitsView`."""


class LimitState(Message, frozen=True, kw_only=True):
    """A limit as it is in force, what the settings say, and what it may be set to. Values are texts."""

    name: str
    value: str
    settings: str
    allowed: str


class LimitsView(Message, frozen=True, kw_only=True):
    """Every limit, and the changes that wait for a second person."""

    limits: tuple[LimitState, ...]
    proposed: tuple[Proposed, ...] = ()


class ReadRisk(Message, frozen=True, kw_only=True):
    """Ask to RiskActor: the `RiskView`. `reservations` costs time for each open order."""

    reservations: bool = False


class LimitUse(Message, frozen=True, kw_only=True):
    """One limit: what is used of it and what is left. Without exchange and symbol it bounds the account."""

    code: str
    symbol: str | None
    limit: Decimal
    used: Decimal
    headroom: Decimal
    exchange: str | None = None


class Reservation(Message, frozen=True, kw_only=True):
    """What an open order may still do, and what that is worth at its reserve price; None without a rate."""

    order_id: str
    exchange: str
    symbol: str
    side: str
    quantity: Decimal
    value_usd: Decimal | None


class RiskView(Message, frozen=True, kw_only=True):
    """Used and left by limit, the trading state, and what each open order reserves (USD terms)."""

    trading_state: str
    limits: tuple[LimitUse, ...]
    reservations: tuple[Reservation, ...] = ()
    equity: Decimal
    day: str
    day_pnl: Decimal


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
    amends_in_place: bool = False
    """Whether the exchange changes a working order itself; else amends replace it."""


class ClockSkew(Message, frozen=True, kw_only=True):
    """Told by BrokerActor whenever it has measured: the exchange's clock minus ours, in microseconds."""

    exchange: str
    skew_us: int


# To PositionActor (address "position/<exchange>/<symbol with - for />").


class CancelOrder(Message, frozen=True, kw_only=True):
    """Ask: cancel. Answered at once by `CancelTaken`, `AlreadyClosed` or `NoSuchOrder`.

    The outcome is in the log.
    """

    order_id: str
    by: str
    correlation_id: str


class CancelTaken(Message, frozen=True, kw_only=True):
    """The cancel is on its way to the exchange."""

    order_id: str


class AlreadyClosed(Message, frozen=True, kw_only=True):
    """The order is over; nothing was done."""

    order: Order


class NoSuchOrder(Message, frozen=True, kw_only=True):
    """No open order has this id here."""

    order_id: str


class CancelOpening(Message, frozen=True, kw_only=True):
    """Tell: cancel every working order of the symbol (`all`), or only those that open exposure."""

    all: bool
    by: str
    correlation_id: str


class EvidenceReady(Message, frozen=True, kw_only=True):
    """Told by BrokerActor, conflated: there is evidence in the outbox for this symbol."""


# To BrokerActor (address "broker/<exchange>").


class TakeEvidence(Message, frozen=True, kw_only=True):
    """Ask, by PositionActor: drop evidence up to `acknowledged` (0: none), give what comes after in order."""

    symbol: str
    acknowledged: int


class Evidence(Message, frozen=True, kw_only=True):
    """What the exchange said of one of our orders, or of the account; `kind` says which fields count.

    kinds: sent, acknowledged, refused, unresolved, absent, not_sent, filled, cancel_refused, canceled,
    expired, amended, amend_refused (both with the `amend_id`), foreign_fill, opening.
    `foreign_fill` is another's trade on our account (fill.order_id is
    "EXTERNAL"); `opening` a position found with no history (quantity signed, price its valuation).
    `venue_id` is our id at the exchange.
    """

    number: int
    kind: str
    venue_id: str = ""
    exchange_order_id: str = ""
    code: str = ""
    reason: str = ""
    fill: Fill | None = None
    quantity: Decimal | None = None
    price: Decimal | None = None
    amend_id: str = ""


class EvidenceTaken(Message, frozen=True, kw_only=True):
    """Answer to TakeEvidence."""

    evidence: tuple[Evidence, ...]


class CancelAtExchange(Message, frozen=True, kw_only=True):
    """Tell, by PositionActor: cancel this order at the exchange, or withdraw it if it has not left yet."""

    order: Order
    correlation_id: str


class Sweep(Message, frozen=True, kw_only=True):
    """Tell, by the operator's actor: cancel all our orders in scope until the exchange confirms none is left.

    Works without the journal. `flatten` asks for closing the positions afterwards.
    """

    sweep_id: str
    symbol: str | None
    flatten: bool = False


class ReconcileSymbol(Message, frozen=True, kw_only=True):
    """Tell, by a restarted PositionActor: bring the symbol's evidence again from its watermark."""

    symbol: str


class RecordAbsence(Message, frozen=True, kw_only=True):
    """Ask, on behalf of a person: an unresolved order never reached its exchange.

    For exchanges where absence can't be proven. The verdict, who gave it and why become the proof in the
    journal. Answered by `AbsenceTaken` or `Refused`.
    """

    order_id: str
    by: str
    reason: str


class AbsenceTaken(Message, frozen=True, kw_only=True):
    """The verdict is on its way to the journal; watch the log for `OrderAbsent`."""

    order_id: str


class ReadBalances(Message, frozen=True):
    """Ask to BrokerActor: the `Balances` as last seen at the exchange."""


class Balance(Message, frozen=True, kw_only=True):
    """`total` and `free` of one asset."""

    exchange: str
    asset: str
    total: Decimal
    free: Decimal


class Balances(Message, frozen=True, kw_only=True):
    """Answer to ReadBalances."""

    balances: tuple[Balance, ...]


# To MarketDataActor (address "market").


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


# To OperatorActor (address "operator").


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
    """Tell: what restricted this scope by itself is over, and the settings say that it ends by itself too."""

    exchange: str | None
    symbol: str | None
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
