"""Limits as texts: what is journaled reads back as the same limit, and nonsense is refused with what would
do.
"""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model.book import Book
from actors.model.events import LimitChanged
from actors.model.messages import ChangeLimit, Proposed, Refused
from actors.model.two_people import PATIENCE_US
from actors.risk.changes import LimitDesk, settings_changes
from actors.risk.limits import (
    KINDS,
    BadLimit,
    RiskLimits,
    from_texts,
    is_looser,
    limit_text,
    parse_limit,
    texts,
)

amounts = st.decimals(min_value=0, max_value=10**15, places=6, allow_nan=False, allow_infinity=False)


def test_all_limits_survive_being_written_and_read():
    limits = RiskLimits(max_order_usd=Decimal("0.5"), margin=False, max_open_orders=7, symbol_whitelist=())
    assert from_texts(RiskLimits(), texts(limits)) == limits


@given(amounts)
def test_an_amount_survives_being_written_and_read(amount):
    assert parse_limit("max_pos_usd", limit_text(amount)) == amount


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_pos_usd", "-1"),
        ("max_pos_usd", "NaN"),
        ("max_pos_usd", "1e400"),
        ("max_pos_usd", "ten"),
        ("price_collar", "1"),
        ("price_collar", "0"),
        ("max_open_orders", "1.5"),
        ("max_open_orders", "-1"),
        ("message_window_seconds", "off"),
        ("max_price_age_seconds", "90000"),
        ("margin", "maybe"),
        ("resume_within_limits", "sometimes"),
        ("symbol_whitelist", "BTCUSDT"),
        ("no_such_limit", "1"),
    ],
)
def test_nonsense_is_refused_and_says_what_would_do(name, value):
    with pytest.raises(BadLimit) as refused:
        parse_limit(name, value)
    assert refused.value.name == name
    assert refused.value.allowed


def test_a_limit_of_another_version_in_the_journal_is_left_alone():
    assert from_texts(RiskLimits(), {"max_moon_phase": "full"}) == RiskLimits()


LOOSER = {
    "max_pos_usd": ("50000", "60000"),
    "max_daily_loss_usd": ("5000", "off"),
    "price_collar": ("0.1", "0.2"),
    "max_open_orders": ("5", "6"),
    "message_window_seconds": ("2", "1"),
    "duplicate_seconds": ("5", "1"),
    "margin": ("on", "off"),
    "self_match_prevention": ("on", "off"),
    "symbol_whitelist": ("BTC/USDT", "BTC/USDT,ETH/USDT"),
    "resume_within_limits": ("price", "always"),
}


@pytest.mark.parametrize("name", LOOSER)
def test_a_looser_limit_is_told_from_a_tighter_one(name):
    tight, loose = (parse_limit(name, value) for value in LOOSER[name])
    assert is_looser(name, tight, loose)
    assert not is_looser(name, loose, tight)
    assert not is_looser(name, tight, tight)


def test_every_limit_has_a_kind_that_reads_its_default():
    for name, value in texts(RiskLimits()).items():
        assert limit_text(parse_limit(name, value)) == value
        assert KINDS[name].allowed


def change(value: str, by: str = "ann", name: str = "max_pos_usd") -> ChangeLimit:
    """A request."""
    return ChangeLimit(name=name, value=value, by=by, reason="r")


def test_a_proposal_of_one_person_is_forgotten_after_a_while():
    desk, late = LimitDesk(second_person=True), PATIENCE_US + 1
    proposed = desk.ask(change("60000"), RiskLimits(), 0)
    assert proposed == Proposed(what="max_pos_usd 60000", by="ann", reason="r", until_us=PATIENCE_US)
    assert desk.waiting(PATIENCE_US) == (proposed,)
    assert desk.waiting(late) == ()
    assert isinstance(desk.ask(change("60000", "ben"), RiskLimits(), late), Proposed)
    changed = desk.ask(change("60000"), RiskLimits(), late + 1)
    assert isinstance(changed, LimitChanged)
    assert (changed.by, changed.approved_by) == ("ben", "ann")
    assert desk.waiting(late + 1) == ()


def test_the_second_person_has_to_ask_for_exactly_the_same():
    desk = LimitDesk(second_person=True)
    assert isinstance(desk.ask(change("60000"), RiskLimits(), 0), Proposed)
    other = desk.ask(change("70000", "ben"), RiskLimits(), 1)
    assert isinstance(other, Proposed)
    assert other.by == "ben"
    changed = desk.ask(change("70000"), RiskLimits(), 2)
    assert isinstance(changed, LimitChanged)
    assert changed.new == "70000"


def test_a_tighter_limit_needs_one_person_and_ends_what_was_proposed():
    desk = LimitDesk(second_person=True)
    desk.ask(change("60000"), RiskLimits(), 0)
    tighter = desk.ask(change("40000"), RiskLimits(), 1)
    assert isinstance(tighter, LimitChanged)
    assert tighter.approved_by is None
    assert desk.waiting(1) == ()


def test_nobody_may_pass_for_the_settings():
    assert isinstance(LimitDesk().ask(change("1", by="settings"), RiskLimits(), 0), Refused)


def test_only_what_the_settings_changed_since_last_time_is_a_change_of_theirs():
    book = Book()
    first = settings_changes(RiskLimits(), book)
    assert {event.name for event in first} == {
        name for name, value in texts(RiskLimits()).items() if value != "off"
    }
    for number, event in enumerate(first, 1):
        book.apply(event, number, 0)
    assert settings_changes(RiskLimits(), book) == ()
    run_time = LimitChanged(name="max_pos_usd", old="50000", new="70000", by="ann", reason="r")
    book.apply(run_time, 100, 0)
    assert settings_changes(RiskLimits(), book) == ()
    (lowered,) = settings_changes(RiskLimits(max_pos_usd=Decimal(60_000)), book)
    assert (lowered.old, lowered.new, lowered.by) == ("70000", "60000", "settings")
    (switched_off,) = settings_changes(RiskLimits(max_daily_loss_usd=None), book)
    assert (switched_off.name, switched_off.new) == ("max_daily_loss_usd", "off")
