"""A circuit breaker: when an exchange stops answering, stop asking, and try again with a few calls only.

It opens on the ratio of failed or slow calls in a time window, once there are enough calls to tell, and at
once on a run of calls that all failed: after a busy healthy minute a ratio alone would need hundreds of
failures. A call that has not answered within the slow time counts as bad while it still hangs, so that
time-outs of ten seconds don't delay the verdict by ten seconds. A refusal by the exchange's rules is a
healthy answer, and so is "too many requests".

Pure: times are monotonic seconds from the caller.
"""

from collections import deque
from enum import StrEnum

import msgspec


class Circuit(StrEnum):
    """closed: calls go; open: none goes; half_open: a fixed number of trial calls goes."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class BreakerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Times in seconds. `run` failed or hanging calls with no success between them open at once."""

    window: float = 10.0
    minimum_calls: int = 5
    bad_ratio: float = 0.5
    slow_after: float = 1.0
    run: int = 8
    open_for: float = 5.0
    trial_calls: int = 3


class Permit:
    """One call that was let through; give it back with `done`."""

    __slots__ = ("era", "started", "trial")

    def __init__(self, started: float, era: int, trial: bool) -> None:
        self.started = started
        self.era = era
        self.trial = trial


class Breaker:
    """Ask `permit` before each call and tell `done` after it; `circuit` is the state at a moment."""

    def __init__(self, settings: BreakerSettings) -> None:
        self.settings = settings
        self._circuit = Circuit.CLOSED
        self._era = 0
        self._opened_at = 0.0
        self._outcomes: deque[tuple[float, bool]] = deque()
        self._bad = 0
        self._run = 0
        self._last_good = float("-inf")
        self._hanging: dict[Permit, None] = {}
        self._trials_good = 0
        self._others = (0, 0)

    def circuit(self, now: float) -> Circuit:
        """The state now: an open circuit becomes half-open by time, a closed one opens when calls hang."""
        if self._circuit is Circuit.OPEN and now >= self._opened_at + self.settings.open_for:
            self._enter(Circuit.HALF_OPEN, now)
        elif self._hanging and self._circuit is not Circuit.OPEN:
            oldest = next(iter(self._hanging))
            if now - oldest.started > self.settings.slow_after:
                self._judge(now)
        return self._circuit

    @property
    def retry_at(self) -> float:
        """When an open circuit lets trial calls through."""
        return self._opened_at + self.settings.open_for

    def permit(self, now: float) -> Permit | None:
        """Leave to make one call, or None while the circuit is open or all trial calls are out."""
        circuit = self.circuit(now)
        if circuit is Circuit.OPEN:
            return None
        trial = circuit is Circuit.HALF_OPEN
        if trial and len(self._hanging) + self._trials_good >= self.settings.trial_calls:
            return None
        permit = Permit(now, self._era, trial)
        self._hanging[permit] = None
        return permit

    def done(self, permit: Permit, now: float, good: bool) -> None:
        """The call is over. A call begun before the circuit last changed says nothing about now."""
        self._hanging.pop(permit, None)
        if permit.era != self._era:
            return
        slow = now - permit.started > self.settings.slow_after
        if permit.trial:
            self._trial_done(good and not slow, now)
            return
        bad = slow or not good
        self._outcomes.append((now, bad))
        self._bad += bad
        self._drop_old(now)
        if good:
            self._run, self._last_good = 0, max(self._last_good, permit.started)
        else:
            self._run += 1
        if bad:
            self._judge(now)

    def release(self, permit: Permit) -> None:
        """The call was not made after all, or nobody waits for it any more: it counts for nothing."""
        self._hanging.pop(permit, None)

    def trip(self, now: float) -> None:
        """Open at once: the caller knows by other means that the line is down."""
        if self.circuit(now) is not Circuit.OPEN:
            self._enter(Circuit.OPEN, now)

    # What other processes see of the same exchange.

    def tally(self, now: float) -> tuple[int, int, float]:
        """Calls and bad ones of the window, and the seconds that the circuit stays open (0: it is not)."""
        open_for = self.retry_at - now if self.circuit(now) is Circuit.OPEN else 0.0
        self._drop_old(now)
        return len(self._outcomes), self._bad, open_for

    def hear(self, calls: int, bad: int) -> None:
        """What others counted in their windows: it weighs in when a call of our own goes bad, not before."""
        self._others = (calls, bad)

    def rest(self, now: float, seconds: float) -> None:
        """Another one lets the exchange rest for that long: so do we, but never longer than by ourselves."""
        opened_at = now + min(seconds, self.settings.open_for) - self.settings.open_for
        if seconds <= 0:
            return
        if self.circuit(now) is not Circuit.OPEN:
            self._enter(Circuit.OPEN, opened_at)
        self._opened_at = max(self._opened_at, opened_at)

    def _trial_done(self, good: bool, now: float) -> None:
        if not good:
            self._enter(Circuit.OPEN, now)
            return
        self._trials_good += 1
        if self._trials_good >= self.settings.trial_calls:
            self._enter(Circuit.CLOSED, now)

    def _judge(self, now: float) -> None:
        slow_before = now - self.settings.slow_after
        hanging = sum(1 for permit in self._hanging if permit.started < slow_before)
        if self._circuit is Circuit.HALF_OPEN:
            if hanging:
                self._enter(Circuit.OPEN, now)
            return
        self._drop_old(now)
        # A call that began later and was answered shows that the line itself is alive.
        unanswered = sum(
            1
            for permit in self._hanging
            if permit.started < slow_before and permit.started >= self._last_good
        )
        calls = len(self._outcomes) + hanging + self._others[0]
        bad = self._bad + hanging + self._others[1]
        by_ratio = calls >= self.settings.minimum_calls and bad >= self.settings.bad_ratio * calls
        if by_ratio or self._run + unanswered >= self.settings.run:
            self._enter(Circuit.OPEN, now)

    def _drop_old(self, now: float) -> None:
        oldest = now - self.settings.window
        while self._outcomes and self._outcomes[0][0] < oldest:
            self._bad -= self._outcomes.popleft()[1]

    def _enter(self, circuit: Circuit, now: float) -> None:
        self._circuit = circuit
        self._era += 1
        self._outcomes.clear()
        self._hanging.clear()
        self._bad = self._run = self._trials_good = 0
        if circuit is Circuit.OPEN:
            self._opened_at = now
