"""Once nothing goes wrong any more, everything comes to rest: within a minute, without a person's help."""

from ops.proof.checks.found import Violation
from ops.proof.checks.story import Story
from ops.proof.world import World


def liveness(world: World, story: Story) -> list[Violation]:
    """Look at where the last process stood at the end."""
    found: list[Violation] = []
    last = world.last
    if world.stopped:
        return [Violation("live", world.incidents[-1])]
    if last is None:
        return [Violation("live", "no process answers at the end")]
    found.extend(Violation("live", f"not ready: {what}") for what in last.not_ready)
    found.extend(Violation("live", f"{count} messages wait at {address}") for address, count in last.waiting)
    if last.lives_alive != 1:
        found.append(Violation("live", f"{last.lives_alive} processes live at the end"))
    for tale in story.orders.values():
        if tale.end or tale.denied:
            continue
        if tale.pending is not None and tale.intent["exchange"] not in world.plan.no_proof_of_absence:
            found.append(Violation("live", f"an amend of order {tale.order_id} is still pending"))
        if not tale.acknowledged or tale.unknown:
            waits = tale.intent["exchange"] in world.plan.no_proof_of_absence and tale.unknown
            if not waits:
                found.append(Violation("live", f"order {tale.order_id} is neither final nor resting"))
    found.extend(
        Violation("live", f"{call.what} {call.request} was never answered")
        for call in world.calls
        if call.over is None and not call.answer and call.began > world.plan.calm_from and call.client >= 0
    )
    newest = len(world.disk.records)
    found.extend(
        Violation("live", f"watcher {watcher.number} is not at the newest record {newest}")
        for watcher in world.watchers
        if (watcher.seen[-1][0] if watcher.seen else 0) != newest
    )
    return found
