"""I6: after an acknowledged kill nothing that opens leaves, whatever crashes, until a resume is asked for."""

from ops.proof.checks.found import Violation
from ops.proof.checks.story import Story
from ops.proof.people import KillNote
from ops.proof.wire import Amended, Submitted, is_foreign
from ops.proof.world import World

SWEPT_WITHIN = 30.0


def killed(world: World, story: Story) -> list[Violation]:
    """Check every kill against every submit."""
    found: list[Violation] = []
    for kill in world.kills:
        until = _lifted(world, kill)
        found.extend(
            Violation("I6", f"kill {kill.kill_id} does not list {order_id}, which was leaving")
            for order_id in kill.sending
            if order_id not in kill.in_flight
        )
        found.extend(
            Violation(
                "I6",
                f"order {submit.order_id} left at {submit.began:.3f}, kill {kill.kill_id} was"
                f" acknowledged at {kill.acknowledged:.3f} and in force until {until:.3f}",
            )
            for submit in _sent(world)
            if _forbidden(world, kill, submit, until) and not _is_exit(story, submit)
        )
        if until >= world.plan.seconds:
            found.extend(_swept(world, story, kill))
    return found


def _sent(world: World) -> list[Submitted | Amended]:
    return [*world.submits, *world.amends]


def _lifted(world: World, kill: KillNote) -> float:
    """The first moment from which the kill may be lifted."""
    for resume in world.resumes:
        done = resume.answered if resume.answered is not None else _end_of(world, resume.life)
        if done > kill.began and (resume.answered is None or kill.kill_id in resume.kill_ids):
            return resume.asked
    return world.plan.seconds


def _end_of(world: World, life: int) -> float:
    return next((ended.at for ended in world.ended if ended.number == life), world.plan.seconds)


def _forbidden(world: World, kill: KillNote, submit: Submitted | Amended, until: float) -> bool:
    if kill.acknowledged is None or not kill.acknowledged < submit.began < until:
        return False
    if submit.life < kill.life:
        # An older process that does not know yet that it is deposed: see what is not covered.
        return False
    if submit.life != kill.life and not kill.durable:
        return False
    order = world.disk.orders.get(submit.order_id)
    symbol = order.intent.symbol if order is not None else None
    return kill.exchange in (None, submit.exchange) and kill.symbol in (None, symbol)


def _is_exit(story: Story, submit: Submitted | Amended) -> bool:
    tale = story.orders.get(submit.order_id)
    return tale is not None and bool(tale.intent.get("reduce_only"))


def _swept(world: World, story: Story, kill: KillNote) -> list[Violation]:
    """A kill that stays has emptied the exchanges by the end. What only closes may be placed after it, unless
    it closes everything itself.
    """
    if kill.acknowledged is None or world.plan.seconds - kill.acknowledged < SWEPT_WITHIN:
        return []
    found = []
    for venue in world.venues.values():
        for item in venue.listed.values():
            tale = story.by_venue_id.get(item.venue_id)
            if item.status != "open" or is_foreign(item.venue_id) or tale is None:
                continue
            before = item.taken_at < kill.began or kill.level == "flatten"
            if kill.level != "halt" and (before or not tale.intent.get("reduce_only")):
                found.append(
                    Violation("I6", f"{venue.name} still has {tale.order_id} after kill {kill.kill_id}")
                )
    return found
