"""The life of an order as data.

The state of an order is submission x cancel x executed quantity x terminal cause. One literal table says
which event is legal in which submission state; an illegal one raises and changes nothing. The public status
is a pure function of the state. A fill is legal in every state, because the exchange decides what was
executed: a late fill after a cancel, one that comes before its acknowledgement, even one after a verdict of
absence must reach the position.

An amend is a part of the state beside these (`actors.model.amend`). An order keeps its id through all its
versions; each replacement is another order for the exchange, and `carried` is what the ones before it had
executed.
"""

from collections.abc import Container
from decimal import Decimal
from enum import StrEnum

import msgspec

from actors.model.amend import Amend, AmendState
from actors.model.fill import Fill
from actors.model.money import EXACT, ZERO, display_ratio


class Submission(StrEnum):
    """How far the order has come on its way to the exchange."""

    ACCEPTED = "accepted"
    SENT = "sent"
    UNKNOWN = "unknown"
    WORKING = "working"
    REFUSED = "refused"
    NOT_SENT = "not_sent"
    ABSENT = "absent"
    DENIED = "denied"


class Terminal(StrEnum):
    """Why an order is over."""

    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REFUSED = "refused"
    NOT_SENT = "not_sent"
    ABSENT = "absent"
    DENIED = "denied"


class Step(StrEnum):
    """What can happen to an order after it was accepted."""

    SENT = "sent"
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    UNRESOLVED = "unresolved"
    ABSENT = "absent"
    NOT_SENT = "not_sent"
    FILLED = "filled"
    CANCEL_REQUESTED = "cancel_requested"
    CANCEL_REFUSED = "cancel_refused"
    CANCELED = "canceled"
    EXPIRED = "expired"
    AMENDED = "amended"
    AMEND_REFUSED = "amend_refused"
    REPLACED = "replaced"


_S, _E = Submission, Step

TRANSITIONS: dict[tuple[Submission, Step], Submission] = {
    (_S.ACCEPTED, _E.SENT): _S.SENT,
    (_S.ACCEPTED, _E.ACKNOWLEDGED): _S.WORKING,
    (_S.SENT, _E.ACKNOWLEDGED): _S.WORKING,
    (_S.UNKNOWN, _E.ACKNOWLEDGED): _S.WORKING,
    (_S.ABSENT, _E.ACKNOWLEDGED): _S.WORKING,
    (_S.ACCEPTED, _E.REFUSED): _S.REFUSED,
    (_S.SENT, _E.REFUSED): _S.REFUSED,
    (_S.UNKNOWN, _E.REFUSED): _S.REFUSED,
    (_S.ACCEPTED, _E.UNRESOLVED): _S.UNKNOWN,
    (_S.SENT, _E.UNRESOLVED): _S.UNKNOWN,
    (_S.UNKNOWN, _E.ABSENT): _S.ABSENT,
    (_S.ACCEPTED, _E.NOT_SENT): _S.NOT_SENT,
    (_S.ACCEPTED, _E.FILLED): _S.WORKING,
    (_S.SENT, _E.FILLED): _S.WORKING,
    (_S.UNKNOWN, _E.FILLED): _S.WORKING,
    (_S.WORKING, _E.FILLED): _S.WORKING,
    (_S.REFUSED, _E.FILLED): _S.WORKING,
    (_S.ABSENT, _E.FILLED): _S.WORKING,
    (_S.NOT_SENT, _E.FILLED): _S.WORKING,
    (_S.ACCEPTED, _E.CANCEL_REQUESTED): _S.ACCEPTED,
    (_S.SENT, _E.CANCEL_REQUESTED): _S.SENT,
    (_S.UNKNOWN, _E.CANCEL_REQUESTED): _S.UNKNOWN,
    (_S.WORKING, _E.CANCEL_REQUESTED): _S.WORKING,
    (_S.ACCEPTED, _E.CANCEL_REFUSED): _S.ACCEPTED,
    (_S.SENT, _E.CANCEL_REFUSED): _S.SENT,
    (_S.UNKNOWN, _E.CANCEL_REFUSED): _S.UNKNOWN,
    (_S.WORKING, _E.CANCEL_REFUSED): _S.WORKING,
    (_S.ACCEPTED, _E.CANCELED): _S.WORKING,
    (_S.SENT, _E.CANCELED): _S.WORKING,
    (_S.UNKNOWN, _E.CANCELED): _S.WORKING,
    (_S.WORKING, _E.CANCELED): _S.WORKING,
    (_S.ACCEPTED, _E.EXPIRED): _S.WORKING,
    (_S.SENT, _E.EXPIRED): _S.WORKING,
    (_S.UNKNOWN, _E.EXPIRED): _S.WORKING,
    (_S.WORKING, _E.EXPIRED): _S.WORKING,
    (_S.WORKING, _E.AMENDED): _S.WORKING,
    (_S.WORKING, _E.AMEND_REFUSED): _S.WORKING,
    (_S.WORKING, _E.REPLACED): _S.ACCEPTED,
}

_TERMINAL_BY_STEP = {
    Step.REFUSED: Terminal.REFUSED,
    Step.ABSENT: Terminal.ABSENT,
    Step.NOT_SENT: Terminal.NOT_SENT,
    Step.CANCELED: Terminal.CANCELED,
    Step.EXPIRED: Terminal.EXPIRED,
}

_WRONG_AFTER_A_FILL = (Terminal.REFUSED, Terminal.ABSENT, Terminal.NOT_SENT)

FORMER_KEPT = 32
"""How many of the ids that an order had at its exchange before are remembered, for late fills."""

_PENDING = AmendState.PENDING

_STATUS_BY_TERMINAL = {
    Terminal.FILLED: "filled",
    Terminal.CANCELED: "canceled",
    Terminal.EXPIRED: "expired",
    Terminal.REFUSED: "rejected",
    Terminal.NOT_SENT: "denied",
    Terminal.ABSENT: "denied",
    Terminal.DENIED: "denied",
}

_NEVER_WORKED = ("rejected", "denied")


def trade_key(order: "Order", exchange_order_id: str, trade_id: str) -> str:
    """By what a trade is known among those of its order.

    Trade ids may count per order at the exchange, so those of an order that was replaced there carry its id.
    """
    return f"{exchange_order_id}/{trade_id}" if order.former else trade_id


def is_among(fill: Fill, keys: Container[str]) -> bool:
    """Whether the trade is among those with these keys, from before its order was replaced or after."""
    return fill.trade_id in keys or f"{fill.exchange_order_id}/{fill.trade_id}" in keys


class IllegalTransition(Exception):
    """An event that the order's state does not allow; the order is unchanged."""

    def __init__(self, order: "Order", step: Step, why: str) -> None:
        super().__init__(f"order {order.order_id} ({order.status}): {step.value} is illegal: {why}")
        self.order_id = order.order_id
        self.step = step
        self.why = why


class OrderIntent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a client asked for, normalised, with every default filled in; in an order, as amended since.

    `type`: market, limit, stop or stop_limit. `quantity` is in base units; `limit_price` in quote per base,
    None for an order at the market. `stop_price` is the last trade's price from which on a stop order is a
    market or limit order; until then it rests at the exchange outside of its book, and for us it works.
    `venue_id` is the id that the exchange is given: ours, never the user's. `idempotency_key` is scoped by
    `token_id`; `fingerprint` is the hex digest of the normalised request, in a batch
    with its key followed by a slash and that of the batch.
    """

    order_id: str
    client_order_id: str
    exchange: str
    symbol: str
    side: str
    type: str
    quantity: Decimal
    limit_price: Decimal | None = None
    time_in_force: str = "GTC"
    post_only: bool = False
    reduce_only: bool = False
    venue_id: str = ""
    user: str = ""
    token_id: str = ""
    idempotency_key: str | None = None
    fingerprint: str = ""
    stop_price: Decimal | None = None


class Order(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An order's whole state. `executed` in base units, `executed_cost` in quote units.

    `fees` are in `fee_currency`, that of the first fill; a fee in another asset is found in its fill and in
    the position. `accepted_seq` is where the journal accepted it. `version` counts the amends that took
    effect. `former` are the ids that it had at the exchange before, oldest first, and `carried` is what
    executed under them; `exchange_order_id` and `submission` are those of the newest.
    """

    intent: OrderIntent
    submission: Submission = Submission.ACCEPTED
    cancel_requested: bool = False
    executed: Decimal = ZERO
    executed_cost: Decimal = ZERO
    fees: Decimal = ZERO
    fee_currency: str | None = None
    terminal: Terminal | None = None
    exchange_order_id: str | None = None
    code: str | None = None
    reason: str | None = None
    reserve_price: Decimal = ZERO
    created_us: int = 0
    updated_us: int = 0
    accepted_seq: int = 0
    version: int = 1
    carried: Decimal = ZERO
    former: tuple[str, ...] = ()
    amend: Amend | None = None
    widest_price: Decimal | None = None
    """Of an amended order, the limit price that let it go furthest, which a late fill may still have."""

    @property
    def order_id(self) -> str:
        return self.intent.order_id

    @property
    def is_open(self) -> bool:
        """Whether the order may still execute as far as we know."""
        return self.terminal is None

    def is_exit_since(self, since_us: int | None) -> bool:
        """Whether the order is reduce-only and was placed later than this (µs), which None never is."""
        return since_us is not None and self.intent.reduce_only and self.created_us > since_us

    @property
    def remaining(self) -> Decimal:
        """What may still execute, in base units, under any of its terms; zero once it is over."""
        if self.terminal is not None:
            return ZERO
        quantity = self.intent.quantity
        if self.amending is not None:
            quantity = max(quantity, self.amending.quantity)
        return EXACT.subtract(quantity, self.executed)

    @property
    def amending(self) -> Amend | None:
        """The amend that may or may not have taken effect by now."""
        amend = self.amend
        return amend if amend is not None and amend.state is _PENDING and self.terminal is None else None

    @property
    def placed(self) -> Decimal:
        """What the order at the exchange is for, in base units: what its predecessors executed is not."""
        return EXACT.subtract(self.intent.quantity, self.carried) if self.carried else self.intent.quantity

    @property
    def placed_executed(self) -> Decimal:
        """What the order at the exchange has executed, without its predecessors."""
        return EXACT.subtract(self.executed, self.carried) if self.carried else self.executed

    @property
    def at_exchange(self) -> OrderIntent:
        """The order as the exchange has it, or is to have it."""
        if not self.carried:
            return self.intent
        return msgspec.structs.replace(self.intent, quantity=self.placed)

    @property
    def average_price(self) -> Decimal | None:
        """The mean execution price, rounded for display; None before the first fill."""
        return display_ratio(self.executed_cost, self.executed) if self.executed else None

    @property
    def status(self) -> str:
        """The public status, a pure function of the state."""
        if self.terminal is not None:
            status = _STATUS_BY_TERMINAL[self.terminal]
            # What has worked before its replacement failed was neither rejected nor denied.
            return "canceled" if self.version > 1 and status in _NEVER_WORKED else status
        if self.submission is Submission.UNKNOWN:
            return "unknown"
        if self.cancel_requested:
            return "pending_cancel"
        if self.submission is Submission.WORKING:
            return "partially_filled" if self.executed else "open"
        return "submitted" if self.submission is Submission.SENT else "accepted"

    def advance(self, step: Step, at_us: int, **changes: object) -> "Order":
        """The order after a step other than a fill; raise IllegalTransition where the table has no such row.

        `changes` are fields that the step brings along: the exchange's id, a code, a reason.
        """
        if self.terminal is not None and not (self.terminal is Terminal.ABSENT and step is Step.ACKNOWLEDGED):
            raise IllegalTransition(self, step, "the order is over")
        submission = TRANSITIONS.get((self.submission, step))
        if submission is None:
            raise IllegalTransition(self, step, f"not in submission state {self.submission.value}")
        if step is Step.REFUSED and self.executed:
            raise IllegalTransition(self, step, "a part of it has executed")
        if step is Step.CANCEL_REQUESTED and self.cancel_requested:
            raise IllegalTransition(self, step, "a cancel is already requested")
        if step is Step.CANCEL_REFUSED and not self.cancel_requested:
            raise IllegalTransition(self, step, "no cancel was requested")
        wanted = self.cancel_requested or step is Step.CANCEL_REQUESTED
        cancel_requested = wanted and step is not Step.CANCEL_REFUSED
        if self.terminal is not None:
            changes = {"code": None, "reason": None, **changes}
        terminal = _TERMINAL_BY_STEP.get(step)
        if self.amend is not None and terminal is not None:
            changes = {**changes, "amend": self.overtaken()}
        return msgspec.structs.replace(
            self,
            submission=submission,
            cancel_requested=cancel_requested,
            terminal=terminal,
            updated_us=at_us,
            **changes,
        )

    def overtaken(self) -> Amend | None:
        """The amend of an order that is over now."""
        if self.amending is None:
            return self.amend
        return self.amending.ended(AmendState.REFUSED, "ORDER_CLOSED", "the order was over first")

    @property
    def most(self) -> Decimal:
        """What completes the order, in base units: the larger of both terms while it is amended in place."""
        amend = self.amending
        if amend is None or not amend.in_place:
            return self.intent.quantity
        return max(self.intent.quantity, amend.quantity)

    def fill(self, fill: Fill, at_us: int, *, former: bool = False) -> "Order":
        """The order after one more execution; raise IllegalTransition when that is more than was asked.

        `former` says that one of its predecessors at the exchange executed it, after the exchange had said
        that it was over. What works there is still for as much as it was sent for, so the order is for more.
        """
        if former:
            return self._filled_late(fill, at_us)
        submission = TRANSITIONS.get((self.submission, Step.FILLED))
        if submission is None:
            raise IllegalTransition(self, Step.FILLED, f"not in submission state {self.submission.value}")
        executed = EXACT.add(self.executed, fill.quantity)
        if executed > self.intent.quantity:
            raise IllegalTransition(
                self, Step.FILLED, f"it would execute {executed} of {self.intent.quantity}"
            )
        complete = executed == (self.intent.quantity if self.amend is None else self.most)
        # The exchange has executed what was thought never to have reached it: the verdict was wrong.
        revived = self.terminal in _WRONG_AFTER_A_FILL
        terminal = Terminal.FILLED if complete else None if revived else self.terminal
        same_currency = self.fee_currency in (None, fill.fee_currency)
        return msgspec.structs.replace(
            self,
            submission=submission,
            executed=executed,
            executed_cost=EXACT.add(self.executed_cost, EXACT.multiply(fill.quantity, fill.price)),
            fees=EXACT.add(self.fees, fill.fee) if same_currency else self.fees,
            fee_currency=self.fee_currency or fill.fee_currency,
            terminal=terminal,
            exchange_order_id=self.exchange_order_id or fill.exchange_order_id,
            code=None if revived else self.code,
            reason=None if revived else self.reason,
            amend=self.amend if terminal is None or self.amend is None else self.overtaken(),
            updated_us=at_us,
        )

    def _filled_late(self, fill: Fill, at_us: int) -> "Order":
        more, amend = fill.quantity, self.amending
        if amend is not None:
            amend = msgspec.structs.replace(amend, quantity=EXACT.add(amend.quantity, more))
        same_currency = self.fee_currency in (None, fill.fee_currency)
        return msgspec.structs.replace(
            self,
            intent=msgspec.structs.replace(self.intent, quantity=EXACT.add(self.intent.quantity, more)),
            carried=EXACT.add(self.carried, more),
            executed=EXACT.add(self.executed, more),
            executed_cost=EXACT.add(self.executed_cost, EXACT.multiply(more, fill.price)),
            fees=EXACT.add(self.fees, fill.fee) if same_currency else self.fees,
            fee_currency=self.fee_currency or fill.fee_currency,
            amend=amend or self.amend,
            updated_us=at_us,
        )
