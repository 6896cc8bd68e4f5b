"""Balance adjustments: what the journal should say of an exchange's statement, and of a person's word.

A line of a statement counts once, whoever brings it and however often. A person's correction stands for
itself: the next comparison with the exchange shows whether it was right.
"""

from collections.abc import Container, Sequence

from actors.halt.records import Records
from actors.kernel import Deferred
from actors.model.book import Book
from actors.model.events import BalanceAdjusted
from actors.model.journal import CommittedLog
from actors.model.messages import AdjustBalance, BalanceBooked, BalanceMove, BookBalances, Refused


def line_of(exchange: str, evidence: str) -> str:
    """The key under which one adjustment is under way."""
    return f"balance {exchange} {evidence}"


def booked(book: Book, told: BookBalances, under_way: Container[str]) -> tuple[BalanceAdjusted, ...]:
    """The adjustments that a statement brings and that neither the journal nor an append under way has."""
    if told.exchange not in book.opened:
        return ()
    fresh = {move.evidence: move for move in told.moves if _is_new(book, told.exchange, move, under_way)}
    return tuple(
        BalanceAdjusted(
            exchange=told.exchange,
            asset=move.asset,
            amount=move.amount,
            cause=move.cause,
            evidence=move.evidence,
            happened_us=move.at_us,
        )
        for move in fresh.values()
    )


def _is_new(book: Book, exchange: str, move: BalanceMove, under_way: Container[str]) -> bool:
    known = (exchange, move.evidence) in book.statement
    return not known and line_of(exchange, move.evidence) not in under_way


def _evidence(asked: AdjustBalance) -> str:
    return f"recorded:{asked.reference}"


def corrected(
    book: Book, asked: AdjustBalance, under_way: Container[str], now_us: int
) -> BalanceAdjusted | Refused:
    """The adjustment that a person asks for, or why it can't be made."""
    evidence = _evidence(asked)
    if asked.exchange not in book.opened:
        detail = f"the journal has not seen the account at {asked.exchange} yet; there is nothing to adjust"
        return Refused(code="VALIDATION", detail=detail)
    if (exchange_line := (asked.exchange, evidence)) in book.statement or line_of(
        *exchange_line
    ) in under_way:
        detail = f"an adjustment with the reference {asked.reference!r} was made before; it counts once"
        return Refused(code="REFERENCE_USED", detail=detail)
    return BalanceAdjusted(
        exchange=asked.exchange,
        asset=asked.asset,
        amount=asked.amount,
        cause=f"recorded by {asked.by}: {asked.reason}",
        evidence=evidence,
        happened_us=now_us,
    )


class Balances:
    """What of it is under way in one life of the operator's actor, and who waits for it."""

    def __init__(self, records: Records, log: CommittedLog) -> None:
        self._records = records
        self._log = log
        self._waiting: dict[str, tuple[AdjustBalance, Deferred]] = {}

    def book(self, told: BookBalances) -> None:
        """Journal what is new of a statement. What can't be journaled now is told again."""
        events = booked(self._log.book, told, self._records.keys_under_way)
        if events:
            lines = tuple(line_of(event.exchange, event.evidence) for event in events)
            self._records.append("balances", events, lines)

    def event_of(self, asked: AdjustBalance, now_us: int) -> BalanceAdjusted | Refused:
        """The adjustment that a person asks for, or why it can't be made."""
        return corrected(self._log.book, asked, self._records.keys_under_way, now_us)

    def correct(
        self, asked: AdjustBalance, event: BalanceAdjusted, deadline: float, waiting: Deferred
    ) -> None:
        """Journal a person's adjustment, and answer when it is."""
        line = line_of(event.exchange, event.evidence)
        append_id = self._records.append("correction", (event,), (line,), asked.correlation_id, deadline)
        self._waiting[append_id] = (asked, waiting)

    def landed(self, append_ids: Sequence[str]) -> None:
        """These appends are in the journal."""
        for append_id in append_ids:
            asked, waiting = self._waiting.pop(append_id, (None, None))
            if asked is not None and waiting is not None:
                waiting.reply(BalanceBooked(total=self._log.book.cash[asked.exchange, asked.asset]))

    def is_recorded(self, append_id: str, book: Book) -> bool:
        """Whether the journal has a person's adjustment."""
        asked, _ = self._waiting.get(append_id, (None, None))
        return asked is not None and (asked.exchange, _evidence(asked)) in book.statement

    def lost(self, append_id: str, refused: Refused) -> None:
        """This append never will be."""
        _, waiting = self._waiting.pop(append_id, (None, None))
        if waiting is not None:
            waiting.reply(refused)
