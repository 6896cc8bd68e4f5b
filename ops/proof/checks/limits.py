"""I5: no accepted order takes a limit past its value, reckoned from the journal before it.

What moves a position without passing the check (another's trade, a fill after the end) may have been on its
way to the journal when the order was judged; an order counts as a breach only if it is one without the newest
of those as well.
"""

from decimal import Decimal
from typing import Any

from ops.proof.checks.found import Violation
from ops.proof.checks.story import Entry, Story, Tale, step
from ops.proof.risk_checker import Checker, Unfounded
from ops.proof.world import World

SEND_US = 2_000_000
UNSEEN_US = 5_000_000
Place = tuple[str, str]


class _Unseen:
    """Changes of positions that were journaled when a check may have been over, by place. What working orders
    brought is apart: a check has room for them, but does not know that they have happened.
    """

    def __init__(self) -> None:
        self._recent: list[tuple[int, Place, Decimal, bool]] = []

    def add(self, at_us: int, place: Place, signed: Decimal, *, reckoned: bool = False) -> None:
        self._recent.append((at_us, place, signed, reckoned))

    def of(self, place: Place, decided_us: int, *, reckoned: bool = False) -> tuple[Decimal, Decimal]:
        """What may be unseen: the sum of what was bought, the sum of what was sold."""
        bought = sold = Decimal(0)
        for at_us, where, signed, kind in self._recent:
            if where == place and kind is reckoned and at_us > decided_us - UNSEEN_US:
                bought, sold = bought + max(signed, Decimal(0)), sold + min(signed, Decimal(0))
        return bought, sold


def judged(world: World, _story: Story) -> list[Violation]:
    """Judge every acceptance exactly, on the prices that it recorded and on what its judge could know:
    exposures, losses, margin, and where trading stood.
    """
    checker = Checker()
    for record in world.disk.records:
        try:
            checker.read(record.seq, record.stream, record.payload)
        except Unfounded as problem:
            return [Violation("I5", f"{record.seq}: {problem}")]
    return []


def limits(world: World, story: Story) -> list[Violation]:
    """Check every acceptance against the journal as it stood when the acceptance was written."""
    so_far = Story(entries=[], orders={}, by_venue_id={}, by_request={}, held={}, trades={}, problems=[])
    values: dict[str, str] = {}
    unseen = _Unseen()
    found: list[Violation] = []
    for entry in story.entries:
        body = entry.body
        if entry.kind == "LimitChanged":
            values[body["name"]] = body["new"]
        elif entry.kind == "OrderAccepted":
            found.extend(
                Violation("I5", f"{entry.seq}: order {body['intent']['order_id']} {problem}")
                for problem in _problems(so_far, values, unseen, entry)
            )
        elif entry.kind == "PositionAdjusted":
            unseen.add(entry.at_us, (body["exchange"], body["symbol"]), Decimal(body["quantity"]))
        elif entry.kind == "OrderFilled":
            tale = so_far.orders.get(body["order_id"])
            if tale is not None:
                signed = Decimal(body["fill"]["quantity"]) * (1 if tale.buy else -1)
                late = tale.end or body.get("former")
                unseen.add(entry.at_us, tale.place, signed, reckoned=not late)
        step(so_far, entry)
    return found


def _limit(values: dict[str, str], name: str) -> Decimal | None:
    found = values.get(name, "off")
    return None if found == "off" else Decimal(found)


def _problems(story: Story, values: dict[str, str], unseen: _Unseen, entry: Entry) -> list[str]:
    body = entry.body
    intent = body["intent"]
    decided_us = body["send_before_us"] - SEND_US
    quantity, mark, buy = Decimal(intent["quantity"]), Decimal(body["mark"]), intent["side"] == "buy"
    price = Decimal(intent["limit_price"]) if intent.get("limit_price") is not None else None
    open_orders = [tale for tale in story.orders.values() if not tale.end]
    found = []
    if intent["symbol"] not in values.get("symbol_whitelist", "").split(","):
        found.append(f"in {intent['symbol']}, which is not on the whitelist")
    collar, stop = (
        _limit(values, "price_collar"),
        Decimal(intent["stop_price"]) if intent.get("stop_price") else None,
    )
    middle = mark if stop is None else stop
    if (
        price is not None
        and collar is not None
        and not middle * (1 - collar) <= price <= middle * (1 + collar)
    ):
        found.append(f"at {price}, {collar} away from {middle}")
    worth = max(price if price is not None else mark, stop or Decimal(0))
    if intent.get("reduce_only"):
        found.extend(_reduce_only(story, open_orders, unseen, intent, decided_us))
    else:
        found.extend(_sizes(values, open_orders, intent, quantity * worth))
    for name in ("max_pos_usd", "max_long_usd" if buy else "max_short_usd"):
        limit = _limit(values, name)
        if limit is not None:
            worst = _exposure(story, open_orders, unseen, intent, decided_us) * mark
            if worst > limit:
                found.append(f"takes the worst case to {worst}, {name} is {limit}")
    return found


def _sizes(
    values: dict[str, str], open_orders: list[Tale], intent: dict[str, Any], notional: Decimal
) -> list[str]:
    found = []
    limit = _limit(values, "max_order_usd")
    if limit is not None and notional > limit:
        found.append(f"is worth {notional}, max_order_usd is {limit}")
    limit = _limit(values, "max_order_quantity")
    if limit is not None and Decimal(intent["quantity"]) > limit:
        found.append(f"is for {intent['quantity']}, max_order_quantity is {limit}")
    limit = _limit(values, "max_open_orders")
    if limit is not None and len(open_orders) + 1 > limit:
        found.append(f"is open order {len(open_orders) + 1}, max_open_orders is {limit}")
    limit = _limit(values, "max_open_orders_per_symbol")
    count = sum(tale.intent["symbol"] == intent["symbol"] for tale in open_orders) + 1
    if limit is not None and count > limit:
        found.append(f"is open order {count} of its symbol, max_open_orders_per_symbol is {limit}")
    return found


def _held(story: Story, place: Place) -> Decimal:
    held = story.held.get(place)
    return held.quantity if held is not None else Decimal(0)


def _exposure(
    story: Story, open_orders: list[Tale], unseen: _Unseen, intent: dict[str, Any], decided_us: int
) -> Decimal:
    """Base units that the side of the order may reach with it, over all exchanges; 0 for one that shrinks."""
    buy, symbol = intent["side"] == "buy", intent["symbol"]
    places = {tale.place for tale in open_orders} | set(story.held) | {(intent["exchange"], symbol)}
    total = Decimal(0)
    for place in sorted(places):
        if place[1] != symbol:
            continue
        bought, sold = unseen.of(place, decided_us)
        held = _held(story, place) - bought if buy else -(_held(story, place) - sold)
        worst = held + sum(tale.remaining for tale in open_orders if tale.place == place and tale.buy is buy)
        if place[0] == intent["exchange"]:
            worst += Decimal(intent["quantity"])
            if worst <= 0:
                return Decimal(0)
        total += max(Decimal(0), worst)
    return total


def _reduce_only(
    story: Story, open_orders: list[Tale], unseen: _Unseen, intent: dict[str, Any], decided_us: int
) -> list[str]:
    place, buy = (intent["exchange"], intent["symbol"]), intent["side"] == "buy"
    bought, sold = unseen.of(place, decided_us)
    held = _held(story, place)
    # What may be unseen could have been there to close: the position may have looked larger.
    room = -(held - bought) if buy else held - sold
    working = sum(
        tale.remaining
        for tale in open_orders
        if tale.place == place and tale.buy is buy and tale.intent.get("reduce_only")
    )
    asked = Decimal(intent["quantity"])
    done = unseen.of(place, decided_us, reckoned=True)
    if asked + working > room + (done[0] if buy else -done[1]):
        return [f"is reduce-only for {asked} beside {working}, the position is {held}"]
    return []
