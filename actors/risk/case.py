"""One order before the rules: the numbers that several of them look at, reckoned once. Pure."""

from decimal import Decimal

from actors.model.instrument import Instrument
from actors.model.messages import Mark
from actors.model.money import EXACT, ZERO
from actors.model.order import OrderIntent
from actors.risk.ledger import Account
from actors.risk.limits import RiskLimits
from actors.risk.state import RiskState

CLOSING = "closing"
"""The trading state where a kill closes the position: halted, and nobody else's exits pass."""

MARKET_SLIP = Decimal("0.1")
"""How far a market order is reckoned to slip when no price collar is set."""

ONE = Decimal(1)


class Case:
    """An order, where trading stands at its place, and what the state says of that place.

    `trading_state` is active, reducing, halted or `CLOSING`; `killed` whether a person's kill holds there.
    `shrinks`: the order can only bring the position nearer to flat, every working order of its side counted.
    `is_exit`: it says so itself (reduce-only) as well.
    """

    __slots__ = (
        "account",
        "buy",
        "instrument_or_none",
        "intent",
        "is_exit",
        "killed",
        "limits",
        "mark_or_none",
        "now_us",
        "place",
        "quantity",
        "sane",
        "shrinks",
        "state",
        "trading_state",
    )

    def __init__(
        self, state: RiskState, intent: OrderIntent, trading_state: str, killed: bool, now_us: int
    ) -> None:
        self.state = state
        self.limits: RiskLimits = state.limits
        self.intent = intent
        self.trading_state = trading_state
        self.killed = killed
        self.now_us = now_us
        self.place = (intent.exchange, intent.symbol)
        self.buy = intent.side == "buy"
        self.quantity = intent.quantity
        self.account = state.ledger.accounts.get(self.place) or Account(intent.exchange, intent.symbol)
        self.instrument_or_none: Instrument | None = state.valuation.instruments.get(self.place)
        self.mark_or_none: Mark | None = state.valuation.marks.get(self.place)
        limit_price, stop_price = intent.limit_price, intent.stop_price
        self.sane = (
            _positive(self.quantity)
            and (limit_price is None or _positive(limit_price))
            and (stop_price is None or _positive(stop_price))
        )
        self.shrinks = self.sane and self.quantity <= self.account.room_to_shrink(self.buy)
        self.is_exit = self.shrinks and intent.reduce_only

    @property
    def instrument(self) -> Instrument:
        """The instrument; a rule before those that ask for it has denied orders without one."""
        if self.instrument_or_none is None:
            raise LookupError(f"no instrument {self.place}")
        return self.instrument_or_none

    @property
    def mark(self) -> Decimal:
        """The mark in quote units; zero for a market exit in a market without a price."""
        return self.mark_or_none.mark if self.mark_or_none is not None else ZERO

    @property
    def rate(self) -> Decimal:
        """USD for one unit of the quote currency."""
        return self.state.valuation.rate(self.instrument.quote) or ZERO

    @property
    def reference(self) -> Decimal:
        """What the order itself is worth a unit: its limit price, or the mark; a stop order no less than the
        price at which it triggers.
        """
        intent = self.intent
        price = intent.limit_price if intent.limit_price is not None else self.mark
        return price if intent.stop_price is None else max(price, intent.stop_price)

    @property
    def price(self) -> Decimal:
        """What the worst case is reckoned with: `reference`, and at the market as far off as the collar lets
        it slip.
        """
        if self.intent.limit_price is not None:
            return self.reference
        collar = self.limits.price_collar or MARKET_SLIP
        factor = EXACT.add(ONE, collar) if self.buy else EXACT.subtract(ONE, collar)
        return EXACT.multiply(self.reference, factor)

    @property
    def value_usd(self) -> Decimal:
        """The order's own notional in USD, at its `reference`."""
        return EXACT.multiply(EXACT.multiply(self.quantity, self.reference), self.rate)

    @property
    def projected(self) -> Decimal:
        """The worst case of the order's side at its place with the order, signed towards that side; negative:
        it shrinks.
        """
        worst = self.account.long_worst if self.buy else self.account.short_worst.copy_negate()
        return EXACT.add(worst, self.quantity)


def _positive(value: Decimal) -> bool:
    return value.is_finite() and value > 0
