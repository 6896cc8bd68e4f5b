"""How much a client may ask, counted as the exchanges count: fixed windows, then a throttle, then a ban."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Window:
    """`limit` units in each fixed window of `seconds`."""

    name: str
    limit: int
    seconds: int


@dataclass(frozen=True, kw_only=True)
class Over:
    """A limit was passed: which, whether it is a ban by now, and how long to wait."""

    window: Window
    banned: bool
    retry_after_seconds: int


@dataclass
class Meter:
    """The use of several windows by one client.

    Going on after a throttle leads to a ban that doubles each time.
    """

    windows: tuple[Window, ...]
    ban_seconds: int = 120
    patience: int = 10
    used: dict[str, int] = field(default_factory=dict)
    began: dict[str, int] = field(default_factory=dict)
    offences: int = 0
    banned_until_s: float = 0.0
    bans: int = 0
    throttles: int = 0

    def spend(self, now_s: float, units: dict[str, int]) -> Over | None:
        """Count a request; what it may not do, or None."""
        if now_s < self.banned_until_s:
            return Over(
                window=self.windows[0], banned=True, retry_after_seconds=int(self.banned_until_s - now_s) + 1
            )
        for window in self.windows:
            begin = int(now_s // window.seconds) * window.seconds
            if self.began.get(window.name) != begin:
                self.began[window.name], self.used[window.name] = begin, 0
                self.offences = 0 if window is self.windows[0] else self.offences
            self.used[window.name] += units.get(window.name, 0)
        for window in self.windows:
            if self.used[window.name] > window.limit and units.get(window.name, 0):
                return self._over(window, now_s)
        return None

    def _over(self, window: Window, now_s: float) -> Over:
        self.offences += 1
        self.throttles += 1
        if self.offences > self.patience:
            self.bans += 1
            self.banned_until_s = now_s + self.ban_seconds * 2 ** (self.bans - 1)
            return Over(window=window, banned=True, retry_after_seconds=int(self.banned_until_s - now_s))
        wait = self.began[window.name] + window.seconds - now_s
        return Over(window=window, banned=False, retry_after_seconds=int(wait) + 1)
