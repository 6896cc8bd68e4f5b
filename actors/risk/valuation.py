"""What everything is worth in USD: exposure, results, margin and equity from marks, kept up by differences.
Pure.

USD and the dollar coins count as one. Any other asset is valued through the mark of its own symbol against a
dollar asset. A place or an asset that can't be valued is named in `unpriced`, and the sums leave it out:
whoever decides on such a sum looks there first, for not knowing a price is never the same as zero.
"""

from decimal import Decimal

import msgspec

from actors.model.instrument import Instrument
from actors.model.messages import Mark
from actors.model.money import EXACT, ZERO
from actors.risk.ledger import Account, Ledger, Place, assets_of

DOLLARS = frozenset({"USD", "USDT", "USDC", "BUSD", "FDUSD", "TUSD", "DAI"})
ONE = Decimal(1)

add, subtract, multiply = EXACT.add, EXACT.subtract, EXACT.multiply


class Worth(msgspec.Struct, frozen=True):
    """One place in USD. `long` and `short` are the signed worst cases, `gross` the larger of both sides.

    `result` is realised and unrealised profit before fees since the journal began; `margin` what must be
    covered.
    """

    gross: Decimal = ZERO
    long: Decimal = ZERO
    short: Decimal = ZERO
    result: Decimal = ZERO
    margin: Decimal = ZERO


NOTHING = Worth()


class Sum:
    """The sum of many worths, moved by differences."""

    __slots__ = ("gross", "long", "margin", "result", "short")

    def __init__(self) -> None:
        self.gross = self.long = self.short = self.result = self.margin = ZERO

    def move(self, before: Worth, now: Worth) -> None:
        """One worth of the sum changed."""
        if now.gross != before.gross:
            self.gross = add(self.gross, subtract(now.gross, before.gross))
        if now.long != before.long:
            self.long = add(self.long, subtract(now.long, before.long))
        if now.short != before.short:
            self.short = add(self.short, subtract(now.short, before.short))
        if now.result != before.result:
            self.result = add(self.result, subtract(now.result, before.result))
        if now.margin != before.margin:
            self.margin = add(self.margin, subtract(now.margin, before.margin))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sum) and all(
            getattr(self, name) == getattr(other, name) for name in self.__slots__
        )

    __hash__ = None  # type: ignore[assignment]


class Valuation:
    """Marks, rates and all sums in USD. Told of changes by `touch` and the setters; asked at any time."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.marks: dict[Place, Mark] = {}
        self.instruments: dict[Place, Instrument] = {}
        self.rates: dict[str, Decimal] = {}
        self.cash: dict[tuple[str, str], Decimal] = {}
        self.fees: dict[str, Decimal] = {}
        self.unpriced: dict[Place, None] = {}
        self.busy: dict[Place, None] = {}
        self.total = Sum()
        self._worths: dict[Place, Worth] = {}
        self._exchanges: dict[str, Sum] = {}
        self._derivatives: dict[str, Decimal] = {}
        self._cash_usd: dict[str, Decimal] = {}
        self._cash_worth: dict[tuple[str, str], Decimal] = {}
        self._debts: dict[tuple[str, str], None] = {}
        self._holders: dict[str, dict[str, None]] = {}
        self._quoted: dict[str, dict[Place, None]] = {}
        self._sources: dict[str, dict[Place, tuple[int, Decimal]]] = {}

    # Questions.

    def rate(self, asset: str) -> Decimal | None:
        """USD for one unit of the asset, or None when no price is known."""
        return ONE if asset in DOLLARS else self.rates.get(asset)

    def mark(self, place: Place) -> Decimal | None:
        """The mark of a place in quote units, or None."""
        found = self.marks.get(place)
        return found.mark if found is not None else None

    def worth(self, place: Place) -> Worth:
        """A place in USD."""
        return self._worths.get(place, NOTHING)

    def of_exchange(self, exchange: str) -> Sum:
        """The sum over the places of an exchange."""
        found = self._exchanges.get(exchange)
        if found is None:
            found = self._exchanges[exchange] = Sum()
        return found

    def equity_of(self, exchange: str) -> Decimal | None:
        """What the account at an exchange is worth: its cash and, for derivatives, their results.

        None when it owes an asset that has no price. Assets without a price that it owns count as nothing.
        """
        if any(owner == exchange for owner, _ in self._debts):
            return None
        return add(self._cash_usd.get(exchange, ZERO), self._derivatives.get(exchange, ZERO))

    def equity(self) -> Decimal:
        """What all accounts are worth, as far as prices are known."""
        total = ZERO
        for exchange in self._cash_usd:
            total = add(total, self._cash_usd[exchange])
        for exchange in self._derivatives:
            total = add(total, self._derivatives[exchange])
        return total

    def fees_since(self, base: dict[str, Decimal]) -> Decimal | None:
        """Fees in USD paid since the totals in `base`, at present rates; None when an asset of them has no
        price.
        """
        total = ZERO
        for asset, paid in self.fees.items():
            since = subtract(paid, base.get(asset, ZERO))
            if since:
                rate = self.rate(asset)
                if rate is None:
                    return None
                total = add(total, multiply(since, rate))
        return total

    def oldest_mark_us(self) -> int | None:
        """When the oldest mark that any held or working place is valued with was taken; None when there is
        none.
        """
        oldest: int | None = None
        for place in self.busy:
            mark = self.marks.get(place)
            if mark is not None and (oldest is None or mark.at_us < oldest):
                oldest = mark.at_us
        return oldest

    def references(self, exchange: str, symbol: str) -> tuple[tuple[str, str, Decimal], ...]:
        """The prices besides the place's own that sums rest on: (exchange, symbol, mark), and ("", asset, USD
        rate).
        """
        found = [
            (place[0], place[1], mark.mark)
            for place in self.busy
            if place != (exchange, symbol) and (mark := self.marks.get(place)) is not None
        ]
        found.extend(("", asset, rate) for asset, rate in self.rates.items() if self._matters(asset))
        return tuple(found)

    def _matters(self, asset: str) -> bool:
        return asset in self._holders or asset in self.fees or asset in self._quoted

    # Changes.

    def touch(self, account: Account) -> None:
        """Value a place anew after its position or its reservations changed."""
        place = account.place
        before = self._worths.get(place)
        if before is None:
            before = NOTHING
            self._quoted.setdefault(account.quote, {})[place] = None
        if account.is_idle:
            self.busy.pop(place, None)
        else:
            self.busy[place] = None
        now = self._value(account, place)
        self._worths[place] = now
        self._move(account, before, now)

    def _move(self, account: Account, before: Worth, now: Worth) -> None:
        self.total.move(before, now)
        self.of_exchange(account.exchange).move(before, now)
        if now.result != before.result:
            instrument = self.instruments.get(account.place)
            if instrument is not None and instrument.market_type != "spot":
                held = self._derivatives.get(account.exchange, ZERO)
                self._derivatives[account.exchange] = add(held, subtract(now.result, before.result))

    def _value(self, account: Account, place: Place) -> Worth:
        rate = self.rate(account.quote)
        mark = self.mark(place)
        position = account.position
        if rate is None or (mark is None and not account.is_idle):
            if account.is_idle and not position.realized_pnl:
                self.unpriced.pop(place, None)
            else:
                self.unpriced[place] = None
            return NOTHING
        self.unpriced.pop(place, None)
        if mark is None or account.is_idle:
            return Worth(result=multiply(position.realized_pnl, rate))
        price = multiply(mark, rate)
        long_worst, short_worst = account.long_worst, account.short_worst
        instrument = self.instruments.get(place)
        margin = instrument.initial_margin if instrument is not None else ONE
        return Worth(
            multiply(max(ZERO, long_worst, short_worst.copy_negate()), price),
            multiply(long_worst, price),
            multiply(short_worst, price),
            multiply(add(position.realized_pnl, position.unrealized_pnl(mark)), rate),
            multiply(multiply(account.margin_value(mark, True, ZERO, ZERO), margin), rate),
        )

    def set_mark(self, mark: Mark) -> None:
        """A new price. One that is no positive finite number takes the old one away: no price is better than
        a wrong one.
        """
        place = (mark.exchange, mark.symbol)
        usable = mark.mark.is_finite() and mark.mark > 0
        if usable:
            self.marks[place] = mark
        else:
            self.marks.pop(place, None)
        account = self._ledger.accounts.get(place)
        if account is not None:
            self.touch(account)
        base, quote = assets_of(mark.symbol)
        if quote in DOLLARS and base not in DOLLARS:
            sources = self._sources.setdefault(base, {})
            if usable:
                sources[place] = (mark.at_us, mark.mark)
            else:
                sources.pop(place, None)
            self._set_rate(base, sources)

    def _set_rate(self, asset: str, sources: dict[Place, tuple[int, Decimal]]) -> None:
        """The newest mark gives the rate, of equally new ones that of the first place by name."""
        newest = min(sources.items(), key=lambda item: (-item[1][0], item[0]), default=None)
        if newest is None:
            self.rates.pop(asset, None)
        elif self.rates.get(asset) == newest[1][1]:
            return
        else:
            self.rates[asset] = newest[1][1]
        for exchange in self._holders.get(asset, ()):
            self._value_cash(exchange, asset)
        for place in self._quoted.get(asset, ()):
            self.touch(self._ledger.account(*place))

    def set_instrument(self, instrument: Instrument) -> None:
        """A new or changed instrument."""
        place = (instrument.exchange, instrument.symbol)
        if self.instruments.get(place) == instrument:
            return
        account = self._ledger.accounts.get(place)
        if account is None:
            self.instruments[place] = instrument
            return
        if place in self._worths:
            self._move(account, self._worths.pop(place), NOTHING)
        self.instruments[place] = instrument
        self.touch(account)

    def set_cash(self, exchange: str, asset: str, amount: Decimal) -> None:
        """What an account holds of an asset."""
        self.cash[exchange, asset] = amount
        self._holders.setdefault(asset, {})[exchange] = None
        self._value_cash(exchange, asset)

    def _value_cash(self, exchange: str, asset: str) -> None:
        key = (exchange, asset)
        amount, rate = self.cash[key], self.rate(asset)
        worth = multiply(amount, rate) if rate is not None else ZERO
        if rate is None and amount < 0:
            self._debts[key] = None
        else:
            self._debts.pop(key, None)
        held = self._cash_usd.get(exchange, ZERO)
        self._cash_usd[exchange] = add(subtract(held, self._cash_worth.get(key, ZERO)), worth)
        self._cash_worth[key] = worth

    def earn(self, asset: str, amount: Decimal) -> None:
        """Funding or interest came in, or went out (negative): a fee the other way round."""
        self.fees[asset] = subtract(self.fees.get(asset, ZERO), amount)

    def add_fees(self, before: tuple[tuple[str, Decimal], ...], now: tuple[tuple[str, Decimal], ...]) -> None:
        """A position's fees by asset went from `before` to `now`."""
        if before == now:
            return
        for asset, paid in before:
            self.fees[asset] = subtract(self.fees.get(asset, ZERO), paid)
        for asset, paid in now:
            self.fees[asset] = add(self.fees.get(asset, ZERO), paid)
