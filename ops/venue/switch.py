"""Dead-man's switches: orders are cancelled unless their owner keeps renewing a countdown.

The countdowns are looked at by `expire`, which the venue's clock task calls; nothing here waits.
"""

from ops.venue.accounts import Account
from ops.venue.exchange import VenueExchange


class DeadManSwitches:
    """Countdowns by account and market."""

    def __init__(self, exchange: VenueExchange) -> None:
        self._exchange = exchange
        self._due_us: dict[tuple[str, str], int] = {}

    def arm(self, account: Account, market_id: str, seconds: float) -> None:
        """Start or renew; zero seconds disarm."""
        if seconds <= 0:
            self._due_us.pop((account.api_key, market_id), None)
        else:
            self._due_us[account.api_key, market_id] = self._exchange.clock.now_us() + int(seconds * 1e6)

    def expire(self) -> int:
        """Cancel the orders whose countdown has run out; how many."""
        now_us, cancelled = self._exchange.clock.now_us(), 0
        for (api_key, market_id), due_us in list(self._due_us.items()):
            if due_us > now_us:
                continue
            del self._due_us[api_key, market_id]
            account = self._exchange.accounts[api_key]
            for order in self._exchange.orders_of(account, market_id, only_open=True):
                self._exchange.cancel(order)
                cancelled += 1
        return cancelled
