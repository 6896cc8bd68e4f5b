"""Where a live stop is asked for behind each position, a position without one does not stay free to grow.

Looked at is the end, when nothing has gone wrong for a minute: a place that has been bare for longer than the
limit, also since a person last resumed, is reducing, halted or killed. A position that may be worth less than
the least order is left out: nobody could place a stop for it.
"""

from collections.abc import Iterator
from decimal import Decimal

from actors.broker.adapters.instruments import LOT, MIN_NOTIONAL
from ops.proof.checks.found import Violation
from ops.proof.checks.story import Entry, Story, step
from ops.proof.world import World

LATE_SECONDS = 8.0
"""How much longer than the limit it may take until it is noticed and journaled."""

WORTHY = 2 * MIN_NOTIONAL
"""What is worth as much by the last order's price is worth an order by any price that may have come since."""

Place = tuple[str, str]
Scope = tuple[str | None, str | None]


class _Trading:
    """Where trading is restricted, as the journal tells it, and when a person last lifted something."""

    def __init__(self) -> None:
        self._states: dict[Scope, str] = {}
        self._kills: dict[str, Scope] = {}
        self.resumed_us = 0

    def hear(self, entry: Entry) -> None:
        body = entry.body
        if entry.kind == "TradingStateChanged":
            self._states[body["exchange"], body["symbol"]] = body["new"]
            if body["cause"].startswith("resumed by"):
                self.resumed_us = entry.at_us
        elif entry.kind == "KillEngaged":
            self._kills[body["kill_id"]] = (body["exchange"], body["symbol"])
        elif entry.kind == "TradingResumed":
            self.resumed_us = entry.at_us
            for kill_id in body["kill_ids"]:
                self._kills.pop(kill_id, None)

    def is_free(self, place: Place) -> bool:
        restricted = {scope for scope, state in self._states.items() if state != "active"}
        restricted |= set(self._kills.values())
        return not restricted & {place, (place[0], None), (None, place[1]), (None, None)}


def protection(world: World, story: Story) -> list[Violation]:
    """Check how the run ended."""
    plan = world.plan
    limit = plan.limits.get("max_seconds_without_stop")
    if limit is None or any(fault.kind == "own_clock_jump" for fault in plan.faults):
        return []
    so_far = Story(entries=[], orders={}, by_venue_id={}, by_request={}, held={}, trades={}, problems=[])
    trading, bare_since, marks = _Trading(), dict[Place, int](), dict[Place, Decimal]()
    for entry in story.entries:
        step(so_far, entry)
        trading.hear(entry)
        if entry.kind == "OrderAccepted":
            intent = entry.body["intent"]
            marks[intent["exchange"], intent["symbol"]] = Decimal(entry.body["mark"])
        bare_since = {place: bare_since.get(place, entry.at_us) for place in _bare(so_far)}
    calm_us = plan.start_us + int(plan.calm_from * 1_000_000)
    end_us = plan.start_us + int(plan.seconds * 1_000_000)
    limit_us, late_us = int(limit) * 1_000_000, int(LATE_SECONDS * 1_000_000)
    return [
        Violation("I5", f"{place} has been {so_far.held[place].quantity} without a live stop, and is active")
        for place, since_us in bare_since.items()
        if max(since_us, calm_us, trading.resumed_us) + limit_us + late_us < end_us
        and trading.is_free(place)
        and abs(so_far.held[place].quantity) * marks.get(place, Decimal("Infinity")) >= WORTHY
    ]


def _bare(story: Story) -> Iterator[Place]:
    """The places whose position is larger than the stops that the exchange has and nobody wants back."""
    for place, held in story.held.items():
        left = abs(held.quantity)
        for tale in story.orders.values() if left else ():
            is_live = tale.acknowledged and not (tale.unknown or tale.end or tale.cancelling)
            if is_live and tale.place == place and tale.intent["type"] == "stop":
                left -= tale.remaining if tale.buy is (held.quantity < 0) else Decimal(0)
        if left >= LOT:
            yield place
