"""Positions and balances: what the account holds is held against what the journal says that it holds.

A difference is explained by trades that were missed, by the exchange's own statement of transfers, or it is
where an account that was never seen before begins. What stays unexplained over several looks halts the
exchange, with the two numbers as the reason: from there on only a person can tell which of them is right.
"""

from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal

import trio

from actors.broker.reconcile import (
    BalanceDifference,
    PositionDifference,
    compare_balances,
    compare_positions,
    doubtful_orders,
    has_history,
)
from actors.broker.shell.desk import Desk
from actors.broker.shell.statement import Statement
from actors.broker.shell.submits import Submits
from actors.model.messages import Balance, BookBalances
from actors.model.money import EXACT
from actors.model.order import Order, Submission, Terminal

DRAIN_PAUSE = 0.02
LOOKS = 3
"""How many comparisons in a row have to see the same difference before it is believed."""


class Accounts:
    """`fills(symbol, lookback)` reads trades again; `seen` is told of the balances, `book` of statements."""

    def __init__(
        self,
        desk: Desk,
        submits: Submits,
        fills: Callable[[str, float], Awaitable[int]],
        seen: Callable[[Sequence[Balance]], None],
        book: Callable[[BookBalances], None],
    ) -> None:
        self._desk = desk
        self._statement = Statement(desk, book)
        self._submits = submits
        self._fills = fills
        self._seen = seen
        self._looks: dict[str, tuple[Decimal, int]] = {}

    async def compare_until_sure(self) -> None:
        """Before the first order: look as often as it takes to agree, or to believe the difference."""
        for _look in range(LOOKS):
            if await self.compare():
                return

    async def compare(self) -> bool:
        """One comparison; whether everything agrees. Raise Unavailable: a failed question proves nothing."""
        await self.drain()
        differing = [*await self._positions(), *await self._balances()]
        for name in [name for name in self._looks if name not in differing]:
            del self._looks[name]
        await self.drain()
        return not differing

    async def drain(self) -> None:
        """Wait until all evidence so far is committed; what comes meanwhile is not waited for."""
        desk, newest = self._desk, self._desk.outbox.newest
        while symbols := desk.outbox.waiting_up_to(newest):
            for symbol in symbols:
                desk.outbox.remind(symbol)
            await trio.sleep(DRAIN_PAUSE)

    async def _positions(self) -> list[str]:
        desk = self._desk
        if not desk.port.capabilities.reports_positions:
            return []
        reported = await self._desk.ask("positions", desk.port.positions)
        differences = compare_positions(desk.log.book, desk.exchange, desk.symbols, reported)
        for difference in differences:
            await self._explain(difference)
        return [f"position {difference.symbol}" for difference in differences]

    async def _explain(self, difference: PositionDifference) -> None:
        desk = self._desk
        symbol = difference.symbol
        if self._is_moving(symbol):
            return
        if not has_history(desk.log.book, desk.exchange, symbol) and not self._in_doubt(symbol):
            price = difference.average_price or desk.prices.get(symbol)
            if price is not None:
                desk.outbox.add(symbol, "opening", quantity=difference.missing, price=price)
                return
        if await self._fills(symbol, desk.timings.lookback):
            return
        # What was refused for certain explains nothing; what nobody answered may.
        if any(order.terminal in (None, Terminal.ABSENT) for order in self._in_doubt(symbol)):
            return
        self._believe(
            f"position {symbol}",
            difference.missing,
            f"{symbol}: the exchange holds {difference.at_exchange}, the journal {difference.in_book}; "
            f"no trade of the last {desk.timings.lookback:g} s explains the difference",
        )

    async def _balances(self) -> list[str]:
        desk = self._desk
        if not desk.port.capabilities.reports_balances:
            return []
        balances = await self._desk.ask("balances", desk.port.balances)
        self._seen(balances)
        if not desk.is_spot:
            await self._statement.take_all()
        if not self._balances_count():
            return []
        totals = {balance.asset: balance.total for balance in balances}
        differences = compare_balances(desk.log.book, desk.exchange, totals)
        if not differences or await self._missed_trades():
            return [f"balance {difference.asset}" for difference in differences]
        unexplained = await self._statement.explain(differences)
        for difference in differences:
            if difference.asset in unexplained:
                self._drifted(difference, unexplained[difference.asset])
        return [f"balance {difference.asset}" for difference in differences]

    def _balances_count(self) -> bool:
        """Whether the journal knows everything that moves balances here.

        It does not on a derivatives account (funding), nor after trades of others on this one, whose cash it
        leaves alone.
        """
        desk = self._desk
        if desk.timings.balance_drift == "ignore" or not desk.is_spot:
            return False
        if desk.exchange in desk.log.book.disturbed:
            return False
        return not any(self._is_moving(symbol) for symbol in desk.symbols)

    async def _missed_trades(self) -> bool:
        """Whether trades are listed that nobody told us of: they explain a balance, once committed."""
        news = [await self._fills(symbol, self._desk.timings.lookback) for symbol in self._desk.symbols]
        return any(news)

    def _drifted(self, difference: BalanceDifference, why: str) -> None:
        drift = EXACT.subtract(difference.at_exchange, difference.in_book)
        self._believe(
            f"balance {difference.asset}",
            drift,
            f"{difference.asset}: the exchange holds {difference.at_exchange}, the journal "
            f"{difference.in_book}; {why}",
        )

    def _believe(self, name: str, size: Decimal, cause: str) -> None:
        """Halt when the same difference has been seen often enough, once."""
        last, looks = self._looks.get(name, (size, 0))
        looks = looks + 1 if last == size else 1
        self._looks[name] = (size, looks)
        if looks == LOOKS:
            self._desk.halt(cause)

    def _in_doubt(self, symbol: str) -> list[Order]:
        """Orders that may have been taken though the exchange does not list them, or not yet: their trades
        will explain a difference, and must not be told of twice.
        """
        desk = self._desk
        unknown = [
            order
            for order in desk.log.book.orders.values()
            if order.submission is Submission.UNKNOWN
            and (order.intent.exchange, order.intent.symbol) == (desk.exchange, symbol)
        ]
        recent_us = desk.clock.now_us() - round(desk.timings.doubt * 1_000_000)
        return unknown + doubtful_orders(desk.log.book, desk.exchange, symbol, recent_us)

    def _is_moving(self, symbol: str) -> bool:
        """Whether fills may be on their way, so that a difference means nothing yet."""
        return bool(self._desk.outbox.waiting(symbol) or self._submits.orders_in(symbol))
