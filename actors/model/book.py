"""The state of trading as the fold of the journal.

Everything that must survive is here and only here; actors derive what they need from it, snapshots store
it, replay rebuilds it. Of closed orders only the latest stay; a fill for an older one carries that order
with it (`recalled`). Leaves are frozen, so a shallow copy of the dictionaries is a consistent snapshot.

An event is judged first and kept last: one that is refused leaves the book as it was. The rules of each kind
are in `actors.model.folding`.
"""

from decimal import Decimal

import msgspec

from actors.model import events as ev
from actors.model.change import Change, DuplicateAdjustment, DuplicateFill, DuplicateOrder, Kill, scope_key
from actors.model.fill import Fill
from actors.model.folding import RULES, denied_order
from actors.model.money import ZERO
from actors.model.order import Order
from actors.model.position import Position

__all__ = [
    "FOLD_VERSION",
    "Book",
    "Change",
    "DuplicateAdjustment",
    "DuplicateFill",
    "DuplicateOrder",
    "Kill",
    "denied_order",
    "scope_key",
]

FOLD_VERSION = 9
"""Raised whenever the fold or its encoding changes meaning; snapshots of another version are not used."""


class Book(msgspec.Struct, kw_only=True):
    """The fold. Keys: orders by order id; positions and watermarks by (exchange, symbol), cash by asset.

    `cash` is what the account holds as the journal knows it: opening balances plus what fills and fees
    moved. `watermarks` is the newest fill time (µs) applied: where reconciliation starts. `trades` names
    the trade ids already applied to each order in the book, `adjustments` by (exchange, symbol) the evidence
    of adjustments already made, and when their trades were (µs): both for exactly-once. `forgotten` is up to
    when (µs) adjustments are not remembered one by one any more: no trade of another from before is news, and
    none is read again. `opened` is when the journal first saw an account (µs), `disturbed`
    since when (µs) its balances can't be told from the journal any more, because something else than our
    orders moved a position there; `statement`
    the balance adjustments made since, by (exchange, evidence), and when they happened, `statement_until` the
    newest of these times (µs) of each exchange: it is read again from shortly before. `earnings` is what
    adjustments that are a result of trading (funding, interest) came to, by asset. `trading_states` and
    `trading_causes` go by the key of their scope. `losses` tells by code on which day a limit on losses was
    passed last, `resumed_losses` the same once a person has lifted the kill that it led to.
    """

    seq: int = 0
    orders: dict[str, Order] = {}
    closed: dict[str, Order] = {}
    venue_ids: dict[str, str] = {}
    trades: dict[str, dict[str, int]] = {}
    positions: dict[tuple[str, str], Position] = {}
    cash: dict[tuple[str, str], Decimal] = {}
    watermarks: dict[tuple[str, str], int] = {}
    adjustments: dict[tuple[str, str], dict[str, int]] = {}
    forgotten: dict[tuple[str, str], int] = {}
    opened: dict[str, int] = {}
    disturbed: dict[str, int] = {}
    statement: dict[tuple[str, str], int] = {}
    statement_until: dict[str, int] = {}
    earnings: dict[str, Decimal] = {}
    limits: dict[str, str] = {}
    settings: dict[str, str] = {}
    kills: dict[str, Kill] = {}
    trading_states: dict[str, str] = {}
    trading_causes: dict[str, str] = {}
    losses: dict[str, str] = {}
    resumed_losses: dict[str, str] = {}
    day: str = ""
    day_equity: Decimal = ZERO
    day_result: Decimal = ZERO
    day_fees: tuple[tuple[str, Decimal], ...] = ()
    day_net: Decimal = ZERO
    day_peak: Decimal = ZERO
    epoch: int = 0
    incarnation: str = ""

    def order(self, order_id: str) -> Order | None:
        """An open or recently closed order."""
        return self.orders.get(order_id) or self.closed.get(order_id)

    def position(self, exchange: str, symbol: str) -> Position:
        """The position, flat if there never was one."""
        found = self.positions.get((exchange, symbol))
        return found if found is not None else Position(exchange=exchange, symbol=symbol)

    def is_adjusted(self, fill: Fill) -> bool:
        """Whether a trade that is no order's of ours is in the journal already, or too old to be news."""
        place = (fill.exchange, fill.symbol)
        if place in self.forgotten and fill.at_us <= self.forgotten[place]:
            return True
        return fill.fill_id in self.adjustments.get(place, ())

    def copy(self) -> "Book":
        """A book that can be folded further without changing this one; costs time for each order it holds."""
        return Book(
            seq=self.seq,
            orders=self.orders.copy(),
            closed=self.closed.copy(),
            venue_ids=self.venue_ids.copy(),
            trades={order_id: ids.copy() for order_id, ids in self.trades.items()},
            positions=self.positions.copy(),
            cash=self.cash.copy(),
            watermarks=self.watermarks.copy(),
            adjustments={place: known.copy() for place, known in self.adjustments.items()},
            forgotten=self.forgotten.copy(),
            opened=self.opened.copy(),
            disturbed=self.disturbed.copy(),
            statement=self.statement.copy(),
            statement_until=self.statement_until.copy(),
            earnings=self.earnings.copy(),
            limits=self.limits.copy(),
            settings=self.settings.copy(),
            kills=self.kills.copy(),
            trading_states=self.trading_states.copy(),
            trading_causes=self.trading_causes.copy(),
            losses=self.losses.copy(),
            resumed_losses=self.resumed_losses.copy(),
            day=self.day,
            day_equity=self.day_equity,
            day_result=self.day_result,
            day_fees=self.day_fees,
            day_net=self.day_net,
            day_peak=self.day_peak,
            epoch=self.epoch,
            incarnation=self.incarnation,
        )

    def apply(self, event: ev.Event, seq: int, at_us: int) -> Change:
        """Fold one event in, and say which rows it changed.

        When it raises, the book is unchanged: IllegalTransition when the event contradicts the order's state,
        KeyError when it names an order that the book does not know, DuplicateFill, DuplicateOrder or
        DuplicateAdjustment when it says again what is already known, ArithmeticError when a sum would
        lose a digit.
        """
        change = self.judge(event, seq, at_us)
        self.keep(event, change, seq, at_us)
        return change

    def judge(self, event: ev.Event, seq: int, at_us: int) -> Change:
        """What the event would change; the book stays as it is. Raises what `apply` does."""
        return RULES[type(event)].judge(self, event, seq, at_us)

    def keep(self, event: ev.Event, change: Change, seq: int, at_us: int) -> None:
        """Take in what was worked out by a book that stood where this one stands."""
        RULES[type(event)].keep(self, event, change, at_us)
        self.seq = seq
