"""What clients saw: their own writes, never less than before, and a feed that shows the journal in order."""

from ops.proof.checks.found import Violation
from ops.proof.checks.story import Story
from ops.proof.people import Call
from ops.proof.world import World

TAKEN = ("Placed", "Pending", "Replayed")


def views(world: World, _story: Story) -> list[Violation]:
    """Check every client's notes and every watcher's feed."""
    found: list[Violation] = []
    for number in range(world.plan.clients):
        found.extend(_client([call for call in world.calls if call.client == number]))
    for watcher in world.watchers:
        found.extend(_feed(world, watcher.number, watcher.seen))
    return found


def _client(calls: list[Call]) -> list[Violation]:
    found: list[Violation] = []
    written: dict[str, float] = {}
    head: dict[int, int] = {}
    executed: dict[str, object] = {}
    for call in sorted(
        (call for call in calls if call.over is not None), key=lambda call: (call.over or 0.0, call.head)
    ):
        # Calls of one client may overlap; what is compared began after the other was answered.
        if call.head < head.get(call.life, 0):
            found.append(Violation("view", f"{call.what} {call.request}: the head went back to {call.head}"))
        head[call.life] = call.head
        if (
            call.what == "look"
            and call.answer == "NoneType"
            and written.get(call.order_id, 1e9) <= call.began
        ):
            found.append(Violation("view", f"order {call.order_id} was written and is not found"))
        if call.order is not None:
            before = executed.get(call.order_id)
            if before is not None and before[0] <= call.began and call.order.executed < before[1]:  # type: ignore[index]
                found.append(Violation("view", f"order {call.order_id} executed less than before"))
            executed[call.order_id] = (call.over, call.order.executed)
            if call.what == "place" and call.answer in TAKEN:
                written.setdefault(call.order_id, call.over or 0.0)
        if (
            call.what == "cancel"
            and call.answer == "NoSuchOrder"
            and written.get(call.order_id, 1e9) <= call.began
        ):
            found.append(Violation("view", f"order {call.order_id} was written and can't be found to cancel"))
    return found


def _feed(world: World, number: int, seen: list[tuple[int, bytes]]) -> list[Violation]:
    records = world.disk.records
    for index, (seq, digest) in enumerate(seen):
        if seq != index + 1:
            return [Violation("view", f"watcher {number} was shown {seq} after {index}")]
        if seq > len(records) or records[seq - 1].hash != digest:
            return [
                Violation("view", f"watcher {number} was shown a record {seq} that the journal does not have")
            ]
    return []
