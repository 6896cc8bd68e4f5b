"""The venue's own clock. It can be wrong on purpose."""

import time


class VenueClock:
    """Wall clock plus a skew in microseconds that the control API sets."""

    def __init__(self) -> None:
        self.skew_us = 0

    def now_us(self) -> int:
        """Microseconds since 1970 UTC, as the venue believes."""
        return time.time_ns() // 1000 + self.skew_us

    def now_ms(self) -> int:
        """Milliseconds since 1970 UTC."""
        return self.now_us() // 1000
