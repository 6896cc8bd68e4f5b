"""What each kind of event leaves in the book, field by field."""

from decimal import Decimal

import msgspec
import pytest

from actors.model import events as ev
from actors.model.amend import Amend, AmendState
from actors.model.book import Book, DuplicateAdjustment, DuplicateFill, DuplicateOrder, Kill
from actors.model.change import Change
from actors.model.fill import Fill
from actors.model.folding import (
    ADJUSTMENTS_KEPT,
    CLOCKS_APART_US,
    CLOSED_KEPT,
    STATEMENT_KEPT,
    STATEMENT_OVERLAP_US,
    denied_order,
)
from actors.model.order import Order, Submission, Terminal
from actors.model.position import Position
from actors.model.snapshot import decode_book, encode_book
from tests.fixtures.orders import INTENT

ABOUT = {"exchange": "sim", "symbol": "BTC/USDT", "order_id": "o1"}
ACCEPTED = ev.OrderAccepted(intent=INTENT, reserve_price=Decimal(101), mark=Decimal(99), send_before_us=5)
ASKED = ev.AmendAsked(amend_id="a1", quantity=Decimal(20), limit_price=Decimal(90))
AMEND = ev.AmendAccepted(
    asked=ASKED, reserve_price=Decimal(91), venue_id="", mark=Decimal(99), send_before_us=777, **ABOUT
)
REPLACE = msgspec.structs.replace(AMEND, venue_id="v2")
SENT = ev.OrderSubmitted(**ABOUT)
WORKING = ev.OrderAcknowledged(exchange_order_id="x1", **ABOUT)
BASE = Order(intent=INTENT, reserve_price=Decimal(101), created_us=1001, updated_us=1001, accepted_seq=1)


def fill(trade: str = "t1", **changes: object) -> Fill:
    made = Fill(
        exchange="sim",
        market_type="spot",
        symbol="BTC/USDT",
        exchange_order_id="x1",
        trade_id=trade,
        order_id="o1",
        side="buy",
        quantity=Decimal(4),
        price=Decimal(100),
        fee=Decimal(1),
        fee_currency="USDT",
        at_us=77,
    )
    return msgspec.structs.replace(made, **changes)


def filled(trade: str = "t1", **changes: object) -> ev.OrderFilled:
    return ev.OrderFilled(fill=fill(trade, **changes), **ABOUT)


def folded(*events: ev.AnyEvent, book: Book | None = None) -> Book:
    """The n-th event happened at 1000 + n."""
    book = Book() if book is None else book
    for event in events:
        book.apply(event, book.seq + 1, 1001 + book.seq)
    return book


S, T = Submission, Terminal
STEPS = [
    ((), {}),
    ((SENT,), {"submission": S.SENT}),
    ((SENT, WORKING), {"submission": S.WORKING, "exchange_order_id": "x1"}),
    (
        (SENT, ev.OrderRejected(code="LOW", reason="no money", **ABOUT)),
        {"submission": S.REFUSED, "terminal": T.REFUSED, "code": "LOW", "reason": "no money"},
    ),
    (
        (SENT, ev.OrderUnresolved(reason="time-out", **ABOUT)),
        {"submission": S.UNKNOWN, "reason": "time-out"},
    ),
    (
        (SENT, ev.OrderUnresolved(reason="time-out", **ABOUT), ev.OrderAbsent(proof="not listed", **ABOUT)),
        {"submission": S.ABSENT, "terminal": T.ABSENT, "code": "NOT_SENT", "reason": "not listed"},
    ),
    (
        (ev.OrderNotSent(reason="too late", **ABOUT),),
        {"submission": S.NOT_SENT, "terminal": T.NOT_SENT, "code": "NOT_SENT", "reason": "too late"},
    ),
    (
        (WORKING, ev.CancelRequested(by="ann", **ABOUT)),
        {"submission": S.WORKING, "exchange_order_id": "x1", "cancel_requested": True},
    ),
    (
        (WORKING, ev.CancelRequested(by="ann", **ABOUT), ev.CancelRefused(reason="late", **ABOUT)),
        {"submission": S.WORKING, "exchange_order_id": "x1", "cancel_requested": False},
    ),
    (
        (WORKING, ev.OrderCanceled(reason="asked", **ABOUT)),
        {"submission": S.WORKING, "exchange_order_id": "x1", "terminal": T.CANCELED, "reason": "asked"},
    ),
    (
        (WORKING, ev.OrderExpired(reason="IOC", **ABOUT)),
        {"submission": S.WORKING, "exchange_order_id": "x1", "terminal": T.EXPIRED, "reason": "IOC"},
    ),
]


@pytest.mark.parametrize(("events", "fields"), STEPS)
def test_an_order_is_what_its_events_say(events: tuple[ev.AnyEvent, ...], fields: dict[str, object]) -> None:
    """Every field, and the time of the newest event."""
    book = folded(ACCEPTED, *events)
    expected = msgspec.structs.replace(BASE, updated_us=1001 + len(events), **fields)
    assert book.order("o1") == expected
    assert list(book.orders) == (["o1"] if expected.is_open else [])
    assert list(book.closed) == ([] if expected.is_open else ["o1"])
    assert book.venue_ids == {"v1": "o1"}


def test_a_denied_order_is_kept_as_it_was_denied() -> None:
    """It was never accepted, so it has no place in the journal as accepted."""
    intent = msgspec.structs.replace(INTENT, venue_id="")
    book = folded(ev.OrderDenied(intent=intent, code="MAX_POSITION", detail="too much"))
    expected = Order(
        intent=intent,
        submission=S.DENIED,
        terminal=T.DENIED,
        code="MAX_POSITION",
        reason="too much",
        created_us=1001,
        updated_us=1001,
    )
    assert book.order("o1") == expected == denied_order(intent, "MAX_POSITION", "too much", 1001)


AMENDED = Amend(
    amend_id="a1",
    quantity=Decimal(20),
    limit_price=Decimal(90),
    reserve_price=Decimal(91),
    send_before_us=777,
)


def test_an_amend_that_was_accepted_is_pending_with_all_its_terms() -> None:
    order = folded(ACCEPTED, WORKING, AMEND).order("o1")
    assert order is not None
    assert (order.amend, order.updated_us) == (AMENDED, 1003)
    order = folded(ACCEPTED, WORKING, REPLACE).order("o1")
    assert order is not None
    assert order.amend == msgspec.structs.replace(AMENDED, venue_id="v2")


def test_an_amend_that_was_denied_is_recorded_with_its_reason() -> None:
    denied = ev.AmendDenied(asked=ASKED, code="MAX_ORDER", detail="too large", **ABOUT)
    order = folded(ACCEPTED, WORKING, denied).order("o1")
    assert order is not None
    assert order.amend == Amend(
        amend_id="a1",
        quantity=Decimal(20),
        limit_price=Decimal(90),
        reserve_price=Decimal(90),
        state=AmendState.DENIED,
        code="MAX_ORDER",
        reason="too large",
    )
    assert (order.updated_us, order.version) == (1003, 1)


@pytest.mark.parametrize(
    "event", [AMEND, ev.AmendDenied(asked=ASKED, code="ORDER_CLOSED", detail="it is over", **ABOUT)]
)
def test_what_was_said_of_an_amend_of_a_forgotten_order_changes_nothing(event: ev.AnyEvent) -> None:
    assert folded().judge(event, 1, 1) == Change()


def test_an_amend_takes_effect_when_the_exchange_says_so() -> None:
    order = folded(ACCEPTED, WORKING, AMEND, ev.OrderAmended(amend_id="a1", **ABOUT)).order("o1")
    assert order is not None
    assert order.amend == AMENDED.ended(AmendState.DONE)
    assert (order.version, order.updated_us) == (2, 1004)
    assert (order.intent.quantity, order.intent.limit_price) == (20, 90)


def test_an_amend_that_the_exchange_refused_leaves_the_order_as_it_was() -> None:
    refused = ev.AmendRefused(amend_id="a1", code="AMEND_REFUSED", reason="price", **ABOUT)
    order = folded(ACCEPTED, WORKING, AMEND, refused).order("o1")
    assert order is not None
    assert order.amend == AMENDED.ended(AmendState.REFUSED, "AMEND_REFUSED", "price")
    assert (order.version, order.updated_us, order.intent) == (1, 1004, INTENT)


def replaced(amend_id: str, venue_id: str) -> tuple[ev.AnyEvent, ...]:
    """An amend by replacement that took effect, and the exchange's word that it works."""
    asked = msgspec.structs.replace(ASKED, amend_id=amend_id)
    return (
        msgspec.structs.replace(REPLACE, asked=asked, venue_id=venue_id),
        ev.OrderReplaced(amend_id=amend_id, venue_id=venue_id, quantity=Decimal(20), reason="ended", **ABOUT),
        ev.OrderAcknowledged(exchange_order_id=f"x-{venue_id}", **ABOUT),
    )


def test_a_replaced_order_is_known_by_its_ids_and_those_that_it_had() -> None:
    """As many former ids as an order keeps; the oldest is then free for others."""
    book = folded(ACCEPTED, WORKING, *replaced("a1", "v2"))
    assert book.venue_ids == {"v1": "o1", "v2": "o1"}
    order = book.order("o1")
    assert order is not None
    assert (order.former, order.updated_us, order.version) == (("v1",), 1005, 2)
    just_replaced = folded(ACCEPTED, WORKING, *replaced("a1", "v2")[:2]).order("o1")
    assert just_replaced is not None
    assert just_replaced.updated_us == 1004
    for number in range(3, 60):
        folded(*replaced(f"a{number}", f"v{number}"), book=book)
        order = book.order("o1")
        assert order is not None
        assert book.venue_ids == dict.fromkeys((*order.former, f"v{number}"), "o1")
    assert "v1" not in book.venue_ids


def test_an_id_of_an_exchange_is_given_once() -> None:
    """Refusals say which order and which id."""
    other = msgspec.structs.replace(ACCEPTED, intent=msgspec.structs.replace(INTENT, order_id="o2"))
    with pytest.raises(DuplicateOrder) as caught:
        folded(ACCEPTED, other)
    assert "o2" in str(caught.value)
    assert "v1" in str(caught.value)
    with pytest.raises(DuplicateOrder) as caught:
        folded(ACCEPTED, ACCEPTED)
    assert "o1" in str(caught.value)
    assert "id is taken" in str(caught.value)
    two = msgspec.structs.replace(
        ACCEPTED, intent=msgspec.structs.replace(INTENT, order_id="o2", venue_id="v2")
    )
    with pytest.raises(DuplicateOrder) as caught:
        folded(ACCEPTED, WORKING, two, *replaced("a1", "v2"))
    assert "o1" in str(caught.value)
    assert "v2" in str(caught.value)


def test_an_order_that_nobody_knows_is_named() -> None:
    for event in (SENT, filled()):
        with pytest.raises(KeyError, match="o1"):
            folded(event)


def test_what_is_forgotten_leaves_nothing_behind() -> None:
    """The oldest closed order goes with its trades and every id that it had."""
    ended = ev.OrderCanceled(reason="asked", **ABOUT)
    book = folded(ACCEPTED, WORKING, filled(), *replaced("a1", "v2"), ended)
    assert (set(book.venue_ids), set(book.trades)) == ({"v1", "v2"}, {"o1"})
    for number in range(2, CLOSED_KEPT + 2):
        intent = msgspec.structs.replace(INTENT, order_id=f"o{number}", venue_id="")
        folded(ev.OrderDenied(intent=intent, code="X", detail="y"), book=book)
    assert book.order("o1") is None
    assert (book.venue_ids, book.trades) == ({}, {})
    assert len(book.closed) == CLOSED_KEPT
    intent = msgspec.structs.replace(INTENT, order_id="one more", venue_id="")
    folded(ev.OrderDenied(intent=intent, code="X", detail="y"), book=book)
    assert len(book.closed) == CLOSED_KEPT
    assert book.order("o2") is None


def test_a_fill_is_kept_with_its_time() -> None:
    book = folded(ACCEPTED, WORKING, filled(at_us=-5))
    assert book.trades == {"o1": {"t1": -5}}
    assert book.watermarks == {("sim", "BTC/USDT"): 0}
    with pytest.raises(DuplicateFill) as caught:
        folded(filled(), book=book)
    assert "o1" in str(caught.value)
    assert "t1" in str(caught.value)


def test_a_sale_gives_the_base_and_takes_the_quote() -> None:
    """At the fill's price, and the fee comes off the quote."""
    intent = msgspec.structs.replace(INTENT, side="sell")
    book = folded(msgspec.structs.replace(ACCEPTED, intent=intent), WORKING, filled(side="sell"))
    assert book.cash == {("sim", "USDT"): Decimal(399), ("sim", "BTC"): Decimal(-4)}


def recalled(*trades: str) -> ev.OrderFilled:
    """A late fill of an order that had left memory; the store had these trades of it."""
    known = folded(ACCEPTED, WORKING, filled("t1"), ev.OrderCanceled(reason="asked", **ABOUT)).order("o1")
    return ev.OrderFilled(
        fill=fill("t2", quantity=Decimal(1)), recalled=known, recalled_trades=trades, **ABOUT
    )


def test_a_late_fill_brings_its_order_back_with_what_was_known_of_it() -> None:
    book = folded(recalled("t1"))
    order = book.order("o1")
    assert order is not None
    assert (order.executed, order.terminal) == (5, T.CANCELED)
    assert book.trades == {"o1": {"t1": 0, "t2": 77}}
    assert book.venue_ids == {"v1": "o1"}
    with pytest.raises(DuplicateFill):
        folded(recalled("t1", "t2"))


def test_an_order_in_memory_is_not_replaced_by_what_was_recalled_of_it() -> None:
    """Memory is newer than the store's answer can be."""
    book = folded(ACCEPTED, WORKING, filled("t1"), filled("t3"), recalled("t1"))
    order = book.order("o1")
    assert order is not None
    assert (order.executed, order.terminal) == (9, None)
    assert book.trades["o1"] == {"t1": 77, "t3": 77, "t2": 77}
    book = folded(ACCEPTED, WORKING, recalled("t1", "t2"))
    assert book.trades["o1"] == {"t2": 77}


def test_an_adjustment_moves_the_position_and_disturbs_its_exchange() -> None:
    adjusted = ev.PositionAdjusted(
        exchange="sim",
        symbol="BTC/USDT",
        quantity=Decimal(2),
        price=Decimal(50),
        cause="transfer",
        evidence="transfer:1",
    )
    book = folded(adjusted)
    assert book.position("sim", "BTC/USDT") == Position(
        exchange="sim", symbol="BTC/USDT", quantity=Decimal(2), cost=Decimal(100), updated_us=1001
    )
    known = {("sim", "BTC/USDT"): {"transfer:1": 1001 + CLOCKS_APART_US}}
    assert (book.disturbed, book.adjustments) == ({"sim": 1001}, known)
    opening = msgspec.structs.replace(adjusted, evidence="opening:sim/BTC")
    assert folded(opening).disturbed == {}


def test_every_opening_is_remembered() -> None:
    """However many places there are: an opening that is told again must not count again."""
    opening = ev.PositionAdjusted(
        exchange="sim",
        symbol="BTC/USDT",
        quantity=Decimal(1),
        price=Decimal(50),
        cause="opening",
        evidence="",
    )
    book = folded(
        *(
            msgspec.structs.replace(opening, evidence=f"opening:{number}")
            for number in range(ADJUSTMENTS_KEPT + 2)
        )
    )
    assert len(book.adjustments["sim", "BTC/USDT"]) == ADJUSTMENTS_KEPT + 2
    assert book.forgotten == {}
    with pytest.raises(DuplicateAdjustment, match="opening:0"):
        folded(msgspec.structs.replace(opening, evidence="opening:0"), book=book)


def another(at_us: int, symbol: str = "BTC/USDT") -> Fill:
    """A trade of somebody else on the account."""
    return fill(f"t{at_us}", symbol=symbol, at_us=at_us, order_id="EXTERNAL")


def adjusted(trade: Fill) -> ev.PositionAdjusted:
    return ev.PositionAdjusted(
        exchange="sim",
        symbol=trade.symbol,
        quantity=trade.quantity,
        price=trade.price,
        cause="trade of another on the account",
        evidence=trade.fill_id,
        happened_us=trade.at_us,
    )


def test_a_trade_of_another_counts_once_however_many_come_after_it() -> None:
    """What is forgotten must not be news when the exchange lists it once more."""
    trades = [another(at_us) for at_us in range(1, 2 * ADJUSTMENTS_KEPT)]
    book = Book()
    for trade in trades:
        assert not book.is_adjusted(trade)
        folded(adjusted(trade), book=book)
    assert all(book.is_adjusted(trade) for trade in trades)
    assert book.forgotten == {("sim", "BTC/USDT"): ADJUSTMENTS_KEPT - 1}
    assert len(book.adjustments["sim", "BTC/USDT"]) == ADJUSTMENTS_KEPT
    assert not book.is_adjusted(another(2 * ADJUSTMENTS_KEPT))


def test_trades_of_another_while_nobody_looked_are_news_though_newer_ones_were_told_first() -> None:
    """After a start a stream tells of the present before a poll tells of the past."""
    before = [adjusted(another(at_us)) for at_us in range(1, ADJUSTMENTS_KEPT + 1)]
    book = folded(*before, adjusted(another(1_000_000)))
    assert book.forgotten == {("sim", "BTC/USDT"): 1}
    for at_us in range(ADJUSTMENTS_KEPT + 1, 3 * ADJUSTMENTS_KEPT):
        assert not book.is_adjusted(another(at_us))
        folded(adjusted(another(at_us)), book=book)
    assert book.is_adjusted(another(1_000_000))


def test_a_trade_that_comes_late_does_not_bring_back_what_is_forgotten() -> None:
    book = folded(*(adjusted(another(at_us)) for at_us in range(10, ADJUSTMENTS_KEPT + 11)))
    assert book.forgotten == {("sim", "BTC/USDT"): 10}
    folded(adjusted(another(5)), book=book)
    assert book.forgotten == {("sim", "BTC/USDT"): 10}


def test_many_trades_in_one_symbol_forget_none_of_another() -> None:
    quiet = another(1, "ETH/USDT")
    book = folded(adjusted(quiet), *(adjusted(another(at)) for at in range(2, ADJUSTMENTS_KEPT + 4)))
    assert "ETH/USDT" not in [symbol for _, symbol in book.forgotten]
    assert book.is_adjusted(quiet)
    assert not book.is_adjusted(another(0, "ETH/USDT"))
    with pytest.raises(DuplicateAdjustment):
        folded(adjusted(quiet), book=book)


def test_an_adjustment_that_an_older_version_counted_twice_is_folded_as_it_stands() -> None:
    """That version remembered less; a journal it wrote must not stop a start."""
    old = msgspec.structs.replace(adjusted(another(1)), happened_us=0)
    book = folded(old, old)
    assert book.position("sim", "BTC/USDT").quantity == 2 * old.quantity


def test_an_absent_order_that_executes_after_all_is_open_again() -> None:
    """It is among the working orders then, and no longer among the closed ones."""
    absent = (
        SENT,
        ev.OrderUnresolved(reason="time-out", **ABOUT),
        ev.OrderAbsent(proof="not listed", **ABOUT),
    )
    book = folded(ACCEPTED, *absent, filled())
    order = book.order("o1")
    assert order is not None
    assert (order.executed, order.terminal) == (4, None)
    assert (list(book.orders), list(book.closed)) == (["o1"], [])


def test_an_account_is_opened_once() -> None:
    opened = ev.AccountOpened(exchange="sim", balances=(("USDT", Decimal(7)), ("BTC", Decimal(1))))
    book = folded(opened, opened)
    assert book.cash == {("sim", "USDT"): Decimal(7), ("sim", "BTC"): Decimal(1)}
    assert book.opened == {"sim": 1001}


def balance(
    evidence: str, amount: int = 3, cause: str = "deposit", exchange: str = "sim", happened_us: int = 55
) -> ev.BalanceAdjusted:
    return ev.BalanceAdjusted(
        exchange=exchange,
        asset="USDT",
        amount=Decimal(amount),
        cause=cause,
        evidence=evidence,
        happened_us=happened_us,
    )


def test_a_balance_moves_and_only_some_causes_are_earnings() -> None:
    book = folded(
        balance("d1"), balance("d2", 4), balance("f1", -1, "funding_fee"), balance("f2", -2, "interest")
    )
    assert book.cash == {("sim", "USDT"): Decimal(4)}
    assert book.earnings == {"USDT": Decimal(-3)}
    assert book.statement == dict.fromkeys([("sim", each) for each in ("d1", "d2", "f1", "f2")], 55)
    with pytest.raises(DuplicateAdjustment, match="d1"):
        folded(balance("d1"), book=book)


def test_of_a_statement_the_newest_entries_are_remembered() -> None:
    """And never fewer than the exchange is asked for again, nor fewer than so many."""
    book = folded(balance("old"), balance("new", happened_us=9 * STATEMENT_OVERLAP_US))
    assert list(book.statement) == [("sim", "old"), ("sim", "new")]
    book = folded(*(balance(f"d{number}", happened_us=100) for number in range(STATEMENT_KEPT + 2)))
    assert len(book.statement) == STATEMENT_KEPT + 2
    folded(balance("a day", happened_us=100 + STATEMENT_OVERLAP_US), book=book)
    assert len(book.statement) == STATEMENT_KEPT + 3
    folded(balance("more", happened_us=101 + STATEMENT_OVERLAP_US), balance("late"), book=book)
    assert len(book.statement) == STATEMENT_KEPT
    assert book.statement_until == {"sim": 101 + STATEMENT_OVERLAP_US}
    assert next(iter(book.statement)) == ("sim", "d5")


def test_lines_of_a_quiet_exchange_are_remembered_however_many_others_book() -> None:
    """Where it is read from must not fall back to its opening, nor a line of it be news once more."""
    booked = [
        balance(f"f{number}", 1, "funding_fee", "busy", number * STATEMENT_OVERLAP_US)
        for number in range(STATEMENT_KEPT + 3)
    ]
    book = folded(balance("transfer", exchange="quiet"), *booked)
    assert book.statement["quiet", "transfer"] == 55
    assert book.statement_until["quiet"] == 55
    assert ("busy", "f2") not in book.statement
    assert len(book.statement) == STATEMENT_KEPT + 1


def test_a_line_that_an_older_version_booked_twice_is_folded_as_it_stands() -> None:
    """That version had forgotten it; a journal it wrote must not stop a start."""
    transfer = balance("transfer", 7, exchange="quiet")
    book = folded(transfer, *(balance(f"f{number}", 0) for number in range(STATEMENT_KEPT - 1)))
    with pytest.raises(DuplicateAdjustment):
        folded(transfer, book=book)
    folded(balance("one more", 0), transfer, book=book)
    assert book.cash["quiet", "USDT"] == 14
    assert list(book.statement)[-1] == ("quiet", "transfer")


def test_a_limit_of_the_settings_is_remembered_as_theirs() -> None:
    changed = ev.LimitChanged(name="max_order_usd", old=None, new="5", by="ann", reason="small")
    book = folded(changed)
    assert (book.limits, book.settings) == ({"max_order_usd": "5"}, {})
    folded(msgspec.structs.replace(changed, by="settings", new="6"), book=book)
    assert (book.limits, book.settings) == ({"max_order_usd": "6"}, {"max_order_usd": "6"})


def test_a_kill_is_kept_whole_until_it_is_resumed() -> None:
    fields = {"level": "flatten", "exchange": "sim", "symbol": "BTC/USDT", "reason": "enough", "by": "ann"}
    book = folded(ev.KillEngaged(kill_id="k1", automatic=True, **fields))
    assert book.kills == {"k1": Kill(kill_id="k1", at_us=1001, automatic=True, **fields)}
    folded(ev.TradingResumed(kill_ids=("k1", "k0"), reason="well", by="ben"), book=book)
    assert book.kills == {}


def test_a_trading_state_is_kept_with_its_cause_until_it_is_active() -> None:
    state = ev.TradingStateChanged(exchange="sim", symbol=None, old="active", new="reducing", cause="loss")
    book = folded(state)
    assert list(book.trading_states.values()) == ["reducing"]
    assert list(book.trading_causes.values()) == ["loss"]
    active = msgspec.structs.replace(state, old="reducing", new="active")
    folded(active, active, book=book)
    assert (book.trading_states, book.trading_causes) == ({}, {})


def kill_for(reason: str, *, automatic: bool = True) -> ev.KillEngaged:
    """A kill of everything."""
    return ev.KillEngaged(
        kill_id=reason,
        level="halt",
        exchange=None,
        symbol=None,
        reason=reason,
        by="risk",
        automatic=automatic,
    )


def loss(code: str = "MAX_DAILY_LOSS") -> ev.LimitBreached:
    """A limit is passed."""
    return ev.LimitBreached(
        code=code, exchange=None, symbol=None, limit=Decimal(1), value=Decimal(2), cause="prices moved"
    )


@pytest.mark.parametrize(
    ("reason", "automatic", "resumed"),
    [
        ("MAX_DAILY_LOSS: 2 is beyond 1", True, {"MAX_DAILY_LOSS": "2026-11-22"}),
        ("MAX_DAILY_LOSS: I have seen it", False, {}),
        ("MAX_DRAWDOWN: 2 is beyond 1", True, {}),
    ],
    ids=["its own kill", "a person's kill", "a kill for another loss"],
)
def test_a_loss_is_resumed_after_when_its_own_kill_is_lifted(
    reason: str, automatic: bool, resumed: dict[str, str]
) -> None:
    """On whichever day that is, it is the loss of its own day; a snapshot keeps it, a new loss ends it."""
    book = folded(
        ev.DayOpened(day="2026-11-22", equity=Decimal(1)),
        loss(),
        loss("MAX_POSITION"),
        kill_for(reason, automatic=automatic),
        ev.DayOpened(day="2026-11-23", equity=Decimal(1)),
        ev.TradingResumed(kill_ids=(reason,), reason="r", by="ann"),
    )
    assert book.losses == {"MAX_DAILY_LOSS": "2026-11-22"}
    assert book.resumed_losses == resumed
    assert decode_book(encode_book(book)) == book.copy() == book
    again = folded(loss(), book=book.copy())
    assert (again.losses, again.resumed_losses) == ({"MAX_DAILY_LOSS": "2026-11-23"}, {})
    assert book.resumed_losses == resumed
