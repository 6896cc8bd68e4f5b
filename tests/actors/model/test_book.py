"""The fold: the book holds what the journal says, a refused event leaves no trace, memory is bounded."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model import events as ev
from actors.model import folding
from actors.model.book import (
    Book,
    DuplicateAdjustment,
    DuplicateFill,
    DuplicateOrder,
    scope_key,
)
from actors.model.fill import Fill
from actors.model.folding import ADJUSTMENTS_KEPT, CLOSED_KEPT
from actors.model.order import IllegalTransition, OrderIntent
from actors.model.snapshot import decode_book, encode_book


def intent(number: int = 1, quantity: str = "1", **fields: object) -> OrderIntent:
    """What a client asked for; every number has ids of its own."""
    made = OrderIntent(
        order_id=f"order-{number}",
        client_order_id=f"mine-{number}",
        exchange="sim",
        symbol="BTC/USDT",
        side="buy",
        type="limit",
        quantity=Decimal(quantity),
        limit_price=Decimal(100),
        venue_id=f"venue-{number}",
    )
    return msgspec.structs.replace(made, **fields)


def accepted(number: int = 1, **fields: object) -> ev.OrderAccepted:
    """The event with which an order enters the book."""
    return ev.OrderAccepted(
        intent=intent(number, **fields), reserve_price=Decimal(100), mark=Decimal(100), send_before_us=10
    )


def about(number: int = 1) -> dict[str, str]:
    """The order that an event is about."""
    return {"exchange": "sim", "symbol": "BTC/USDT", "order_id": f"order-{number}"}


def filled(number: int = 1, quantity: str = "0.4", trade: str = "t1", **fields: object) -> ev.OrderFilled:
    """An execution as an event."""
    fill = Fill(
        exchange="sim",
        market_type="spot",
        symbol="BTC/USDT",
        exchange_order_id=f"e{number}",
        trade_id=trade,
        order_id=f"order-{number}",
        side="buy",
        quantity=Decimal(quantity),
        price=Decimal(100),
        fee=Decimal("0.04"),
        fee_currency="USDT",
        at_us=77,
    )
    recalled = fields.pop("recalled", None)
    recalled_trades = fields.pop("recalled_trades", None)
    return ev.OrderFilled(
        fill=msgspec.structs.replace(fill, **fields),
        recalled=recalled,
        recalled_trades=recalled_trades,
        **about(number),
    )


def folded(*events: ev.AnyEvent, book: Book | None = None) -> Book:
    """A book with these events folded in, at times equal to their sequence."""
    book = book or Book()
    for event in events:
        book.apply(event, book.seq + 1, book.seq + 1)
    return book


def test_an_accepted_order_is_known_by_every_id() -> None:
    """Also where in the journal it was accepted."""
    book = folded(ev.DayOpened(day="2026-01-01", equity=Decimal(5)), accepted())
    order = book.order("order-1")
    assert order is not None
    assert (order.status, order.accepted_seq, order.reserve_price) == ("accepted", 2, 100)
    assert book.venue_ids["venue-1"] == "order-1"
    assert (book.day, book.day_equity, book.seq) == ("2026-01-01", 5, 2)


def test_a_fill_moves_order_position_cash_and_watermark_together() -> None:
    """One event, and every row that a table needs comes out."""
    opened = ev.AccountOpened(exchange="sim", balances=(("USDT", Decimal(1000)),))
    book = folded(opened, accepted())
    change = book.apply(filled(), 3, 9)
    assert change.order is not None
    assert change.position is not None
    assert change.fill == filled().fill
    assert (change.order.status, change.position.quantity) == ("partially_filled", Decimal("0.4"))
    assert book.cash == {("sim", "USDT"): Decimal("959.96"), ("sim", "BTC"): Decimal("0.4")}
    assert book.watermarks == {("sim", "BTC/USDT"): 77}


def test_a_fee_in_the_asset_that_was_bought_comes_off_it() -> None:
    """Two moves of one balance in one fill add up."""
    book = folded(accepted(), filled(fee=Decimal("0.001"), fee_currency="BTC"))
    assert book.cash["sim", "BTC"] == Decimal("0.399")


def test_a_derivatives_fill_moves_only_its_fee() -> None:
    """Its value is settled as profit, not by handing over an asset."""
    book = folded(accepted(), filled(market_type="swap"))
    assert book.cash == {("sim", "USDT"): Decimal("-0.04")}


def test_a_watermark_never_goes_back() -> None:
    """A late fill of an earlier time does not make reconciliation start earlier, nor lose anything."""
    book = folded(accepted(), filled(at_us=90), filled(trade="t2", quantity="0.1", at_us=50))
    assert book.watermarks["sim", "BTC/USDT"] == 90


REFUSED = [
    (accepted(1), DuplicateOrder),
    (accepted(2, venue_id="venue-1"), DuplicateOrder),
    (ev.OrderDenied(intent=intent(1), code="X", detail="y"), DuplicateOrder),
    (ev.OrderSubmitted(**about(9)), KeyError),
    (filled(9), KeyError),
    (filled(1), DuplicateFill),
    (filled(1, quantity="0.7", trade="t2"), IllegalTransition),
    (ev.OrderRejected(code="X", reason="y", **about()), IllegalTransition),
    (ev.CancelRefused(reason="y", **about()), IllegalTransition),
    (filled(1, trade="t2", price=Decimal("1e70")), ArithmeticError),
    (filled(1, trade="t2", fee=Decimal("1e-75")), ArithmeticError),
    (
        ev.PositionAdjusted(
            exchange="sim",
            symbol="BTC/USDT",
            quantity=Decimal(1),
            price=Decimal(1),
            cause="transfer",
            evidence="known",
            happened_us=4,
        ),
        DuplicateAdjustment,
    ),
    (
        ev.PositionAdjusted(
            exchange="sim",
            symbol="BTC/USDT",
            quantity=Decimal("1e-80"),
            price=Decimal(1),
            cause="transfer",
            evidence="new",
        ),
        ArithmeticError,
    ),
]


@pytest.mark.parametrize(("event", "error"), REFUSED)
def test_a_refused_event_leaves_no_trace(event: ev.AnyEvent, error: type[Exception]) -> None:
    """Neither a row nor the sequence: the whole book is as it was, to the byte."""
    known = ev.PositionAdjusted(
        exchange="sim",
        symbol="BTC/USDT",
        quantity=Decimal(1),
        price=Decimal(1),
        cause="transfer",
        evidence="known",
        happened_us=4,
    )
    opened = ev.AccountOpened(exchange="sim", balances=(("USDT", Decimal("1000.00000001")),))
    book = folded(opened, accepted(), filled(), known)
    before = encode_book(book)
    with pytest.raises(error):
        book.apply(event, 5, 5)
    assert encode_book(book) == before


def test_closed_orders_leave_memory_and_the_latest_stay() -> None:
    """With everything that was kept for them."""
    book = Book()
    for number in range(CLOSED_KEPT + 10):
        folded(
            accepted(number), filled(number, "0.5"), ev.OrderCanceled(reason="r", **about(number)), book=book
        )
    assert len(book.closed) == len(book.venue_ids) == len(book.trades) == CLOSED_KEPT
    assert book.orders == {}
    assert book.order("order-9") is None
    assert book.order("order-10") is not None


def test_adjustments_leave_memory_but_openings_stay() -> None:
    """An opening is taken once for ever, whatever came since."""
    adjustment = ev.PositionAdjusted(
        exchange="sim",
        symbol="BTC/USDT",
        quantity=Decimal(1),
        price=Decimal(1),
        cause="opening",
        evidence="opening:sim:BTC/USDT",
    )
    book = folded(adjustment)
    for number in range(ADJUSTMENTS_KEPT + 5):
        folded(msgspec.structs.replace(adjustment, cause="transfer", evidence=f"t{number}"), book=book)
    known = book.adjustments["sim", "BTC/USDT"]
    assert len(known) == ADJUSTMENTS_KEPT
    assert "opening:sim:BTC/USDT" in known
    assert "t5" not in known


def _forgotten() -> tuple[Book, ev.OrderFilled]:
    """A book that has forgotten a canceled order, and that order's late fill."""
    book = folded(accepted(), filled(), ev.OrderCanceled(reason="r", **about()))
    order = book.order("order-1")
    for number in range(2, CLOSED_KEPT + 2):
        folded(accepted(number), ev.OrderCanceled(reason="r", **about(number)), book=book)
    assert book.order("order-1") is None
    return book, filled(trade="t2", quantity="0.1", recalled=order, recalled_trades=("t1",))


def test_a_fill_of_an_order_that_left_memory_brings_it_along() -> None:
    """The order is then known by every id again, with the trades it had."""
    book, late = _forgotten()
    folded(late, book=book)
    order = book.order("order-1")
    assert order is not None
    assert (order.status, order.executed) == ("canceled", Decimal("0.5"))
    assert book.venue_ids["venue-1"] == "order-1"
    assert list(book.trades["order-1"]) == ["t1", "t2"]


def test_a_recalled_order_is_not_filled_twice_by_an_old_trade() -> None:
    """What the store knew to be applied counts."""
    book, late = _forgotten()
    repeated = msgspec.structs.replace(late, fill=msgspec.structs.replace(late.fill, trade_id="t1"))
    before = encode_book(book)
    with pytest.raises(DuplicateFill):
        folded(repeated, book=book)
    assert encode_book(book) == before


def test_a_recalled_order_without_its_trades_stays_unknown_by_its_exchange_id() -> None:
    """So that the store is asked again, and no old trade slips through."""
    book, late = _forgotten()
    folded(msgspec.structs.replace(late, recalled_trades=None), book=book)
    assert "venue-1" not in book.venue_ids


def test_kills_add_up_and_a_resume_lifts_those_it_names() -> None:
    """A kill that came after the person looked stays."""

    def kill(name: str) -> ev.KillEngaged:
        return ev.KillEngaged(kill_id=name, level="cancel", exchange=None, symbol=None, reason="r", by="b")

    book = folded(kill("a"), kill("b"), ev.TradingResumed(kill_ids=("a", "never"), reason="r", by="b"))
    assert list(book.kills) == ["b"]


def test_trading_states_are_kept_by_scope_until_active_again() -> None:
    """Only what differs from active is kept."""

    def change(new: str, exchange: str | None, symbol: str | None) -> ev.TradingStateChanged:
        return ev.TradingStateChanged(exchange=exchange, symbol=symbol, old="?", new=new, cause="c")

    book = folded(
        change("reducing", "sim", "BTC/USDT"), change("halted", "sim", None), change("active", "sim", None)
    )
    assert book.trading_states == {"sim/BTC/USDT": "reducing"}
    assert set(book.trading_causes) == {"sim/BTC/USDT"}
    assert [scope_key(None, None), scope_key("sim", None), scope_key(None, "BTC/USDT")] == [
        "*",
        "sim",
        "*/BTC/USDT",
    ]


def test_limits_and_starts_are_remembered() -> None:
    """The last one counts."""
    book = folded(
        ev.LimitChanged(name="MAX_POSITION", old=None, new="50000", by="settings", reason="start"),
        ev.LimitChanged(name="MAX_POSITION", old="50000", new="10", by="u", reason="r"),
        ev.RuntimeStarted(epoch=3, incarnation="abc", version="1"),
    )
    assert book.limits == {"MAX_POSITION": "10"}
    assert (book.epoch, book.incarnation) == (3, "abc")


def test_every_kind_of_event_has_a_fold() -> None:
    """One that had none would stop the journal at the first of its kind."""
    assert set(folding.RULES) == set(ev.AnyEvent.__args__)


def test_a_copy_is_folded_further_without_changing_the_original() -> None:
    """And the other way round."""
    book = folded(accepted(), filled())
    copied, before = book.copy(), encode_book(book)
    assert copied == book
    folded(filled(trade="t2", quantity="0.1"), accepted(2), book=copied)
    assert encode_book(book) == before
    assert encode_book(folded(filled(trade="t2", quantity="0.1"), accepted(2), book=book)) == encode_book(
        copied
    )


# Random journals: a stream of plausible and implausible events; those that the fold refuses are not written.

numbers = st.integers(0, 4)
candidates = st.one_of(
    numbers.map(accepted),
    numbers.map(lambda n: ev.OrderDenied(intent=intent(n, venue_id=""), code="X", detail="y")),
    numbers.map(lambda n: ev.OrderSubmitted(**about(n))),
    numbers.map(lambda n: ev.OrderAcknowledged(exchange_order_id=f"e{n}", **about(n))),
    numbers.map(lambda n: ev.OrderUnresolved(reason="r", **about(n))),
    numbers.map(lambda n: ev.OrderAbsent(proof="p", **about(n))),
    numbers.map(lambda n: ev.CancelRequested(by="b", **about(n))),
    numbers.map(lambda n: ev.CancelRefused(reason="r", **about(n))),
    numbers.map(lambda n: ev.OrderCanceled(reason="r", **about(n))),
    st.builds(
        lambda n, quantity, trade, side, price: filled(n, quantity, f"t{trade}", side=side, price=price),
        numbers,
        st.sampled_from(["0.1", "0.3", "1"]),
        st.integers(0, 5),
        st.sampled_from(["buy", "sell"]),
        st.decimals(min_value=1, max_value=1000, places=3),
    ),
    st.builds(
        lambda n, quantity: ev.PositionAdjusted(
            exchange="sim",
            symbol="ETH/USDT",
            quantity=quantity,
            price=Decimal(3),
            cause="transfer",
            evidence=f"x{n}",
        ),
        st.integers(),
        st.decimals(min_value=-5, max_value=5, places=3),
    ),
)


def _written(events: list[ev.AnyEvent]) -> list[ev.AnyEvent]:
    book, written = Book(), []
    for event in events:
        try:
            folded(event, book=book)
        except (IllegalTransition, DuplicateFill, KeyError, ValueError):
            continue
        written.append(event)
    return written


@given(st.lists(candidates, max_size=40), st.integers(0, 40))
def test_a_snapshot_and_the_tail_give_the_same_book_as_the_whole_journal(
    events: list[ev.AnyEvent], cut: int
) -> None:
    """Byte for byte, whichever place the snapshot was taken at."""
    written = _written(events)
    whole = folded(*written)
    head = folded(*written[:cut])
    restored = decode_book(encode_book(head))
    assert restored == head
    assert encode_book(folded(*written[cut:], book=restored)) == encode_book(whole)


@given(st.lists(candidates, max_size=40))
def test_positions_are_the_sum_of_the_fills_and_adjustments(events: list[ev.AnyEvent]) -> None:
    """Counted independently of the fold."""
    expected: dict[tuple[str, str], Decimal] = {}
    written = _written(events)
    for event in written:
        if isinstance(event, ev.OrderFilled):
            signed = event.fill.quantity if event.fill.side == "buy" else -event.fill.quantity
            place = (event.exchange, event.symbol)
        elif isinstance(event, ev.PositionAdjusted):
            signed, place = event.quantity, (event.exchange, event.symbol)
        else:
            continue
        expected[place] = expected.get(place, Decimal(0)) + signed
    book = folded(*written)
    assert {place: position.quantity for place, position in book.positions.items()} == expected


def test_a_small_memory_gives_the_same_result_after_a_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is forgotten first is part of the state: the order within the dictionaries survives encoding."""
    monkeypatch.setattr(folding, "CLOSED_KEPT", 3)
    monkeypatch.setattr(folding, "ADJUSTMENTS_KEPT", 3)
    events: list[ev.AnyEvent] = []
    for number in range(8):
        adjusted = ev.PositionAdjusted(
            exchange="sim",
            symbol="BTC/USDT",
            quantity=Decimal(1),
            price=Decimal(1),
            cause="trade of another on the account",
            evidence=f"t{number}",
            happened_us=number + 1,
        )
        events += [accepted(number), ev.OrderCanceled(reason="r", **about(number)), adjusted]
    whole = folded(*events)
    for cut in range(len(events)):
        restored = decode_book(encode_book(folded(*events[:cut])))
        assert encode_book(folded(*events[cut:], book=restored)) == encode_book(whole)
    assert list(whole.closed) == ["order-5", "order-6", "order-7"]
    assert list(whole.adjustments["sim", "BTC/USDT"]) == ["t5", "t6", "t7"]
    assert whole.forgotten == {("sim", "BTC/USDT"): 5}
    copied = whole.copy()
    folded(msgspec.structs.replace(adjusted, evidence="t9", happened_us=10), book=copied)
    assert encode_book(folded(*events)) == encode_book(whole)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"seq":1}'])
def test_bytes_that_are_no_book_are_refused(data: bytes) -> None:
    """A snapshot is an optimisation: a bad one must be noticed, never half used."""
    with pytest.raises((msgspec.ValidationError, msgspec.DecodeError)):
        decode_book(data)
