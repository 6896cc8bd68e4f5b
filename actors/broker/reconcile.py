"""Comparing the journal's book with what the exchange lists: pure, and in the order of the book.

A listing is a moment of the past when it arrives, so nothing is concluded here about anything younger than
the threshold, and nothing is ever concluded from an absence: what is missing or does not add up becomes a
question about that one order. Only what the exchange states of one order, and trades that it lists, become
evidence.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from actors.broker.port import OrderReport, PositionReport
from actors.model.book import Book
from actors.model.money import EXACT, ZERO
from actors.model.order import Order, Submission, Terminal


class Question(msgspec.Struct, frozen=True):
    """An order whose fate has to be asked for, and why."""

    order: Order
    why: str


class OrderFindings(msgspec.Struct, frozen=True, kw_only=True):
    """`questions` in the book's order; `revived` are ours, over or replaced in the journal, alive at the
    exchange; `strangers` are open orders with an id of ours that memory does not hold.
    """

    questions: tuple[Question, ...] = ()
    revived: tuple[tuple[Order, OrderReport], ...] = ()
    strangers: tuple[OrderReport, ...] = ()


class PositionDifference(msgspec.Struct, frozen=True, kw_only=True):
    """The exchange's quantity and the book's, in base units, and the exchange's average price if it tells
    one.
    """

    symbol: str
    at_exchange: Decimal
    in_book: Decimal
    average_price: Decimal | None

    @property
    def missing(self) -> Decimal:
        """What would have to be added to the book."""
        return EXACT.subtract(self.at_exchange, self.in_book)


class BalanceDifference(msgspec.Struct, frozen=True, kw_only=True):
    """An asset of which the exchange holds another total than the book."""

    asset: str
    at_exchange: Decimal
    in_book: Decimal


def compare_orders(
    book: Book,
    exchange: str,
    listed: Sequence[OrderReport],
    executed: Mapping[str, Decimal],
    settled_before_us: int,
) -> OrderFindings:
    """Compare the exchange's open orders with the book's.

    `executed` holds, by order id, what the order at the exchange executed, with fills that wait for their
    commit. Orders of the book
    that changed at or after `settled_before_us` are left alone, because the listing may be older than the
    change.
    """
    by_venue_id = {report.venue_id: report for report in listed if report.venue_id}
    questions: list[Question] = []
    for order in book.orders.values():
        if order.intent.exchange != exchange or order.updated_us >= settled_before_us:
            continue
        why = _doubt(
            order, by_venue_id.get(order.intent.venue_id), executed.get(order.order_id, order.placed_executed)
        )
        if why is not None:
            questions.append(Question(order, why))
    revived: list[tuple[Order, OrderReport]] = []
    strangers: list[OrderReport] = []
    for venue_id, report in by_venue_id.items():
        order_id = book.venue_ids.get(venue_id)
        known = None if order_id is None else book.order(order_id)
        if known is None:
            strangers.append(report)
        elif known.updated_us < settled_before_us and (not known.is_open or venue_id in known.former):
            revived.append((known, report))
    return OrderFindings(questions=tuple(questions), revived=tuple(revived), strangers=tuple(strangers))


def _doubt(order: Order, report: OrderReport | None, executed: Decimal) -> str | None:
    if order.submission is not Submission.WORKING:
        return "has no answer yet"
    if report is None:
        return "is not among the open orders"
    if report.executed != executed:
        return f"the exchange says {report.executed} executed, the journal {executed}"
    return None


def was_judged_absent(order: Order) -> bool:
    """Whether the journal holds a verdict that the exchange never had this order."""
    return order.terminal in (Terminal.ABSENT, Terminal.NOT_SENT, Terminal.REFUSED, Terminal.DENIED)


def doubtful_orders(book: Book, exchange: str, symbol: str, recent_us: int) -> list[Order]:
    """Orders of a symbol of which it was said, since `recent_us`, that the exchange never took them, newest
    first. Where its listings lag, that may have been wrong.
    """
    found = []
    for order in reversed(book.closed.values()):
        if order.updated_us < recent_us:
            break
        left = order.terminal in (Terminal.ABSENT, Terminal.NOT_SENT, Terminal.REFUSED)
        if left and (order.intent.exchange, order.intent.symbol) == (exchange, symbol):
            found.append(order)
    return found


def compare_positions(
    book: Book, exchange: str, symbols: Sequence[str], reported: Sequence[PositionReport]
) -> tuple[PositionDifference, ...]:
    """Where the exchange's positions and the book's differ; a symbol that is not reported is flat there."""
    by_symbol = {report.symbol: report for report in reported}
    found: list[PositionDifference] = []
    for symbol in symbols:
        report = by_symbol.get(symbol)
        at_exchange = report.quantity if report is not None else ZERO
        in_book = book.position(exchange, symbol).quantity
        if at_exchange != in_book:
            found.append(
                PositionDifference(
                    symbol=symbol,
                    at_exchange=at_exchange,
                    in_book=in_book,
                    average_price=report.average_price if report is not None else None,
                )
            )
    return tuple(found)


def compare_balances(
    book: Book, exchange: str, reported: Mapping[str, Decimal]
) -> tuple[BalanceDifference, ...]:
    """Where the account holds another total than the book; only assets that the book knows."""
    found: list[BalanceDifference] = []
    for (place, asset), in_book in book.cash.items():
        if place == exchange and reported.get(asset, ZERO) != in_book:
            found.append(
                BalanceDifference(asset=asset, at_exchange=reported.get(asset, ZERO), in_book=in_book)
            )
    return tuple(found)


def balances_apart(
    book: Book, exchange: str, reported: Mapping[str, Decimal]
) -> tuple[tuple[str, Decimal], ...]:
    """By asset, how much more the account holds than the book says; what others trade there is only known
    from this.
    """
    known = {asset: in_book for (place, asset), in_book in book.cash.items() if place == exchange}
    return tuple(
        (asset, EXACT.subtract(reported.get(asset, ZERO), known.get(asset, ZERO)))
        for asset in {**known, **reported}
    )


def has_history(book: Book, exchange: str, symbol: str) -> bool:
    """Whether the journal has ever seen this symbol move, so that a difference can't be an opening
    position.
    """
    return (exchange, symbol) in book.positions
