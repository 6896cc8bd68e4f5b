"""How often a cancel that the exchange refuses is asked for again, while trading is restricted. Pure.

What must go is looked at every second, and each refusal is two events of the journal. So an order is left
alone after a refusal, each time for twice as long. A person, or a planned end, need not wait for that.
"""

from collections.abc import Container

FIRST_SECONDS, LONGEST_SECONDS = 1.0, 60.0


class Patience:
    """By order how often in a row its cancel was refused, and until when it is left alone; of orders that
    work.
    """

    def __init__(self) -> None:
        self._refused: dict[str, tuple[int, float]] = {}

    def refused(self, order_id: str, now: float, working: Container[str]) -> None:
        """The exchange has refused the order's cancel."""
        times = self._refused.get(order_id, (0, 0.0))[0]
        pause = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(times, 10))
        self._refused = {each: kept for each, kept in self._refused.items() if each in working}
        self._refused[order_id] = (times + 1, now + pause)

    def is_over(self, order_id: str, now: float) -> bool:
        """Whether the order's cancel may be asked for now."""
        return now >= self._refused.get(order_id, (0, now))[1]
