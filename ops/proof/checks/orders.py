"""I1, I2 and I8: what was promised is in the journal, and what left was in it before, once."""

from ops.proof.checks.found import Violation
from ops.proof.checks.story import Story
from ops.proof.people import Call
from ops.proof.wire import is_foreign
from ops.proof.world import World

REPLACE_US = 2_000_000
TAKEN = ("Placed", "Pending", "Replayed")


def orders(world: World, story: Story) -> list[Violation]:
    """Check the orders' way in and out."""
    found = [Violation("journal", problem) for problem in story.problems]
    found.extend(_answers(world, story))
    found.extend(_refused_stays_home(world, story))
    found.extend(_once(world, story))
    found.extend(_in_time(world, story))
    found.extend(_verdicts(world, story))
    found.extend(_replacements(world, story))
    found.extend(_one_amend_a_key(story))
    found.extend(
        Violation("I8", f"an amend of {amend.order_id} left at {amend.began:.3f} before it was durable")
        for amend in world.amends
        if not amend.durable
    )
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
    before = {}
    for entry in story.entries:
        if entry.kind == "OrderAccepted":
            before[entry.body["intent"]["venue_id"]] = entry.body["send_before_us"]
        elif entry.kind == "OrderReplaced":
            before[entry.body["venue_id"]] = entry.at_us + REPLACE_US
    found = []
    for submit in world.submits:
        left_us = world.plan.start_us + int(submit.began * 1_000_000)
        if left_us > before.get(submit.venue_id, left_us):
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
        unsent = str(entry.body.get("reason", "")).startswith("its replacement was not sent")
        if not unsent and entry.kind not in ("OrderNotSent", "OrderRejected", "OrderAbsent"):
            continue
        tale = story.orders.get(entry.body["order_id"])
        by_a_person = str(entry.body.get("proof", "")).startswith("verdict of")
        if tale is not None and tale.venue_id_at(entry.seq) in taken - lied and not by_a_person:
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
        if taken.intersection(tale.venue_ids)
    ]


def _replacements(world: World, story: Story) -> list[Violation]:
    """A replacement comes after the end of what it replaces, and for what remains of the order."""
    found = []
    listed = {item.venue_id: item for venue in world.venues.values() for item in venue.listed.values()}
    for tale in story.orders.values():
        for step in tale.replaced:
            old, new = listed.get(step.old), listed.get(step.new)
            if new is None:
                continue
            if old is None or old.over_at is None or old.over_at > new.taken_at:
                found.append(
                    Violation("I2", f"{step.seq}: {step.new} was taken before the end of {step.old}")
                )
            if new.asked != step.rest:
                found.append(
                    Violation("I2", f"{step.seq}: {step.new} was for {new.asked}, {step.rest} remained")
                )
    return found


def _one_amend_a_key(story: Story) -> list[Violation]:
    """A request that comes again is never done again."""
    seen: dict[tuple[str, str, str], int] = {}
    found = []
    for entry in story.entries:
        asked = entry.body.get("asked")
        if asked is None or asked["idempotency_key"] is None:
            continue
        key = (entry.body["order_id"], asked["token_id"], asked["idempotency_key"])
        if key in seen:
            found.append(Violation("I1", f"{entry.seq}: amend {key} was accepted before, at {seen[key]}"))
        seen[key] = entry.seq
    return found


def _once(world: World, story: Story) -> list[Violation]:
    found = []
    for venue in world.venues.values():
        taken: dict[str, int] = {}
        for item in venue.listed.values():
            if is_foreign(item.venue_id):
                continue
            tale = story.by_venue_id.get(item.venue_id)
            if tale is None:
                found.append(Violation("I8", f"{venue.name} has {item.venue_id}, unknown to the journal"))
                continue
            taken[item.venue_id] = taken.get(item.venue_id, 0) + 1
        for venue_id, count in taken.items():
            if count > 1:
                request = story.by_venue_id[venue_id].intent["client_order_id"]
                found.append(Violation("I2", f"{venue.name} took {count} orders for {request} as {venue_id}"))
    return found
