"""What is held and what working orders may still do to it: the arithmetic under every exposure rule. Pure.

For each place (exchange, symbol) the ledger keeps the position and the sums of what open orders may still
execute. Long and short worst cases are kept apart: all working buys execute and no sell does, and the other
way round. Orders whose outcome is unknown count like working ones. Every update and every question costs the
same however many orders work or are closed: sums change by differences, and exact decimals don't drift.
"""

from bisect import bisect_left, insort
from decimal import ROUND_UP, Context, Decimal, DivisionByZero, InvalidOperation, Overflow

import msgspec

from actors.model.money import EXACT, ZERO
from actors.model.order import Order, OrderIntent
from actors.model.position import Position

Place = tuple[str, str]

_UP = Context(prec=76, rounding=ROUND_UP, traps=[InvalidOperation, DivisionByZero, Overflow])
_VALUE_PLACES = Decimal("1e-12")

add, subtract, multiply = EXACT.add, EXACT.subtract, EXACT.multiply


def assets_of(symbol: str) -> tuple[str, str]:
    """Base and quote of a symbol: of BTC/USDT, and of a derivative such as BTC/USDT:USDT."""
    base, _, rest = symbol.partition("/")
    return base, rest.partition(":")[0]


class Hold(msgspec.Struct, frozen=True):
    """What one order may still do. `price` is what its worst case is valued at, `rests_at` the price at which
    it meets the other side; None for a market order.
    """

    exchange: str
    symbol: str
    buy: bool
    remaining: Decimal
    price: Decimal
    reduce_only: bool
    rests_at: Decimal | None

    @classmethod
    def of(cls, order: Order) -> "Hold | None":
        """What an order may still do, or None when it is over."""
        intent = order.intent
        if not order.is_open:
            return None
        hold = cls(
            intent.exchange,
            intent.symbol,
            intent.side == "buy",
            order.remaining,
            order.reserve_price,
            intent.reduce_only,
            intent.limit_price,
        )
        amend = order.amending
        if amend is None:
            return hold
        return hold.with_terms(hold.remaining, amend.limit_price, amend.reserve_price)

    @classmethod
    def of_intent(cls, intent: OrderIntent, price: Decimal) -> "Hold":
        """What an order that is not in the journal yet may do, at its worst case's price."""
        return cls(
            intent.exchange,
            intent.symbol,
            intent.side == "buy",
            intent.quantity,
            price,
            intent.reduce_only,
            intent.limit_price,
        )

    def with_terms(self, remaining: Decimal, limit_price: Decimal, reserve_price: Decimal) -> "Hold":
        """What an order may do that has either its own terms or these: the worst of both."""
        nearer = max if self.buy else min
        return Hold(
            self.exchange,
            self.symbol,
            self.buy,
            max(self.remaining, remaining),
            max(self.price, reserve_price),
            self.reduce_only,
            limit_price if self.rests_at is None else nearer(self.rests_at, limit_price),
        )


class Account:
    """What is held and working at one place. Quantities in base units, values in quote units."""

    __slots__ = (
        "buy_prices",
        "buy_value",
        "buys",
        "exchange",
        "open_orders",
        "place",
        "position",
        "quote",
        "reduce_buys",
        "reduce_sells",
        "sell_prices",
        "sell_value",
        "sells",
        "symbol",
    )

    def __init__(self, exchange: str, symbol: str) -> None:
        self.exchange = exchange
        self.symbol = symbol
        self.place = (exchange, symbol)
        self.quote = assets_of(symbol)[1]
        self.position = Position(exchange=exchange, symbol=symbol)
        self.buys = self.sells = ZERO
        self.buy_value = self.sell_value = ZERO
        self.reduce_buys = self.reduce_sells = ZERO
        self.open_orders = 0
        self.buy_prices: list[Decimal] = []
        self.sell_prices: list[Decimal] = []

    @property
    def long_worst(self) -> Decimal:
        """The position if every working buy executes and no sell does; signed."""
        return add(self.position.quantity, self.buys)

    @property
    def short_worst(self) -> Decimal:
        """The position if every working sell executes and no buy does; signed."""
        return subtract(self.position.quantity, self.sells)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is held and nothing works."""
        return not self.open_orders and not self.position.quantity

    def room_to_reduce(self, buy: bool) -> Decimal:
        """How much a further reduce-only order of this side may be for, other reduce-only ones counted; may
        be negative.
        """
        if buy:
            return subtract(self.position.quantity.copy_negate(), self.reduce_buys)
        return subtract(self.position.quantity, self.reduce_sells)

    def room_to_shrink(self, buy: bool) -> Decimal:
        """How much more of this side until the position is flat, every working order of it counted."""
        return self.long_worst.copy_negate() if buy else self.short_worst

    def margin_value(self, mark: Decimal, buy: bool, extra: Decimal, price: Decimal) -> Decimal:
        """The notional that needs margin, in quote units, with `extra` more of one side working at `price`.

        The larger of both sides. What is held counts at `mark`, what works at its own price, and of what
        first closes the opposite position only the rest: its share of the value of that side, rounded up to
        12 places.
        """
        held = self.position.quantity
        buys, buy_value, sells, sell_value = self.buys, self.buy_value, self.sells, self.sell_value
        if extra:
            value = multiply(extra, price)
            if buy:
                buys, buy_value = add(buys, extra), add(buy_value, value)
            else:
                sells, sell_value = add(sells, extra), add(sell_value, value)
        return max(
            _side_value(held, buys, buy_value, mark), _side_value(held.copy_negate(), sells, sell_value, mark)
        )

    def take(self, hold: Hold, sign: int) -> None:
        """Count a hold in (1) or out (-1)."""
        quantity = hold.remaining if sign > 0 else hold.remaining.copy_negate()
        value = multiply(quantity, hold.price)
        self.open_orders += sign
        if hold.buy:
            self.buys = add(self.buys, quantity)
            self.buy_value = add(self.buy_value, value)
            if hold.reduce_only:
                self.reduce_buys = add(self.reduce_buys, quantity)
        else:
            self.sells = add(self.sells, quantity)
            self.sell_value = add(self.sell_value, value)
            if hold.reduce_only:
                self.reduce_sells = add(self.reduce_sells, quantity)
        if hold.rests_at is not None:
            _count_price(self.buy_prices if hold.buy else self.sell_prices, hold.rests_at, sign)


def _side_value(held: Decimal, working: Decimal, value: Decimal, mark: Decimal) -> Decimal:
    """One side's notional: `held` is positive when the position is on this side."""
    if held >= 0:
        return add(multiply(held, mark), value)
    rest = add(held, working)
    if rest <= 0:
        return ZERO
    return _UP.divide(multiply(value, rest), working).quantize(_VALUE_PLACES, context=_UP)


def _count_price(prices: list[Decimal], price: Decimal, sign: int) -> None:
    if sign > 0:
        insort(prices, price)
    else:
        del prices[bisect_left(prices, price)]


class Ledger:
    """All places, and the reservation of every open order by its id."""

    def __init__(self) -> None:
        self.holds: dict[str, Hold] = {}
        self.accounts: dict[Place, Account] = {}
        self._by_symbol: dict[str, tuple[Account, ...]] = {}

    def account(self, exchange: str, symbol: str) -> Account:
        """The account of a place, made when it is first asked for."""
        place = (exchange, symbol)
        found = self.accounts.get(place)
        if found is None:
            found = self.accounts[place] = Account(exchange, symbol)
            self._by_symbol[symbol] = (*self._by_symbol.get(symbol, ()), found)
        return found

    def of_symbol(self, symbol: str) -> tuple[Account, ...]:
        """The accounts of a symbol at all exchanges, in the order in which they came up."""
        return self._by_symbol.get(symbol, ())

    def hold(self, order_id: str, hold: Hold | None) -> Account | None:
        """Set what an order reserves; None releases it. Return the account that changed, or None when nothing
        did.
        """
        before = self.holds.get(order_id)
        if before == hold:
            return None
        if before is not None:
            account = self.account(before.exchange, before.symbol)
            account.take(before, -1)
            del self.holds[order_id]
        if hold is not None:
            account = self.account(hold.exchange, hold.symbol)
            account.take(hold, 1)
            self.holds[order_id] = hold
        return self.account((hold or before).exchange, (hold or before).symbol)  # type: ignore[union-attr]

    def set_position(self, position: Position) -> Account:
        """Set what is held at a place."""
        account = self.account(position.exchange, position.symbol)
        account.position = position
        return account
