"""When a delivery is tried again, and when an endpoint is left alone."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.webhook import schedule
from actors.webhook.port import BURIED, DELIVERED, RETRY, Answer, Delivery

NOW_US = 1_795_348_800_000_000
PAUSES = (0.0, 5.0, 300.0)


def delivery(attempts: int = 0) -> Delivery:
    return Delivery(
        delivery_id="msg_1",
        endpoint_id="ep_1",
        number=16,
        event="order_filled",
        subject="order/1",
        body=b"{}",
        created_us=NOW_US,
        due_us=NOW_US,
        attempts=attempts,
    )


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_success(status):
    found = schedule.settle(delivery(), Answer(status=status), PAUSES, NOW_US, Random(1))
    assert found.outcome == DELIVERED


@pytest.mark.parametrize("status", [None, 100, 199, 300, 301, 302, 307, 308, 400, 404, 410, 429, 500, 503])
def test_anything_else_is_failure_a_redirect_too(status):
    found = schedule.settle(delivery(), Answer(status=status, error="x"), PAUSES, NOW_US, Random(1))
    assert found.outcome == RETRY


@given(st.integers(0, 2**32), st.integers(0, 1))
def test_the_pause_before_a_retry_is_the_planned_one_within_a_fifth(seed, attempts):
    found = schedule.settle(delivery(attempts), Answer(status=500), PAUSES, NOW_US, Random(seed))
    pause = (found.due_us - NOW_US) / schedule.SECOND_US
    planned = PAUSES[attempts + 1]
    assert planned * 0.8 - 1e-5 <= pause <= planned * 1.2


def test_after_the_last_attempt_it_is_a_dead_letter():
    found = schedule.settle(delivery(2), Answer(status=500), PAUSES, NOW_US, Random(1))
    assert (found.outcome, found.error) == (BURIED, "status 500")


def test_what_no_database_takes_is_left_out_of_an_error():
    """A service that answers with NUL must not keep what became of the attempt from being written down."""
    found = schedule.settle(delivery(), Answer(status=500, error="a\0b\ud800"), PAUSES, NOW_US, Random(1))
    assert found.error == "a\ufffdb\ufffd"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, 0),
        ("120", 120),
        (" 7 ", 7),
        ("-5", 0),
        ("soon", 0),
        ("1e9", 0),
        ("99999999999999999999", 86_400),
        ("Mon, 23 Nov 2026 00:00:30 GMT", 30),
        ("Sun, 22 Nov 2026 00:00:00 GMT", 0),
        ("Mon, 23 Nov 2099 00:00:00 GMT", 86_400),
        ("\u0663", 0),
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date_and_bounded_by_a_day(text, seconds):
    at_us = 1_795_392_000_000_000  # 2026-11-23T00:00:00Z
    assert schedule.asked_patience(text, at_us) == seconds


def test_a_receiver_may_ask_for_more_patience_but_not_for_less():
    assert schedule.pause(5.0, "60", NOW_US, Random(1)) == 60
    assert schedule.pause(300.0, "1", NOW_US, Random(1)) >= 240


def test_an_endpoint_rests_after_ten_failures_then_one_delivery_is_tried_at_a_time():
    health = schedule.HEALTHY
    for _ in range(9):
        health = health.after(success=False, now_us=NOW_US)
    assert health.room(NOW_US, 8) == 8
    health = health.after(success=False, now_us=NOW_US)
    assert health.room(NOW_US, 8) == 0
    assert health.room(NOW_US + 1_000_000, 8) == 1
    assert health.after(success=True, now_us=NOW_US).room(NOW_US, 8) == 8


def test_rests_double_up_to_a_minute_and_failures_during_a_rest_do_not_lengthen_it():
    health, now_us, rests = schedule.Health(failures=9), NOW_US, []
    for _ in range(9):
        health = health.after(success=False, now_us=now_us)
        rests.append((health.rest_until_us - now_us) / schedule.SECOND_US)
        assert health.after(success=False, now_us=now_us).rest_until_us == health.rest_until_us
        now_us = health.rest_until_us
    assert rests == [1, 2, 4, 8, 16, 32, 60, 60, 60]
