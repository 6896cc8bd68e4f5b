"""What an order may become: judged like a new one in the room that it takes, reserved at the worst."""

from decimal import Decimal

import pytest

from actors.model import events as ev
from actors.risk import amends
from actors.risk.checks.breach import Breach
from actors.risk.decide import Passed
from actors.risk.state import RiskState
from tests.actors.risk.desk import BTC, Desk

D = Decimal


class Amending(Desk):
    """A desk whose orders can be amended."""

    def working(self, side, quantity, price, **changes):
        order_id = self.place(side, quantity, price, **changes)
        self.record(ev.OrderAcknowledged(exchange_order_id=f"x-{order_id}", **self.about(order_id)))
        return order_id

    def about(self, order_id):
        return amends.about(self.book.order(order_id))

    def asked(self, quantity, price):
        self.number += 1
        return ev.AmendAsked(amend_id=f"a-{self.number}", quantity=D(quantity), limit_price=D(price))

    def verdict(self, order_id, quantity, price):
        order, asked = self.book.order(order_id), self.asked(quantity, price)
        before = dict(self.state.ledger.holds)
        verdict = amends.judge(
            self.decider, self.state, order, asked, self.trading_state, self.killed, self.now_us
        )
        assert self.state.ledger.holds == before
        return verdict

    def code_of(self, order_id, quantity, price):
        verdict = self.verdict(order_id, quantity, price)
        return verdict.code if isinstance(verdict, Breach) else None

    def admit(self, order_id, quantity, price):
        """Accept an amend that must pass; return its event, which is not committed yet."""
        order, verdict = self.book.order(order_id), self.verdict(order_id, quantity, price)
        assert isinstance(verdict, Passed), verdict
        asked = self.asked(quantity, price)
        self.state.admit_amend(order, asked, verdict.price, self.now_us)
        return amends.accepted(order, asked, verdict, "", 0, self.book.seq)

    def hold_of(self, order_id):
        return self.state.ledger.holds[order_id]


def test_an_amend_is_judged_in_the_room_that_its_order_takes():
    """An order of 40,000 out of 50,000 may grow by 10,000 and not by more."""
    desk = Amending(max_pos_usd=D(50000))
    order_id = desk.working("buy", "1", "40000")
    assert desk.code_of(order_id, "1.25", "40000") is None
    assert desk.code_of(order_id, "1.26", "40000") == "MAX_POSITION"


def test_what_has_executed_counts_once():
    """It is in the position, and no longer in the order."""
    desk = Amending(max_pos_usd=D(50000))
    order_id = desk.working("buy", "1", "40000")
    desk.fill(order_id, "0.5", "40000")
    assert desk.code_of(order_id, "1.25", "40000") is None
    assert desk.code_of(order_id, "1.26", "40000") == "MAX_POSITION"


def test_an_order_beyond_a_lowered_limit_may_be_made_smaller():
    """No control keeps anybody from asking for less."""
    desk = Amending(max_pos_usd=D(50000))
    order_id = desk.working("buy", "1", "40000")
    desk.limits(max_pos_usd=D(10000))
    assert desk.code_of(order_id, "0.9", "40000") is None
    assert desk.code_of(order_id, "1.1", "40000") == "MAX_POSITION"


@pytest.mark.parametrize(
    ("quantity", "price", "code"),
    [
        ("0.9", "50000", "PRICE_COLLAR"),
        ("0.9", "40000.001", "INVALID_TICK"),
        ("0.0000005", "40000", "INVALID_LOT"),
        ("0.0001", "40000", "MIN_NOTIONAL"),
    ],
)
def test_the_new_terms_are_held_to_what_every_order_is_held_to(quantity, price, code):
    """However little they ask for."""
    desk = Amending()
    assert desk.code_of(desk.working("buy", "1", "40000"), quantity, price) == code


def test_nothing_is_amended_while_trading_is_halted_and_only_what_shrinks_while_it_is_reducing():
    """As for orders."""
    desk = Amending(max_pos_usd=D(500000))
    desk.hold("buy", "1", "40000")
    selling, buying = desk.working("sell", "0.5", "40000"), desk.working("buy", "0.5", "39000")
    desk.trading_state = "reducing"
    assert desk.code_of(selling, "0.9", "40100") is None
    assert desk.code_of(selling, "1.1", "40100") == "TRADING_REDUCING"
    assert desk.code_of(buying, "0.4", "39000") == "TRADING_REDUCING"
    desk.trading_state = "halted"
    assert desk.code_of(selling, "0.4", "40100") == "TRADING_HALTED"


@pytest.mark.parametrize(("quantity", "price"), [("2", "39000"), ("0.5", "41000"), ("2", "41000")])
def test_both_terms_are_reserved_for_until_the_amend_ended(quantity, price):
    """From before the journal has it to the word of the exchange, through fills and restarts."""
    desk = Amending(max_pos_usd=D(500000))
    order_id = desk.working("buy", "1", "40000")
    event = desk.admit(order_id, quantity, price)
    most = max(D(1), D(quantity))
    worst = (most, max(D(40000), D(price)))
    assert (desk.hold_of(order_id).remaining, desk.hold_of(order_id).price) == worst
    desk.fill(order_id, "0.25", "40000")
    assert (desk.hold_of(order_id).remaining, desk.hold_of(order_id).price) == (
        worst[0] - D("0.25"),
        worst[1],
    )
    desk.record(event)
    desk.fill(order_id, "0.125", "40000")
    assert desk.hold_of(order_id).remaining == worst[0] - D("0.375")
    fresh = RiskState.rebuild(desk.book, desk.state.limits)
    assert fresh.ledger.holds == desk.state.ledger.holds
    assert event.asked.amend_id in fresh.accepted
    desk.record(ev.OrderAmended(amend_id=event.asked.amend_id, **desk.about(order_id)))
    assert (desk.hold_of(order_id).remaining, desk.hold_of(order_id).price) == (
        D(quantity) - D("0.375"),
        D(price),
    )
    desk.cancelled(order_id)
    assert not desk.state.ledger.holds


def test_an_amend_that_never_came_into_the_journal_gives_its_reservation_back():
    """And only its own."""
    desk = Amending()
    order_id = desk.working("buy", "1", "40000")
    before = desk.hold_of(order_id)
    event = desk.admit(order_id, "1.2", "40000")
    assert not desk.state.release_amend(order_id, "another", desk.book.order(order_id))
    assert desk.state.release_amend(order_id, event.asked.amend_id, desk.book.order(order_id))
    assert desk.hold_of(order_id) == before


def test_both_prices_of_an_order_may_meet_our_own_orders():
    """Self-match prevention looks at the nearer one."""
    desk = Amending(self_match_prevention=True)
    order_id = desk.working("buy", "0.1", "39000")
    desk.record(desk.admit(order_id, "0.1", "39500"))
    assert desk.code("sell", "0.1", "39400") == "SELF_MATCH"
    assert desk.code("sell", "0.1", "39600") is None
    account = desk.state.ledger.accounts["sim", BTC]
    assert account.buy_prices == [D(39500)]
