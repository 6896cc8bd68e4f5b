"""From a plan that fails to a plan that still fails with as few faults as possible."""

from collections.abc import Callable

import msgspec

from ops.proof.plan import Fault, Plan
from ops.proof.play import play


def shrink(plan: Plan, say: Callable[[str], None], attempts: int = 80) -> Plan:
    """Leave faults out, large parts first, as long as the same rule stays violated."""
    rules = {violation.rule for violation in play(plan)[1].violations}
    if not rules:
        say("nothing is violated: there is nothing to shrink")
        return plan
    size = max(1, len(plan.faults) // 2)
    while size and attempts:
        smaller = None
        for first in range(0, len(plan.faults), size):
            attempts -= 1
            candidate = _with(plan, plan.faults[:first] + plan.faults[first + size :])
            if rules & {violation.rule for violation in play(candidate)[1].violations}:
                smaller = candidate
                break
            if not attempts:
                break
        if smaller is None:
            size //= 2
        else:
            plan = smaller
            say(f"{len(plan.faults)} faults are enough")
            size = min(size, max(1, len(plan.faults) // 2))
    return plan


def _with(plan: Plan, faults: tuple[Fault, ...]) -> Plan:
    return msgspec.structs.replace(plan, faults=faults)
