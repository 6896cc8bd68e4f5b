"""The watch after the trade: what passed a limit without an order of ours passing it, and what left without
having entered.

Prices move, fills come late, limits are lowered: then a limit is passed by what is held, not by an order.
Each such breach is found once, when it begins, with what has to be done about it; it can be found again only
after it was over. A price that is gone ends none: nobody knows then what a position is worth. Working orders
don't count here: they have not happened, and the rules keep room for them.
Pure.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal

import msgspec

from actors.model.book import Book
from actors.model.events import LOSSES
from actors.model.fill import Fill
from actors.model.money import EXACT, ZERO
from actors.model.order import OrderIntent
from actors.risk.protection import Place
from actors.risk.state import RiskState

add, subtract, multiply = EXACT.add, EXACT.subtract, EXACT.multiply

REDUCE, HALT = "reducing", "halted"

NO_LIVE_STOP, CLOCK_SKEW = "NO_LIVE_STOP", "CLOCK_SKEW"


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A breach of what is held: where, by how much, and the trading state that it leads to there."""

    code: str
    exchange: str | None
    symbol: str | None
    limit: Decimal
    value: Decimal
    leads_to: str

    @property
    def key(self) -> tuple[str, str | None, str | None]:
        """What makes it the same breach as a moment ago."""
        return (self.code, self.exchange, self.symbol)


class Turn(msgspec.Struct, frozen=True):
    """What one look found: breaches that began and keys of those that ended."""

    began: tuple[Found, ...]
    ended: tuple[Found, ...]


GoingOn = Mapping[tuple[object, ...], Found]
"""Breaches by what makes each the same as a moment ago."""


def resumed_after(book: Book) -> GoingOn:
    """The losses after which a person let trading go on: for the rest of their day no news to a process."""
    return {
        (code, None, None, day): Found(
            code=code, exchange=None, symbol=None, limit=ZERO, value=ZERO, leads_to=HALT
        )
        for code, day in book.resumed_losses.items()
    }


class Watch:
    """Remembers which breaches are going on. `day` belongs to the key of losses: each day they can be found
    anew. `going_on` are those of a watch before, that this one is to see the end of.
    """

    def __init__(self, going_on: GoingOn | None = None) -> None:
        self._going_on = {**(going_on or {})}
        self._unpriced_us: dict[Place, int] = {}

    @property
    def going_on(self) -> GoingOn:
        """The breaches that go on; a copy."""
        return {**self._going_on}

    def let_go(self, is_over: Callable[[Found], bool]) -> tuple[Found, ...]:
        """Forget breaches that are to be found anew, should they go on; these are they."""
        let_go = {key: found for key, found in self._going_on.items() if is_over(found)}
        for key in let_go:
            del self._going_on[key]
        return tuple(let_go.values())

    def look(
        self,
        state: RiskState,
        now_us: int,
        *,
        losses_only: bool = False,
        without_stop: Mapping[Place, Decimal] = {},
    ) -> Turn:
        """Compare what is held with the limits. `losses_only` leaves out what may wait for a second;
        `without_stop` is for how many seconds positions have had no live stop of their size.
        """
        found: dict[tuple[object, ...], Found] = {
            (*each.key, state.day.name): each for each in _losses(state)
        }
        if not losses_only:
            found.update(((*each.key, each.leads_to), each) for each in _exposures(state))
            self._unpriced_us = {place: self._unpriced_us.get(place, now_us) for place in _unpriced(state)}
            stale = _stale(state, now_us, self._unpriced_us)
            found.update(((*each.key, each.leads_to), each) for each in stale)
            found.update(((*each.key, each.leads_to), each) for each in _without_stop(state, without_stop))
        began = tuple(each for key, each in found.items() if key not in self._going_on)
        ended = []
        for key, each in tuple(self._going_on.items()):
            if key in found or (losses_only and each.code not in LOSSES):
                continue
            if not _is_unknown(state, each):
                ended.append(self._going_on.pop(key))
        self._going_on.update(found)
        return Turn(began, tuple(ended))


def _is_unknown(state: RiskState, found: Found) -> bool:
    """Whether nobody can tell now that the breach is over: something that it counts has no price."""
    if found.code in (NO_LIVE_STOP, CLOCK_SKEW):
        return False
    if found.code in LOSSES:
        return state.day_result() is None
    return any(
        found.exchange in (None, exchange) and found.symbol in (None, symbol)
        for exchange, symbol in state.valuation.unpriced
        if state.ledger.accounts[exchange, symbol].position.quantity
    )


def _over(
    code: str,
    limit: Decimal | None,
    value: Decimal,
    leads_to: str,
    exchange: str | None = None,
    symbol: str | None = None,
) -> Iterator[Found]:
    if limit is not None and value > limit:
        yield Found(code=code, exchange=exchange, symbol=symbol, limit=limit, value=value, leads_to=leads_to)


def _losses(state: RiskState) -> Iterator[Found]:
    limits = state.limits
    if limits.max_daily_loss_usd is None and limits.max_drawdown_usd is None:
        return
    result = state.day_result()
    if result is None:
        return
    yield from _over("MAX_DAILY_LOSS", limits.max_daily_loss_usd, result.copy_negate(), HALT)
    if limits.max_drawdown_usd is not None:
        fallen = state.drawdown()
        yield from _over(
            "MAX_DRAWDOWN", limits.max_drawdown_usd, fallen if fallen is not None else ZERO, HALT
        )


def _exposures(state: RiskState) -> Iterator[Found]:
    limits, valuation = state.limits, state.valuation
    longs: dict[str, Decimal] = {}
    shorts: dict[str, Decimal] = {}
    exchanges: dict[str, Decimal] = {}
    gross = net = ZERO
    for place in valuation.busy:
        mark = valuation.mark(place)
        instrument = valuation.instruments.get(place)
        rate = valuation.rate(instrument.quote) if instrument is not None else None
        held = state.ledger.accounts[place].position.quantity
        if mark is None or rate is None or not held:
            continue
        value = multiply(multiply(held, mark), rate)
        side, size = (longs if held > 0 else shorts), value.copy_abs()
        side[place[1]] = add(side.get(place[1], ZERO), size)
        exchanges[place[0]] = add(exchanges.get(place[0], ZERO), size)
        gross, net = add(gross, size), add(net, value)
    for symbol in dict.fromkeys((*longs, *shorts)):
        long, short = longs.get(symbol, ZERO), shorts.get(symbol, ZERO)
        yield from _over("MAX_POSITION", limits.max_pos_usd, max(long, short), REDUCE, symbol=symbol)
        yield from _over("MAX_LONG", limits.max_long_usd, long, REDUCE, symbol=symbol)
        yield from _over("MAX_SHORT", limits.max_short_usd, short, REDUCE, symbol=symbol)
    for exchange, value in exchanges.items():
        yield from _over("MAX_EXCHANGE_EXPOSURE", limits.max_exchange_usd, value, REDUCE, exchange)
    yield from _over("MAX_GROSS_EXPOSURE", limits.max_gross_usd, gross, REDUCE)
    yield from _over("MAX_NET_EXPOSURE", limits.max_net_usd, net.copy_abs(), REDUCE)


def _unpriced(state: RiskState) -> Iterator[Place]:
    """The places where something is held and that have no price."""
    for place in state.valuation.busy:
        if place not in state.valuation.marks and state.ledger.accounts[place].position.quantity:
            yield place


def _stale(state: RiskState, now_us: int, unpriced_us: Mapping[Place, int]) -> Iterator[Found]:
    """Prices under positions that are too old; one that is not there is as old as that was first seen."""
    limit = state.limits.max_price_age_seconds
    if limit is not None and state.limits.reduce_on_stale_price:
        for place in state.valuation.busy:
            mark = state.valuation.marks.get(place)
            if state.ledger.accounts[place].position.quantity:
                at_us = unpriced_us[place] if mark is None else mark.at_us
                age = multiply(Decimal(now_us - at_us), Decimal("1e-6"))
                yield from _over("STALE_PRICE", limit, age, REDUCE, *place)
    skew_limit = state.limits.max_clock_skew_seconds
    for exchange, skew_us in state.skews.items():
        skew = multiply(Decimal(abs(skew_us)), Decimal("1e-6"))
        yield from _over(CLOCK_SKEW, skew_limit, skew, REDUCE, exchange)


def _without_stop(state: RiskState, seconds: Mapping[Place, Decimal]) -> Iterator[Found]:
    limit = state.limits.max_seconds_without_stop
    for place, value in seconds.items():
        broker = state.brokers.get(place[0])
        # Where the exchange holds no stops nobody can place one: that is told, and nothing is closed for it.
        closes = state.limits.flatten_without_stop and broker is not None and broker.takes_stops
        yield from _over(NO_LIVE_STOP, limit, value, HALT if closes else REDUCE, *place)


# What left against what entered.


def fill_difference(fill: Fill, intent: OrderIntent, widest_price: Decimal | None = None) -> str | None:
    """How a fill contradicts the order that it is said to belong to; None when it fits.

    `widest_price` stands in for the limit price of an order that has had more than one.
    """
    if (fill.exchange, fill.symbol, fill.side) != (intent.exchange, intent.symbol, intent.side):
        asked = f"{intent.side} {intent.symbol} at {intent.exchange}"
        told = f"{fill.side} {fill.symbol} at {fill.exchange}"
        return f"order {intent.order_id} was to {asked}, its fill says {told}"
    limit = widest_price or intent.limit_price
    if limit is not None and (fill.price > limit if fill.side == "buy" else fill.price < limit):
        return f"order {intent.order_id} was limited to {limit} and executed at {fill.price}"
    return None


class Outgoing:
    """Compares what began to leave with the journal: every order accepted before, and none of them twice."""

    KEPT = 20_000
    """As many as the gate tells at most between two comparisons."""

    def __init__(self) -> None:
        self._seen: dict[str, None] = {}

    def differences(self, sent: Sequence[str], accepted: Callable[[str], bool]) -> list[str]:
        """What is wrong with these orders, of which the sending has begun since the last call."""
        found = []
        for order_id in sent:
            if order_id in self._seen:
                found.append(f"order {order_id} was sent twice")
            elif not accepted(order_id):
                found.append(f"order {order_id} was sent and the journal has not accepted it")
            self._seen[order_id] = None
            if len(self._seen) > self.KEPT:
                del self._seen[next(iter(self._seen))]
        return found
