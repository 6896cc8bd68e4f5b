"""How fast an exchange may be called: GCRA budgets with priorities, a reserve, and what the exchange itself
counts.

The generic cell rate algorithm needs one integer a budget, the theoretical arrival time, and no timers: it
is exact, deterministic and survives a restart of the broker, because the tree hands the same budgets to
every life (and to every account behind the same egress address). Time is integer microseconds of the
monotonic clock.

Exchanges count in fixed windows, so a budget spends a small part of its window at once (`burst`) and the
rest evenly: burst + rate x window never exceeds the limit, wherever the exchange's window begins. Each
priority may fill the burst only up to its share; what lies above the share of entries is the reserve that
they can't use.
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum

import msgspec

from actors.broker.port import Usage

MICROSECONDS = 1_000_000


class Priority(IntEnum):
    """Who goes first; also who may use how much of the burst."""

    CANCEL = 0
    RECONCILE = 1
    ENTRY = 2
    MARKET = 3


SHARES: Mapping[Priority, float] = {
    Priority.CANCEL: 1.0,
    Priority.RECONCILE: 0.75,
    Priority.ENTRY: 0.5,
    Priority.MARKET: 0.25,
}


SLACK = 0.02
"""Which share of a limit the exchange may count more than we do before it is taken for the use of others."""


class BudgetSpec(msgspec.Struct, frozen=True, kw_only=True):
    """`limit` units in any `window_seconds`; `burst` is the share of the limit that may be spent at once.

    `by_address`: all accounts behind one address spend it together. `rolling`: the exchange tells what was
    used in the window that ends now, not in one that begins at a whole multiple of its length.
    """

    name: str
    limit: int
    window_seconds: float
    burst: float = 0.08
    by_address: bool = False
    rolling: bool = False


class Budget:
    """One counted budget of an exchange. Several brokers may share it."""

    def __init__(self, spec: BudgetSpec) -> None:
        self.name = spec.name
        self._burst_share = spec.burst
        self._arrival_us = 0
        self._wall_offset_us = 0
        self._rolling = spec.rolling
        self._window = -1
        self._own = self._own_before = 0
        self._shape(spec.limit, spec.window_seconds)

    def wait_us(self, now_us: int, units: int, priority: Priority) -> int:
        """How long until a call of this many units may go: 0 now. Spends nothing."""
        backlog = self._arrival_us - now_us
        backlog = max(backlog, 0)
        allowed = self._tolerance_us[priority]
        return max(0, backlog + min(units * self._interval_us, allowed) - allowed)

    def spend(self, now_us: int, units: int) -> None:
        """A call goes: count it, also against what the exchange will report for this window."""
        self._arrival_us = max(self._arrival_us, now_us) + units * self._interval_us
        self._enter_window(now_us)
        self._own += units

    def learn(self, now_us: int, wall_us: int, usage: Usage) -> None:
        """The exchange says how much of this window is used; what others used behind our address counts too.

        Its windows begin at whole multiples of their length on the wall clock, which says `wall_us` now; one
        that ends now lies within two of these.
        """
        self._wall_offset_us = wall_us - now_us
        if usage.limit is not None or usage.window_seconds is not None:
            self._shape(usage.limit or self.limit, usage.window_seconds or self.window_us / MICROSECONDS)
        self._enter_window(now_us)
        others = usage.used - self._own - self._own_before
        if others > self._slack:
            self._own += others
            self._arrival_us = max(self._arrival_us, now_us) + others * self._interval_us

    def _shape(self, limit: int, window_seconds: float) -> None:
        self.limit = limit
        self.window_us = round(window_seconds * MICROSECONDS)
        burst = max(1, round(limit * self._burst_share))
        evenly = max(1, limit - burst)
        # Calls on their way while a window ends are counted in another one here than there.
        self._slack = round(limit * SLACK)
        self._interval_us = -(-self.window_us // evenly)
        self._tolerance_us = {
            priority: max(self._interval_us, round(burst * share) * self._interval_us)
            for priority, share in SHARES.items()
        }

    def _enter_window(self, now_us: int) -> None:
        window = (now_us + self._wall_offset_us) // self.window_us
        if window != self._window:
            follows = self._rolling and window == self._window + 1
            self._own_before = self._own if follows else 0
            self._window, self._own = window, 0


class Egress:
    """What all accounts behind one address share at one exchange: budgets counted by address, and bans.

    The tree makes one for each exchange (as it counts, not by account) and gives it to every account's
    limiter.
    """

    def __init__(self, budgets: Sequence[Budget] = ()) -> None:
        self.budgets = tuple(budgets)
        self.blocked_until_us = 0

    def block(self, until_us: int) -> None:
        """The exchange has banned the address or asked for silence: nothing goes, not even a cancel."""
        self.blocked_until_us = max(self.blocked_until_us, until_us)


class Limiter:
    """All budgets of one exchange account: its own, and those of the address that it shares."""

    def __init__(self, budgets: Sequence[Budget] = (), egress: Egress | None = None) -> None:
        self._egress = egress or Egress()
        self._budgets = {budget.name: budget for budget in (*self._egress.budgets, *budgets)}

    @property
    def blocked_until_us(self) -> int:
        """Until then nothing goes at all."""
        return self._egress.blocked_until_us

    def wait_us(self, now_us: int, cost: Mapping[str, int], priority: Priority) -> int:
        """How long until a call of this cost may go: 0 now."""
        longest = max(0, self._egress.blocked_until_us - now_us)
        for name, units in cost.items():
            budget = self._budgets.get(name)
            if budget is not None:
                longest = max(longest, budget.wait_us(now_us, units, priority))
        return longest

    def spend(self, now_us: int, cost: Mapping[str, int]) -> None:
        """A call of this cost goes now."""
        for name, units in cost.items():
            budget = self._budgets.get(name)
            if budget is not None:
                budget.spend(now_us, units)

    def learn(self, now_us: int, wall_us: int, usage: Usage) -> None:
        """Take over what the exchange's own headers say; `wall_us` is the wall clock at `now_us`."""
        budget = self._budgets.get(usage.budget)
        if budget is not None:
            budget.learn(now_us, wall_us, usage)

    def block(self, until_us: int) -> None:
        """Honour a Retry-After or a ban, for every account behind the address."""
        self._egress.block(until_us)
