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
from actors.risk.ledger import Account, Ledger, Place

DOLLARS = frozenset({"USD", "USDT", "USDC", "BUSD", "FDUSD", "TUSD", "DAI"})
ONE = Decimal(1)

add, subtract, multiply = EXACT.add, EXACT.subtract, EXACT.multiply


def assets_of(symbol: str) -> tuple[str, str]:
    """Base and quote of a symbol: of BTC/USDT, and of a derivative such as BTC/USDT:USDT."""
    base, _, rest = symbol.partition("/")
    return base, rest.partition(":")[0]


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

    def plus(self, other: "Worth") -> "Worth":
        """The sum of two."""
        return Worth(
            add(self.gross, other.gross),
            add(self.long, other.long),
            add(self.short, other.short),
            add(self.result, other.result),
            add(self.margin, other.margin),
        )

    def minus(self, other: "Worth") -> "Worth":
        """The difference of two."""
        return Worth(
            subtract(self.gross, other.gross),
            subtract(self.long, other.long),
            subtract(self.short, other.short),
            subtract(self.result, other.result),
            subtract(self.margin, other.margin),
        )


NOTHING = Worth()


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
        self.total = NOTHING
        self._worths: dict[Place, Worth] = {}
        self._exchanges: dict[str, Worth] = {}
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

    def of_exchange(self, exchange: str) -> Worth:
        """The sum over the places of an exchange."""
        return self._exchanges.get(exchange, NOTHING)

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
        place = (account.exchange, account.symbol)
        if place not in self._worths:
            self._quoted.setdefault(assets_of(account.symbol)[1], {})[place] = None
        if account.is_idle:
            self.busy.pop(place, None)
        else:
            self.busy[place] = None
        before = self._worths.get(place, NOTHING)
        now = self._value(account, place)
        self._worths[place] = now
        change = now.minus(before)
        self.total = self.total.plus(change)
        self._exchanges[account.exchange] = self.of_exchange(account.exchange).plus(change)
        instrument = self.instruments.get(place)
        if instrument is not None and instrument.market_type != "spot":
            held = self._derivatives.get(account.exchange, ZERO)
            self._derivatives[account.exchange] = add(held, change.result)

    def _value(self, account: Account, place: Place) -> Worth:
        rate = self.rate(assets_of(account.symbol)[1])
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
            self._forget(account, place)
        self.instruments[place] = instrument
        self.touch(account)

    def _forget(self, account: Account, place: Place) -> None:
        before = self._worths.pop(place)
        self.total = self.total.minus(before)
        self._exchanges[account.exchange] = self.of_exchange(account.exchange).minus(before)
        instrument = self.instruments.get(place)
        if instrument is not None and instrument.market_type != "spot":
            held = self._derivatives.get(account.exchange, ZERO)
            self._derivatives[account.exchange] = subtract(held, before.result)

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

    def add_fees(self, before: tuple[tuple[str, Decimal], ...], now: tuple[tuple[str, Decimal], ...]) -> None:
        """A position's fees by asset went from `before` to `now`."""
        if before == now:
            return
        for asset, paid in before:
            self.fees[asset] = subtract(self.fees.get(asset, ZERO), paid)
        for asset, paid in now:
            self.fees[asset] = add(self.fees.get(asset, ZERO), paid)
