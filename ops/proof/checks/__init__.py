"""What must hold after a run, read from journal records, the exchange's books and people's notes.

No checker uses the runtime's folds, ledgers or rules; where one has to know what an order or a position
is, it has a few lines of its own (`story`). The exception is the chain and the snapshot check, whose very
question is whether the runtime's own fold agrees with itself.
"""

from ops.proof.checks.agreement import agreement, live_agreement
from ops.proof.checks.found import Violation
from ops.proof.checks.killed import killed
from ops.proof.checks.limits import judged, limits
from ops.proof.checks.liveness import liveness
from ops.proof.checks.orders import orders
from ops.proof.checks.protection import protection
from ops.proof.checks.snapshots import snapshots
from ops.proof.checks.story import Story, tell
from ops.proof.checks.views import views
from ops.proof.world import World

__all__ = ["Violation", "check"]


def check(world: World) -> list[Violation]:
    """Everything that is wrong with a run, in the order of the invariants."""
    story = tell(world.disk.records)
    found: list[Violation] = []
    for one in (
        orders,
        agreement,
        limits,
        judged,
        protection,
        killed,
        snapshots,
        views,
        liveness,
        live_agreement,
    ):
        found.extend(one(world, story))
    return found


def story_of(world: World) -> Story:
    """The journal as the checkers understand it."""
    return tell(world.disk.records)
