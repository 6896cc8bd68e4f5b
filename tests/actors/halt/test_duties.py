"""What the operator's actor owes, worked out from where things stand."""

from decimal import Decimal

import pytest

from actors.halt.duties import (
    CancelDuty,
    cancel_duties,
    closing_intent,
    flatten_duties,
    scope_of,
    sweep_duties,
    unjournaled_kills,
    unjournaled_states,
)
from actors.halt.gate import Engaged, Restriction
from actors.model.book import Book, scope_key
from actors.model.events import KillEngaged, OrderAccepted, TradingStateChanged
from actors.model.instrument import Instrument
from actors.model.opening import opening
from actors.model.order import Order, OrderIntent
from tests.actors.halt.test_gate import kill

D = Decimal
BTC = Instrument(
    exchange="sim",
    symbol="BTC/USDT",
    base="BTC",
    quote="USDT",
    tick=D("0.01"),
    lot=D("0.001"),
    min_notional=D(5),
)


def order(number: int, side: str, quantity: str, *, reduce_only: bool = False) -> Order:
    """An open order."""
    intent = OrderIntent(
        order_id=f"o{number}",
        client_order_id=f"c{number}",
        exchange="sim",
        symbol="BTC/USDT",
        side=side,
        type="limit",
        quantity=D(quantity),
        limit_price=D(100),
        reduce_only=reduce_only,
        venue_id=f"v{number}",
    )
    return Order(intent=intent, created_us=number)


def book(held: str = "0", *orders: Order) -> Book:
    """A book that holds this much and these orders."""
    made = Book()
    for number, each in enumerate(orders, 1):
        accepted = OrderAccepted(intent=each.intent, reserve_price=D(100), mark=D(100), send_before_us=0)
        made.apply(accepted, number, each.created_us)
    if D(held):
        position = made.position("sim", "BTC/USDT").trade(D(held), D(100))
        made.positions["sim", "BTC/USDT"] = position
    return made


def ids(orders: list[Order]) -> list[str]:
    """Their ids."""
    return [each.order_id for each in orders]


@pytest.mark.parametrize(
    ("held", "orders", "found"),
    [
        ("0", [order(1, "buy", "1"), order(2, "sell", "1")], ["o1", "o2"]),
        ("1", [order(1, "buy", "1"), order(2, "sell", "1")], ["o1"]),
        ("1", [order(1, "sell", "0.6"), order(2, "sell", "0.6")], ["o2"]),
        ("-1", [order(1, "buy", "1"), order(2, "sell", "1")], ["o2"]),
        ("1", [order(1, "sell", "1", reduce_only=True)], []),
        ("1", [order(1, "sell", "5", reduce_only=True)], ["o1"]),
        ("0", [order(1, "sell", "1", reduce_only=True)], ["o1"]),
        ("-1", [order(1, "sell", "1", reduce_only=True)], ["o1"]),
        ("1", [order(1, "sell", "0.6"), order(2, "sell", "0.6", reduce_only=True)], ["o1"]),
        ("1", [order(1, "sell", "0.4"), order(2, "sell", "0.6", reduce_only=True)], []),
    ],
)
def test_what_opens_is_what_could_leave_more_or_the_other_side(held, orders, found):
    assert ids(opening(orders, D(held))) == found


def engaged(**changes: object) -> Engaged:
    """A kill in force."""
    return Engaged(kill=kill(**changes))


def test_a_halt_cancels_what_opens_and_a_sweep_leaves_the_rest_to_itself():
    stands = book("0", order(1, "buy", "1"))
    assert cancel_duties([engaged(level="halt")], [], stands, {}) == (CancelDuty("sim", "BTC/USDT", False),)
    assert cancel_duties([engaged(level="cancel")], [], stands, {}) == ()
    assert cancel_duties([engaged(level="cancel")], [], stands, {("k1", "sim"): None}) == (
        CancelDuty("sim", "BTC/USDT", True, 1),
    )
    assert cancel_duties([engaged(level="halt", exchange="other")], [], stands, {}) == ()
    assert cancel_duties([], [], stands, {}) == ()


def test_a_restriction_cancels_what_opens():
    stands = book("0", order(1, "buy", "1"))
    reducing = Restriction(exchange=None, symbol="BTC/USDT", state="reducing", cause="a breach")
    assert cancel_duties([], [reducing], stands, {}) == (CancelDuty("sim", "BTC/USDT", False),)


def test_an_exit_placed_after_the_kill_stays():
    stands = book("1", order(9, "sell", "1", reduce_only=True))
    assert cancel_duties([engaged(number=5)], [], stands, {("k5", "sim"): None}) == ()
    assert cancel_duties([engaged(number=10)], [], stands, {("k10", "sim"): None}) != ()


def test_what_turns_up_late_does_not_take_a_persons_exit_along():
    stands = book("1", order(4, "buy", "1"), order(9, "sell", "1", reduce_only=True))
    (duty,) = cancel_duties([engaged(number=5)], [], stands, {("k5", "sim"): None})
    assert duty == CancelDuty("sim", "BTC/USDT", everything=True, exits_since_us=5)
    assert [each.is_exit_since(5) for each in stands.orders.values()] == [False, True]


def test_a_flatten_takes_exits_too_whenever_they_were_placed_but_not_what_closes_the_position():
    """One exit that stays would keep the position from being closed."""
    swept, flatten = {("k5", "sim"): None}, [engaged(number=5, level="flatten")]
    stands = book("1", order(9, "sell", "1", reduce_only=True))
    assert cancel_duties(flatten, [], stands, swept) == (CancelDuty("sim", "BTC/USDT", everything=True),)
    both = [*flatten, engaged(number=5)]
    assert cancel_duties(both, [], stands, swept) == cancel_duties(flatten, [], stands, swept)
    (duty,) = flatten_duties(flatten, book("1"), swept, {("sim", "BTC/USDT"): BTC})
    closing = Order(intent=closing_intent(duty, "o-9"), created_us=9)
    assert cancel_duties(flatten, [], book("1", closing), swept) == ()


def test_an_exit_that_outlived_its_position_goes_after_a_sweep_too():
    """Where the exchange doesn't enforce reduce-only it would open a position under the kill."""
    swept, outlived = {("k5", "sim"): None}, order(9, "sell", "1", reduce_only=True)
    cancel = [engaged(number=5)]
    assert cancel_duties(cancel, [], book("0", outlived), swept) == (CancelDuty("sim", "BTC/USDT", False),)
    assert cancel_duties(cancel, [], book("1", outlived), swept) == ()


def test_a_sweep_is_owed_wherever_the_kill_reaches_until_it_is_done():
    both = ("sim", "other")
    assert [exchange for _, exchange in sweep_duties([engaged()], both, {})] == ["sim", "other"]
    assert [exchange for _, exchange in sweep_duties([engaged(exchange="sim")], both, {})] == ["sim"]
    assert [exchange for _, exchange in sweep_duties([engaged()], both, {("k1", "sim"): None})] == ["other"]
    assert sweep_duties([engaged(level="halt")], both, {}) == ()


def test_a_position_is_closed_when_its_exchange_is_swept_and_nothing_works_there():
    flatten, swept, lots = [engaged(level="flatten")], {("k1", "sim"): None}, {("sim", "BTC/USDT"): BTC}
    (duty,) = flatten_duties(flatten, book("-1.2345"), swept, lots)
    assert (duty.side, duty.quantity) == ("buy", D("1.234"))
    assert flatten_duties(flatten, book("-1.2345"), {}, lots) == ()
    assert flatten_duties(flatten, book("-1.2345"), swept, {}) == ()
    assert flatten_duties(flatten, book("1", order(1, "sell", "1")), swept, lots) == ()
    assert flatten_duties(flatten, book("0.0005"), swept, lots) == ()
    assert flatten_duties([engaged(level="cancel")], book("1"), swept, lots) == ()


def test_the_journal_is_owed_what_it_does_not_have():
    one, two = engaged(number=1), engaged(number=2)
    stands = book()
    stands.apply(
        KillEngaged(kill_id="k1", level="cancel", exchange=None, symbol=None, reason="r", by="ann"), 1, 1
    )
    kills = {"k1": one, "k2": two}
    assert [event.kill_id for event in unjournaled_kills(kills, stands, {})] == ["k2"]
    assert unjournaled_kills(kills, stands, {"k2": None}) == ()


def test_a_restriction_is_owed_until_the_journal_has_the_same_state():
    stands = book()
    reducing = Restriction(exchange="sim", symbol=None, state="reducing", cause="a breach")
    (event,) = unjournaled_states({"sim": reducing}, stands, {})
    assert (event.exchange, event.old, event.new) == ("sim", "active", "reducing")
    stands.apply(event, 1, 1)
    assert unjournaled_states({"sim": reducing}, stands, {}) == ()
    halted = Restriction(exchange="sim", symbol=None, state="halted", cause="a difference")
    assert unjournaled_states({"sim": halted}, stands, {})[0].old == "reducing"
    assert isinstance(event, TradingStateChanged)


@pytest.mark.parametrize("scope", [(None, None), ("sim", None), (None, "BTC/USDT"), ("sim", "BTC/USDT:USDT")])
def test_a_scopes_key_leads_back_to_the_scope(scope):
    assert scope_of(scope_key(*scope)) == scope
