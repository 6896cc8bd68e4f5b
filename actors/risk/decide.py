"""One decision: an order in, passed or denied out. Pure; it changes nothing.

Anything that can't be reckoned exactly is denied rather than rounded or raised: an order with numbers so
extreme that their product has more digits than exact money keeps is no order that a person meant.
"""

import decimal
from decimal import Decimal

import msgspec

from actors.model.order import OrderIntent
from actors.risk.case import Case
from actors.risk.checks.breach import Breach, Check
from actors.risk.limits import RiskLimits
from actors.risk.rules import active
from actors.risk.state import RiskState


class Passed(msgspec.Struct, frozen=True):
    """The order may go. `price` is what it reserves with, `shrinks` says that it can only shrink a position.

    `mark` and `references` are the prices that this rests on; they go into the journal with the order.
    """

    price: Decimal
    mark: Decimal
    references: tuple[tuple[str, str, Decimal], ...]
    shrinks: bool


class Decider:
    """The rules in force, worked out once for each change of limits."""

    def __init__(self) -> None:
        self._limits: RiskLimits | None = None
        self._checks: tuple[Check, ...] = ()
        self._amending: tuple[Check, ...] = ()
        self._raising: tuple[Check, ...] = ()

    def decide(
        self, state: RiskState, intent: OrderIntent, trading_state: str, killed: bool, now_us: int
    ) -> Passed | Breach:
        """Judge an order by every rule that is on. `now_us` is the wall clock in microseconds."""
        if state.limits is not self._limits:
            self._read(state.limits)
        return _decided(Case(state, intent, trading_state, killed, now_us), self._checks)

    def decide_amend(
        self,
        state: RiskState,
        intent: OrderIntent,
        trading_state: str,
        killed: bool,
        now_us: int,
        *,
        raises: bool,
    ) -> Passed | Breach:
        """Judge what an order is to become; `raises` says that its new terms bind more than the old ones."""
        if state.limits is not self._limits:
            self._read(state.limits)
        checks = self._raising if raises else self._amending
        return _decided(Case(state, intent, trading_state, killed, now_us), checks)

    def _read(self, limits: RiskLimits) -> None:
        self._limits = limits
        self._checks = active(limits)
        self._amending = active(limits, amends=("always",))
        self._raising = active(limits, amends=("always", "raising"))


def _decided(case: Case, checks: tuple[Check, ...]) -> Passed | Breach:
    try:
        for check in checks:
            breach = check(case)
            if breach is not None:
                return breach
        return Passed(case.price, case.mark, case.state.valuation.references(*case.place), case.shrinks)
    except (decimal.Inexact, decimal.Overflow, decimal.InvalidOperation) as error:
        return Breach("ORDER_SIZE", f"its numbers can't be reckoned exactly ({type(error).__name__})")
