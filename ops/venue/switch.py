"""Dead-man's switches: orders are cancelled unless their owner keeps renewing a countdown.

Countdowns, and Bybit's kind, which hangs on private connections. Both are looked at by `expire`, which the
venue's clock task calls; nothing here waits.
"""

from collections.abc import Callable, Mapping

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


class Disconnections:
    """Bybit's DCP: orders of a product go when all connections that held its topic are gone for too long.

    A topic that was given up before the connection ended fires nothing. That the real exchange has it so is
    its documentation's word only.
    """

    TOPICS: Mapping[str, str] = {"dcp.spot": "spot", "dcp.future": "linear"}

    def __init__(self, exchanges: Mapping[str, VenueExchange]) -> None:
        self._exchanges = exchanges
        self._last_us: dict[tuple[str, str], int] = {}

    def hold(self, owner: str, topic: str) -> None:
        """A connection of the account holds the topic from now on."""
        self._last_us[owner, topic] = self._now_us(topic)

    def give_up(self, owner: str, topic: str) -> None:
        """The account wants the protection no more."""
        self._last_us.pop((owner, topic), None)

    def expire(self, is_held: Callable[[str, str], bool]) -> int:
        """Cancel the orders of those whose connections are gone for too long; how many."""
        cancelled = 0
        for (owner, topic), last_us in list(self._last_us.items()):
            exchange, now_us = self._exchanges[self.TOPICS[topic]], self._now_us(topic)
            account = exchange.accounts.get(owner)
            if is_held(owner, topic):
                self._last_us[owner, topic] = now_us
            elif account is not None and account.dcp_enabled:
                if now_us - last_us < account.dcp_seconds * 1_000_000:
                    continue
                del self._last_us[owner, topic]
                for order in exchange.orders_of(account, only_open=True):
                    exchange.cancel(order)
                    cancelled += 1
        return cancelled

    def _now_us(self, topic: str) -> int:
        return self._exchanges[self.TOPICS[topic]].clock.now_us()
