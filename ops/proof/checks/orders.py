"""I1, I2 and I8: what was promised is in the journal, and what left was in it before, once."""

from ops.proof.checks.found import Violation
from ops.proof.checks.story import Story
from ops.proof.people import Call
from ops.proof.wire import is_foreign
from ops.proof.world import World

TAKEN = ("Placed", "Pending", "Replayed")


def orders(world: World, story: Story) -> list[Violation]:
    """Check the orders' way in and out."""
    found = [Violation("journal", problem) for problem in story.problems]
    found.extend(_answers(world, story))
    found.extend(_refused_stays_home(world, story))
    found.extend(_once(world, story))
    found.extend(_in_time(world, story))
    found.extend(_verdicts(world, story))
    found.extend(
        Violation("I8", f"order {submit.order_id} left at {submit.began:.3f} before it was durable")
        for submit in world.submits
        if not submit.durable
    )
    return found


def _in_time(world: World, story: Story) -> list[Violation]:
    """Nothing leaves after the time that its acceptance names, where the process's clock was right."""
    if any(fault.kind == "own_clock_jump" for fault in world.plan.faults):
        return []
    before = {
        entry.body["intent"]["order_id"]: entry.body["send_before_us"]
        for entry in story.entries
        if entry.kind == "OrderAccepted"
    }
    found = []
    for submit in world.submits:
        left_us = world.plan.start_us + int(submit.began * 1_000_000)
        if left_us > before.get(submit.order_id, left_us):
            found.append(Violation("I8", f"order {submit.order_id} left at {submit.began:.3f}, too late"))
    return found


def _verdicts(world: World, story: Story) -> list[Violation]:
    """What is called unsent, refused or absent was never taken; a person's verdict may err, and so does one
    that rests on an exchange's lie.
    """
    taken = {item.venue_id for venue in world.venues.values() for item in venue.listed.values()}
    lied = {venue_id for venue in world.venues.values() for venue_id in venue.lied}
    found = []
    for entry in story.entries:
        if entry.kind not in ("OrderNotSent", "OrderRejected", "OrderAbsent"):
            continue
        tale = story.orders.get(entry.body["order_id"])
        by_a_person = str(entry.body.get("proof", "")).startswith("verdict of")
        if tale is not None and tale.venue_id in taken - lied and not by_a_person:
            found.append(Violation("I2", f"{entry.seq}: {entry.kind} of {tale.order_id}, which was taken"))
    return found


def _answers(world: World, story: Story) -> list[Violation]:
    found = []
    for call in world.calls:
        if call.what == "place" and call.answer in TAKEN and call.order_id not in story.orders:
            found.append(Violation("I1", f"{call.request} was answered {call.answer}, not in the journal"))
        if call.answer == "Error":
            found.append(Violation("view", f"{call.what} {call.request} raised {call.code}"))
    return found


def _refused_stays_home(world: World, story: Story) -> list[Violation]:
    """A request of which every try was refused never reaches an exchange."""
    tries: dict[str, list[Call]] = {}
    for call in world.calls:
        if call.what == "place":
            tries.setdefault(call.request, []).append(call)
    taken = {item.venue_id for venue in world.venues.values() for item in venue.listed.values()}
    return [
        Violation("I1", f"{request} was refused every time, yet an exchange has it as {tale.venue_id}")
        for request, calls in tries.items()
        if all(call.answer == "Refused" for call in calls)
        for tale in story.by_request.get(request, ())
        if tale.venue_id in taken
    ]


def _once(world: World, story: Story) -> list[Violation]:
    found = []
    for venue in world.venues.values():
        requests: dict[str, int] = {}
        for item in venue.listed.values():
            if is_foreign(item.venue_id):
                continue
            tale = story.by_venue_id.get(item.venue_id)
            if tale is None:
                found.append(Violation("I8", f"{venue.name} has {item.venue_id}, unknown to the journal"))
                continue
            request = tale.intent["client_order_id"]
            requests[request] = requests.get(request, 0) + 1
        for request, count in requests.items():
            if count > 1:
                found.append(Violation("I2", f"{venue.name} took {count} orders for {request}"))
    return found
