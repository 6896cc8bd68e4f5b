"""Everything that can be written to the journal.

An event is a fact: frozen, named in the past tense, encoded once to canonical bytes (fields in declared
order, decimals as text), and never changed afterwards. A new field gets a default, so that old bytes still
read. Each kind has one writer, named beside its group.
"""

from decimal import Decimal

import msgspec

from actors.model.fill import Fill
from actors.model.order import Order, OrderIntent
from actors.model.readable import readable


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="type", tag=True):
    """The base of all events; the tag is the class name."""


# Written by RiskActor (stream "risk").


class OrderAccepted(Event, frozen=True, kw_only=True):
    """An order passed every check and is intended to be sent. Prices in quote units.

    `reserve_price` is what the order's worst case was reckoned with (limit price, or the collar price of a
    market order); `mark` the reference price that the checks used. `references` are the other prices that
    they rested on: (exchange, symbol, mark), and ("", asset, its rate in USD). `seen` is the journal's head
    when the order was judged: what others wrote after it, the judgement could not know.
    """

    intent: OrderIntent
    reserve_price: Decimal
    mark: Decimal
    send_before_us: int
    references: tuple[tuple[str, str, Decimal], ...] = ()
    seen: int = 0


class OrderDenied(Event, frozen=True, kw_only=True):
    """An order was refused by a risk rule: which, its limit and the value that broke it.

    `headroom` is what was left of the limit.
    """

    intent: OrderIntent
    code: str
    detail: str
    limit: str | None = None
    value: str | None = None
    headroom: str | None = None


class AmendAsked(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a client asked to change: both terms as they are to be. `quantity` in base units, what is executed
    included; `limit_price` in quote per base. The rest names who asked, and the request for its repetitions.
    """

    amend_id: str
    quantity: Decimal
    limit_price: Decimal
    user: str = ""
    token_id: str = ""
    idempotency_key: str | None = None
    fingerprint: str = ""


class LimitChanged(Event, frozen=True, kw_only=True):
    """A limit was set; `old` is None the first time. Values are canonical texts.

    `approved_by` is the second person, where the change needed one.
    """

    name: str
    old: str | None
    new: str
    by: str
    reason: str
    approved_by: str | None = None


class LimitBreached(Event, frozen=True, kw_only=True):
    """A limit is passed without an order of ours passing it: a price move, a late fill, a lowered limit."""

    code: str
    exchange: str | None
    symbol: str | None
    limit: Decimal
    value: Decimal
    cause: str


LOSSES = ("MAX_DAILY_LOSS", "MAX_DRAWDOWN")
"""The codes of breaches that are losses of a day."""


class DayOpened(Event, frozen=True, kw_only=True):
    """A trading day (UTC) began with this much equity, in USD terms.

    `result` is profit before fees and `fees` what was paid by asset, both since the journal began: the day's
    own are the differences to these. `net` is the result after fees, each day's fees at its own rates, and
    `peak` the highest that it has been.
    """

    day: str
    equity: Decimal
    result: Decimal = Decimal(0)
    fees: tuple[tuple[str, Decimal], ...] = ()
    net: Decimal = Decimal(0)
    peak: Decimal = Decimal(0)


class AccountOpened(Event, frozen=True, kw_only=True):
    """The balances with which an exchange account was first seen."""

    exchange: str
    balances: tuple[tuple[str, Decimal], ...]


class OrderEvent(Event, frozen=True, kw_only=True, tag=False):
    """The base of what happens to an accepted order."""

    exchange: str
    symbol: str
    order_id: str


class AmendAccepted(OrderEvent, frozen=True, kw_only=True, tag=True):
    """An amend of a working order passed every check and is intended. Both terms are reserved until it ended.

    `venue_id` is what a replacement is called at the exchange, empty where the order is amended in place.
    `reserve_price`, `mark`, `references` and `seen` are those of `OrderAccepted`, for the new terms.
    """

    asked: AmendAsked
    reserve_price: Decimal
    venue_id: str
    mark: Decimal
    send_before_us: int
    references: tuple[tuple[str, str, Decimal], ...] = ()
    seen: int = 0


class AmendDenied(OrderEvent, frozen=True, kw_only=True, tag=True):
    """An amend was refused by a risk rule: which, its limit and the value that broke it.

    `headroom` is what was left of the limit.
    """

    asked: AmendAsked
    code: str
    detail: str
    limit: str | None = None
    value: str | None = None
    headroom: str | None = None


# Written by PositionActor (stream "position/<exchange>/<symbol>"); all carry their exchange and symbol for
# routing.


class OrderSubmitted(OrderEvent, frozen=True, kw_only=True, tag=True):
    """The order left for the exchange and has had no answer for a while."""


class OrderAcknowledged(OrderEvent, frozen=True, kw_only=True, tag=True):
    """The exchange has the order."""

    exchange_order_id: str


class OrderRejected(OrderEvent, frozen=True, kw_only=True, tag=True):
    """The exchange definitely refused the order; nothing of it lives."""

    code: str
    reason: str


class OrderUnresolved(OrderEvent, frozen=True, kw_only=True, tag=True):
    """Nobody knows whether the exchange has it: the exposure stays reserved, it is never sent again."""

    reason: str


class OrderAbsent(OrderEvent, frozen=True, kw_only=True, tag=True):
    """It is proven that the exchange never took an unresolved order."""

    proof: str


class OrderNotSent(OrderEvent, frozen=True, kw_only=True, tag=True):
    """The order was withdrawn before anything left for the exchange."""

    reason: str


class OrderFilled(OrderEvent, frozen=True, kw_only=True, tag=True):
    """A part or the whole of the order executed.

    `recalled` is the order as the store had it when it had left memory, `recalled_trades` the ids of the
    trades applied to it until then; without them (None) the order stays unknown by its id at the exchange.
    `former`: it was not the order at the exchange that executed, but one that it had replaced.
    """

    fill: Fill
    recalled: Order | None = None
    recalled_trades: tuple[str, ...] | None = None
    former: bool = False


class CancelRequested(OrderEvent, frozen=True, kw_only=True, tag=True):
    """Somebody asked to cancel the order."""

    by: str


class CancelRefused(OrderEvent, frozen=True, kw_only=True, tag=True):
    """The exchange refused the cancel; the order lives on."""

    reason: str


class OrderCanceled(OrderEvent, frozen=True, kw_only=True, tag=True):
    """What was left of the order is off the exchange."""

    reason: str


class OrderExpired(OrderEvent, frozen=True, kw_only=True, tag=True):
    """The order's time ran out at the exchange."""

    reason: str


class OrderAmended(OrderEvent, frozen=True, kw_only=True, tag=True):
    """The exchange has changed the order in place: it works under the terms of `AmendAccepted`."""

    amend_id: str


class AmendRefused(OrderEvent, frozen=True, kw_only=True, tag=True):
    """The amend did not take effect and can't any more; the order is as it was."""

    amend_id: str
    code: str
    reason: str


class OrderReplaced(OrderEvent, frozen=True, kw_only=True, tag=True):
    """What was at the exchange has ended for sure: the replacement is intended, for what remains.

    `venue_id` is what it is called there, `quantity` what it is for, in base units.
    """

    amend_id: str
    venue_id: str
    quantity: Decimal
    reason: str


class PositionAdjusted(Event, frozen=True, kw_only=True):
    """The position changed by something else than our orders: opening, transfer, funding, another's trade.

    `quantity` is the signed change in base units, `price` what it is valued at in quote units. `happened_us`
    is the trade's time by the exchange's clock; 0 for an opening, and where an older version did not tell.
    """

    exchange: str
    symbol: str
    quantity: Decimal
    price: Decimal
    cause: str
    evidence: str
    happened_us: int = 0


# Written by OperatorActor (stream "operator").


class RuntimeStarted(Event, frozen=True, kw_only=True):
    """A process took the journal over: its epoch and the incarnation that its exchange ids carry."""

    epoch: int
    incarnation: str
    version: str


class KillEngaged(Event, frozen=True, kw_only=True):
    """The kill switch was pulled.

    `exchange` and `symbol` None mean everything; `in_flight` lists the submits begun before.
    """

    kill_id: str
    level: str
    exchange: str | None
    symbol: str | None
    reason: str
    by: str
    in_flight: tuple[str, ...] = ()
    automatic: bool = False


class TradingResumed(Event, frozen=True, kw_only=True):
    """Kills were lifted, by whom and why. `approved_by` is the second person, where one was needed."""

    kill_ids: tuple[str, ...]
    reason: str
    by: str
    approved_by: str | None = None


class TradingStateChanged(Event, frozen=True, kw_only=True):
    """The trading state of a scope changed by itself or by an operator: `active`, `reducing` or `halted`."""

    exchange: str | None
    symbol: str | None
    old: str
    new: str
    cause: str


EARNINGS = frozenset({"funding_fee", "settlement", "interest", "insurance_clear", "commission_rebate"})
"""The causes of balance adjustments that are a result of trading: they count in the day's loss, as fees do.

Everything else moves money and earns nothing: transfers, deposits, corrections. The names are those of the
exchanges; `settlement` is Bybit's funding.
"""


class BalanceAdjusted(Event, frozen=True, kw_only=True):
    """An account's balance changed by something else than trades: a transfer, funding, interest, a
    correction.

    `amount` is signed, in the asset; `happened_us` when, by the exchange's clock where it told. `evidence`
    names the exchange's own record, or a person's, and counts once for each exchange.
    """

    exchange: str
    asset: str
    amount: Decimal
    cause: str
    evidence: str
    happened_us: int


AnyEvent = (
    OrderAccepted
    | OrderDenied
    | LimitChanged
    | LimitBreached
    | DayOpened
    | AccountOpened
    | OrderSubmitted
    | OrderAcknowledged
    | OrderRejected
    | OrderUnresolved
    | OrderAbsent
    | OrderNotSent
    | OrderFilled
    | CancelRequested
    | CancelRefused
    | OrderCanceled
    | OrderExpired
    | AmendAccepted
    | AmendDenied
    | OrderAmended
    | AmendRefused
    | OrderReplaced
    | PositionAdjusted
    | RuntimeStarted
    | KillEngaged
    | TradingResumed
    | TradingStateChanged
    | BalanceAdjusted
)

_NUL = b"\\u0000"
_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)


def encode(event: Event) -> bytes:
    """The canonical bytes of an event: what the journal stores and hashes."""
    return _encoder.encode(event)


def writable(event: AnyEvent) -> tuple[AnyEvent, bytes]:
    """The event as the journal can keep it, and its canonical bytes.

    Its texts are made `readable`, so that a fact is never lost for a character in it.
    """
    try:
        payload = encode(event)
    except UnicodeEncodeError:
        payload = _NUL
    if _NUL not in payload:
        return event, payload
    changed: AnyEvent = msgspec.convert(_made_readable(msgspec.to_builtins(event)), AnyEvent)
    return changed, encode(changed)


def _made_readable(value: object) -> object:
    if isinstance(value, str):
        return readable(value)
    if isinstance(value, dict):
        return {key: _made_readable(each) for key, each in value.items()}
    return [_made_readable(each) for each in value] if isinstance(value, list | tuple) else value


def decode(payload: bytes) -> AnyEvent:
    """Read an event back from its canonical bytes; raise msgspec.ValidationError for bytes that are none."""
    return _decoder.decode(payload)


def type_name(event: Event) -> str:
    """The name under which the journal files the event."""
    return type(event).__name__


def order_id_of(event: Event) -> str | None:
    """The order that the event is about, or None."""
    if isinstance(event, OrderEvent):
        return event.order_id
    if isinstance(event, OrderAccepted | OrderDenied):
        return event.intent.order_id
    return None
