"""The exchange's own statement: what moved the balances besides trades, line by line.

A line is evidence: it has an id at the exchange, and counts once. On a spot account lines are booked only
when together they are the whole difference between the account and the journal, to the last digit; anything
less explains nothing. A derivatives account is moved by funding all the time and its realised profit is
rounded by the exchange, so there each line is booked as it comes.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal

import trio

from actors.broker.port import Statements, Unavailable
from actors.broker.reconcile import BalanceDifference
from actors.broker.shell.desk import Desk
from actors.model.folding import STATEMENT_OVERLAP_US
from actors.model.messages import BalanceMove, BookBalances
from actors.model.money import EXACT, ZERO

BOOKING_SECONDS = 2.0
BOOKING_PAUSE = 0.02


class Statement:
    """`tell` hands lines to the operator's actor, who journals each of them once."""

    def __init__(self, desk: Desk, tell: Callable[[BookBalances], None]) -> None:
        self._desk = desk
        self._tell = tell

    async def explain(self, differences: Sequence[BalanceDifference]) -> dict[str, str]:
        """Book what explains a difference whole; by asset, what the statement says of the others.

        Raise Unavailable when the exchange can't be asked now.
        """
        fresh, problem = await self._read()
        booked: list[BalanceMove] = []
        rest: dict[str, str] = {}
        for difference in differences:
            lines = [move for move in fresh if move.asset == difference.asset]
            missing = EXACT.subtract(difference.at_exchange, difference.in_book)
            told = _total(lines)
            if lines and told == missing:
                booked += lines
            else:
                rest[difference.asset] = problem or f"the exchange's statement explains {told} of {missing}"
        await self._book(booked)
        return rest

    async def take_all(self) -> None:
        """Book every line that is new."""
        fresh, _ = await self._read()
        await self._book(fresh)

    async def _read(self) -> tuple[list[BalanceMove], str]:
        """The lines that the journal does not have, and why there are none where they can't be read."""
        desk, port = self._desk, self._desk.port
        opened_us = desk.log.book.opened.get(desk.exchange)
        if opened_us is None or not isinstance(port, Statements):
            return [], "no order or fee explains the difference"
        since_us = self._since_us(opened_us)
        try:
            moves = await desk.ask("statement_since", lambda: port.statement_since(since_us))
        except Unavailable as problem:
            if problem.kind != "exchange":
                raise
            return [], f"the exchange's statement can't be read: {problem.detail}"
        # Lines that were booked meanwhile may have let older ones be forgotten.
        known, since_us = desk.log.book.statement, self._since_us(opened_us)
        recent = [move for move in moves if move.at_us > opened_us and move.at_us >= since_us]
        return [move for move in recent if (desk.exchange, move.evidence) not in known], ""

    def _since_us(self, opened_us: int) -> int:
        newest_us = self._desk.log.book.statement_until.get(self._desk.exchange, 0)
        return max(opened_us, newest_us - STATEMENT_OVERLAP_US)

    async def _book(self, moves: Sequence[BalanceMove]) -> None:
        """Have the lines journaled, and give that a moment; what is not in by then is told again."""
        if not moves:
            return
        desk = self._desk
        self._tell(BookBalances(exchange=desk.exchange, moves=tuple(moves)))
        with trio.move_on_after(BOOKING_SECONDS):
            while not self._has(moves):  # noqa: ASYNC110 - what wakes it is another actor's commit
                await trio.sleep(BOOKING_PAUSE)

    def _has(self, moves: Sequence[BalanceMove]) -> bool:
        known = self._desk.log.book.statement
        return all((self._desk.exchange, move.evidence) in known for move in moves)


def _total(moves: Sequence[BalanceMove]) -> Decimal:
    total = ZERO
    for move in moves:
        total = EXACT.add(total, move.amount)
    return total
