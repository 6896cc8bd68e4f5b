"""What must happen sometimes, or the simulation proves less than it seems to.

A marker that stays at zero over many seeds means that a corner of the runtime is never entered.
"""

from collections import Counter
from typing import TYPE_CHECKING, Any

import trio

from actors.model.order import TRANSITIONS, Step, Submission
from ops.proof.checks.story import Story, Tale

if TYPE_CHECKING:
    from ops.proof.world import World

LOOK_SECONDS = 0.2

MARKERS = (
    "a process crashed",
    "a process was deposed",
    "the supervisor gave up",
    "a start from a snapshot",
    "an actor was restarted",
    "an order became unknown",
    "an unknown order was found",
    "an unknown order was proven absent",
    "an operator's verdict",
    "a fill after the end of its order",
    "an order was withdrawn unsent",
    "a cancel was refused",
    "a partial fill",
    "an order was amended in place",
    "an order was replaced",
    "a replacement was for less than the order",
    "an amend was refused",
    "an amend was denied by a limit",
    "an amend without an answer was settled",
    "a fill of what was replaced",
    "circuit open",
    "circuit half_open",
    "exchange reconnecting",
    "exchange reconciling",
    "exchange halted",
    "a kill was acknowledged",
    "a kill was not durable",
    "a kill while the runtime was not ready",
    "a kill across a crash",
    "positions were flattened",
    "a limit was breached and journaled",
    "a stop order executed",
    "a stop order was open across a crash",
    "a stop order was refused where none are held",
    "a position had no live stop for too long",
    "a client was told not now",
    "a client's request was answered twice with the same order",
    "a client lost its connection",
    "a watcher fell out of the ring",
    "a day began during the run",
    "an opening position was taken over",
    "a trade of another on the account",
)
"""In the order in which the report shows them."""

EVENTS = {
    Step.SENT: "OrderSubmitted",
    Step.ACKNOWLEDGED: "OrderAcknowledged",
    Step.REFUSED: "OrderRejected",
    Step.UNRESOLVED: "OrderUnresolved",
    Step.ABSENT: "OrderAbsent",
    Step.NOT_SENT: "OrderNotSent",
    Step.FILLED: "OrderFilled",
    Step.CANCEL_REQUESTED: "CancelRequested",
    Step.CANCEL_REFUSED: "CancelRefused",
    Step.CANCELED: "OrderCanceled",
    Step.EXPIRED: "OrderExpired",
    Step.AMENDED: "OrderAmended",
    Step.AMEND_REFUSED: "AmendRefused",
    Step.REPLACED: "OrderReplaced",
}
OVER = (Submission.REFUSED, Submission.ABSENT, Submission.NOT_SENT)
EDGES = tuple(
    f"{'over ' if submission in OVER else ''}{submission.value} + {EVENTS.get(step, step.value)}"
    for submission, step in TRANSITIONS
)
"""Every edge of the order table. Only the names come from there: a run's journal says which of them it took.
"""


async def look_around(world: "World") -> None:
    """Notice states that leave no trace in the journal; never returns."""
    while True:
        await trio.sleep(LOOK_SECONDS)
        process = world.process
        if process is not None:
            for state in process.runtime.broker_states.values():
                _note(world, f"circuit {state.circuit}")
                _note(world, f"exchange {state.state}")


def _note(world: "World", marker: str) -> None:
    if marker in MARKERS:
        world.markers[marker] += 1


def count_from(world: "World", story: Story) -> None:
    """Count what the notes and the journal show."""
    markers = world.markers
    markers["a process crashed"] += sum("crash" in ended.why for ended in world.ended)
    for kill in world.kills:
        markers["a kill was acknowledged"] += kill.durable
        markers["a kill was not durable"] += not kill.durable
        markers["a kill while the runtime was not ready"] += not kill.ready
        markers["a kill across a crash"] += any(
            kill.acknowledged is not None and 0 < ended.at - kill.acknowledged < 20.0
            for ended in world.ended
            if ended.number == kill.life
        )
    for call in world.calls:
        markers["a client was told not now"] += call.answer == "Refused"
        markers["a client's request was answered twice with the same order"] += call.answer == "Replayed"
        markers["a client lost its connection"] += call.life > 0 and not call.answer
    markers["a watcher fell out of the ring"] += sum(watcher.gaps for watcher in world.watchers)
    _from_journal(world, story)
    _from_stops(world, story)


def _from_journal(world: "World", story: Story) -> None:
    markers = world.markers
    ended: dict[str, str] = {}
    unknown: dict[str, None] = {}
    days = 0
    for entry in story.entries:
        kind, order_id = entry.kind, str(entry.body.get("order_id", ""))
        if kind == "OrderUnresolved":
            unknown[order_id] = None
            markers["an order became unknown"] += 1
        elif kind == "OrderAbsent":
            markers["an unknown order was proven absent"] += 1
        elif order_id in unknown and kind in ("OrderAcknowledged", "OrderFilled", "OrderCanceled"):
            del unknown[order_id]
            markers["an unknown order was found"] += 1
        _from_amends(markers, story, entry.kind, entry.body)
        if kind == "OrderNotSent":
            markers["an order was withdrawn unsent"] += 1
        elif kind == "CancelRefused":
            markers["a cancel was refused"] += 1
        elif kind == "LimitBreached":
            markers["a limit was breached and journaled"] += 1
        elif kind == "DayOpened":
            days += 1
        elif kind == "PositionAdjusted":
            opening = entry.body["cause"] == "opening"
            markers[
                "an opening position was taken over" if opening else "a trade of another on the account"
            ] += 1
        if kind in ("OrderCanceled", "OrderExpired"):
            ended[order_id] = kind
        elif kind == "OrderFilled":
            markers["a fill after the end of its order"] += order_id in ended
            markers["a partial fill"] += _is_partial(story.orders[order_id], entry.body["fill"]["quantity"])
    markers["a day began during the run"] += days > 1
    markers["positions were flattened"] += any(
        tale.intent.get("user") == "operator" and tale.executed for tale in story.orders.values()
    )


def _from_stops(world: "World", story: Story) -> None:
    """What stop orders came to."""
    markers = world.markers
    crashes = [world.plan.start_us + int(ended.at * 1e6) for ended in world.ended if "crash" in ended.why]
    stops: dict[str, int] = {}
    for entry in story.entries:
        body, order_id = entry.body, str(entry.body.get("order_id", ""))
        if entry.kind == "OrderAcknowledged":
            if story.orders[order_id].intent.get("stop_price") is not None:
                stops.setdefault(order_id, entry.at_us)
        elif entry.kind == "OrderFilled" and order_id in stops:
            markers["a stop order executed"] += 1
            markers["a stop order was open across a crash"] += any(
                stops[order_id] < crash_us < entry.at_us for crash_us in crashes
            )
        elif entry.kind == "OrderDenied":
            unsupported = body["code"] == "ORDER_TYPE_UNSUPPORTED"
            markers["a stop order was refused where none are held"] += unsupported
        elif entry.kind == "LimitBreached":
            markers["a position had no live stop for too long"] += body["code"] == "NO_LIVE_STOP"


def _from_amends(markers: Counter[str], story: Story, kind: str, body: dict[str, Any]) -> None:
    """What amends came to."""
    if kind == "OrderAmended":
        markers["an order was amended in place"] += 1
    elif kind == "OrderReplaced":
        markers["an order was replaced"] += 1
        tale = story.orders[body["order_id"]]
        markers["a replacement was for less than the order"] += bool(tale.executed)
    elif kind == "AmendDenied":
        markers["an amend was denied by a limit"] += 1
    elif kind == "AmendRefused":
        markers["an amend was refused"] += 1
        markers["an amend without an answer was settled"] += "under its old terms" in body["reason"] or (
            "has its old terms" in body["reason"]
        )
    elif kind == "OrderFilled":
        markers["a fill of what was replaced"] += bool(body.get("former"))


def _is_partial(tale: Tale, quantity: str) -> bool:
    return str(tale.quantity) != quantity
