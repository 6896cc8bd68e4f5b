"""Supervision at the depth of Erlang/OTP, for actors of `actors.kernel`. Knows no trading.

spec = SupervisorSpec(id="app", strategy="rest_for_one", children=(
    ChildSpec(id="journal", address="journal", start=lambda: JournalActor(store)),
    SupervisorSpec(id="exchanges", children=(...)),
))
async with open_tree(System(), spec) as tree:
    await tree.gave_up.wait()
"""

from supervisors.otp.errors import (
    ChildNotStarted,
    ChildRunning,
    DuplicateChild,
    GaveUp,
    SupervisionError,
    UnknownChild,
)
from supervisors.otp.handle import Supervisor, open_tree, run_tree
from supervisors.otp.intensity import RestartWindow
from supervisors.otp.snapshot import TreeNode, format_tree, take_snapshot
from supervisors.otp.spec import Backoff, ChildSpec, Spec, SpecError, SupervisorSpec
from supervisors.otp.supervisor import SupervisorActor
from supervisors.otp.watchdog import Blockage, Sentry, Watchdog

__all__ = [
    "Backoff",
    "Blockage",
    "ChildNotStarted",
    "ChildRunning",
    "ChildSpec",
    "DuplicateChild",
    "GaveUp",
    "RestartWindow",
    "Sentry",
    "Spec",
    "SpecError",
    "SupervisionError",
    "Supervisor",
    "SupervisorActor",
    "SupervisorSpec",
    "TreeNode",
    "UnknownChild",
    "Watchdog",
    "format_tree",
    "open_tree",
    "run_tree",
    "take_snapshot",
]
