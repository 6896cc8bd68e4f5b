"""Which exchanges are guarded, and whose time is up. Pure; times are monotonic seconds from the caller.

The clock is the watchdog's own, so a runtime that hangs, dies or has its clock set can't keep it waiting. A
watchdog that was restarted does not know how long the silence already lasted: it gives each exchange that was
guarded its whole time again, and then acts.
"""

from collections.abc import Mapping


class Countdowns:
    """By exchange. `before` are those that a former process guarded, with their seconds."""

    def __init__(self, now: float, before: Mapping[str, float]) -> None:
        self._seconds = dict(before)
        self._due = {name: now + seconds for name, seconds in before.items()}
        self._fired: dict[str, None] = {}

    @property
    def guarded(self) -> dict[str, float]:
        """The exchanges that are guarded, and for how long they may be silent."""
        return dict(self._seconds)

    def arm(self, name: str, seconds: float, now: float) -> bool:
        """Begin or renew; whether what is guarded has changed."""
        changed = self._seconds.get(name) != seconds
        self._seconds[name], self._due[name] = seconds, now + seconds
        self._fired.pop(name, None)
        return changed

    def disarm(self, name: str) -> bool:
        """Guard it no more; whether what is guarded has changed."""
        self._due.pop(name, None)
        self._fired.pop(name, None)
        return self._seconds.pop(name, None) is not None

    def due(self, now: float) -> list[str]:
        """The exchanges whose time is up and that nobody knows of yet."""
        found = [name for name, due in self._due.items() if due <= now and name not in self._fired]
        self._fired.update(dict.fromkeys(found))
        return found

    def has_fired(self, name: str) -> bool:
        """Whether its orders have to go: until it is armed again or disarmed."""
        return name in self._fired
