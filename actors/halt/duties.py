"""What the operator's actor owes the journal and the exchanges, worked out from where things stand. Pure.

Nothing here remembers what was told before. The gate says what is in force, the journal's book what is
recorded and what still works; every difference is a duty, looked at again until there is none. So a message
that got lost, a broker that was down or a restart in the middle changes when something is done, never
whether.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal

import msgspec

from actors.halt.gate import Engaged, Restriction
from actors.halt.states import ACTIVE, covers, rank
from actors.model.book import Book, Kill, scope_key
from actors.model.closing import UNTOLD, Apart, closable
from actors.model.events import AnyEvent, KillEngaged, TradingResumed, TradingStateChanged
from actors.model.instrument import Instrument
from actors.model.money import ZERO
from actors.model.opening import opening
from actors.model.order import Order, OrderIntent

SWEEPING = ("cancel", "flatten")
OPERATOR = "operator"
"""Whose the orders are that close positions."""


class CancelDuty(msgspec.Struct, frozen=True):
    """Orders at this place must go: `everything` but exits placed later than `exits_since_us`, or only what
    opens.
    """

    exchange: str
    symbol: str
    everything: bool
    exits_since_us: int | None = None


class FlattenDuty(msgspec.Struct, frozen=True):
    """This position must be closed: sell or buy this much."""

    exchange: str
    symbol: str
    side: str
    quantity: Decimal


def unjournaled_kills(
    kills: Mapping[str, Engaged], book: Book, leave: Collection[str]
) -> tuple[KillEngaged, ...]:
    """The kills in force that the journal does not have, but for those on their way or being lifted."""
    return tuple(
        KillEngaged(
            kill_id=kill_id,
            level=engaged.kill.level,
            exchange=engaged.kill.exchange,
            symbol=engaged.kill.symbol,
            reason=engaged.kill.reason,
            by=engaged.kill.by,
            in_flight=engaged.in_flight,
            automatic=engaged.kill.automatic,
        )
        for kill_id, engaged in kills.items()
        if kill_id not in book.kills and kill_id not in leave
    )


def unjournaled_states(
    restrictions: Mapping[str, Restriction], book: Book, leave: Collection[str]
) -> tuple[TradingStateChanged, ...]:
    """The restrictions in force that the journal has otherwise or not at all. The end of one is journaled
    before it ends.
    """
    return tuple(
        TradingStateChanged(
            exchange=restriction.exchange,
            symbol=restriction.symbol,
            old=book.trading_states.get(key, ACTIVE),
            new=restriction.state,
            cause=restriction.cause,
        )
        for key, restriction in restrictions.items()
        if book.trading_states.get(key) != restriction.state and key not in leave
    )


def scope_of(key: str) -> tuple[str | None, str | None]:
    """Exchange and symbol of a scope's key; the reverse of `scope_key`."""
    exchange, slash, symbol = key.partition("/")
    return (None if exchange == "*" else exchange, symbol if slash else None)


def cancel_duties(
    kills: Iterable[Engaged],
    restrictions: Iterable[Restriction],
    book: Book,
    swept: Collection[tuple[str, str]],
) -> tuple[CancelDuty, ...]:
    """The places where orders must go that are not being cancelled yet, in the order of their oldest order.

    A kill of level `halt` and every restriction take away what opens. `cancel` and `flatten` are swept at the
    exchange; what still turns up after the sweep is taken away here, except reduce-only orders that were
    placed after the kill and fit into the position, which are a person's way out. `flatten` closes the
    position itself, and takes those too.
    """
    sweeping = [engaged.kill for engaged in kills if engaged.kill.level in SWEEPING]
    scopes = [(e.kill.exchange, e.kill.symbol) for e in kills if e.kill.level not in SWEEPING]
    scopes += [(r.exchange, r.symbol) for r in restrictions if rank(r.state)]
    if not sweeping and not scopes:
        return ()
    working: dict[tuple[str, str], list[Order]] = {}
    for order in book.orders.values():
        working.setdefault((order.intent.exchange, order.intent.symbol), []).append(order)
    duties: list[CancelDuty] = []
    for place, orders in working.items():
        since = [
            exits_since(kill)
            for kill in sweeping
            if covers((kill.exchange, kill.symbol), *place) and (kill.kill_id, place[0]) in swept
        ]
        if since and any(_must_go(order, _latest(since)) for order in orders):
            duties.append(CancelDuty(*place, everything=True, exits_since_us=_latest(since)))
        elif since or any(covers(scope, *place) for scope in scopes):
            left = opening(orders, book.position(*place).quantity)
            if any(not order.cancel_requested for order in left):
                duties.append(CancelDuty(*place, everything=False))
    return tuple(duties)


def exits_since(kill: Kill) -> int | None:
    """Exits that were placed later than this (µs) are left alone by the kill; None: it takes all of them."""
    return None if kill.level == "flatten" else kill.at_us


def _latest(since: Sequence[int | None]) -> int | None:
    return None if None in since else max(each for each in since if each is not None)


def _must_go(order: Order, since_us: int | None) -> bool:
    if _is_closing(order.intent):
        return False
    if order.cancel_requested:
        return False
    return not order.is_exit_since(since_us)


def _is_closing(intent: OrderIntent) -> bool:
    return intent.user == OPERATOR and intent.reduce_only and intent.type == "market"


def sweep_duties(
    kills: Iterable[Engaged], exchanges: Iterable[str], done: Collection[tuple[str, str]]
) -> tuple[tuple[Engaged, str], ...]:
    """Which kill must still be swept at which exchange."""
    return tuple(
        (engaged, exchange)
        for engaged in kills
        if engaged.kill.level in SWEEPING
        for exchange in exchanges
        if engaged.kill.exchange in (None, exchange) and (engaged.kill.kill_id, exchange) not in done
    )


def flatten_duties(
    kills: Iterable[Engaged],
    book: Book,
    swept: Collection[tuple[str, str]],
    instruments: Mapping[tuple[str, str], Instrument],
    apart: Apart = UNTOLD,
) -> tuple[FlattenDuty, ...]:
    """The positions to close now: in scope of a flattening kill whose sweep is done, with nothing of ours
    working there. Nothing comes in between: risk takes no orders of others there.

    What can't be closed (`closable`) is no duty.
    """
    scopes = [e.kill for e in kills if e.kill.level == "flatten"]
    if not scopes:
        return ()
    busy = dict.fromkeys((order.intent.exchange, order.intent.symbol) for order in book.orders.values())
    duties: list[FlattenDuty] = []
    for place, position in book.positions.items():
        if not position.quantity or place in busy:
            continue
        instrument = instruments.get(place)
        due = any(
            covers((kill.exchange, kill.symbol), *place) and (kill.kill_id, place[0]) in swept
            for kill in scopes
        )
        if instrument is None or not due:
            continue
        quantity = closable(position, instrument, book, apart)
        if quantity > ZERO:
            duties.append(FlattenDuty(*place, "sell" if position.quantity > 0 else "buy", quantity))
    return tuple(duties)


def closing_intent(duty: FlattenDuty, order_id: str) -> OrderIntent:
    """The order that closes a position: reduce-only, at the market, immediate or cancelled."""
    return OrderIntent(
        order_id=order_id,
        client_order_id=order_id.replace("-", ""),
        exchange=duty.exchange,
        symbol=duty.symbol,
        side=duty.side,
        type="market",
        quantity=duty.quantity,
        time_in_force="IOC",
        reduce_only=True,
        user=OPERATOR,
    )


def resume_events(
    kills: Mapping[str, Engaged],
    restrictions: Sequence[Restriction],
    book: Book,
    under_way: Collection[str],
    reason: str,
    by: str,
    approved_by: str | None = None,
) -> tuple[AnyEvent, ...]:
    """What a resume journals: kills that are not in the journal yet, their end, and that of restrictions."""
    events: list[AnyEvent] = [*unjournaled_kills(kills, book, under_way)]
    if kills:
        events.append(TradingResumed(kill_ids=tuple(kills), reason=reason, by=by, approved_by=approved_by))
    people = by if approved_by is None else f"{by} and {approved_by}"
    events.extend(
        TradingStateChanged(
            exchange=restriction.exchange,
            symbol=restriction.symbol,
            old=restriction.state,
            new=ACTIVE,
            cause=f"resumed by {people}: {reason}",
        )
        for restriction in restrictions
    )
    return tuple(events)


def restrictions_of(book: Book) -> tuple[Restriction, ...]:
    """The restrictions that the journal holds."""
    found = []
    for key, state in book.trading_states.items():
        exchange, symbol = scope_of(key)
        cause = book.trading_causes.get(key, "")
        found.append(Restriction(exchange=exchange, symbol=symbol, state=state, cause=cause))
    return tuple(found)


def key_of(event: TradingStateChanged) -> str:
    """The key of the scope that an event is about."""
    return scope_key(event.exchange, event.symbol)
