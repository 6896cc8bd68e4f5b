"""Budgets: never more than the limit in any window, nearly all of it in the long run, a reserve for
cancels.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.broker.limiter import Budget, BudgetSpec, Egress, Limiter, Priority
from actors.broker.port import Usage

SECOND = 1_000_000
MINUTE = 60 * SECOND


def weight(limit=6000, window=60.0, burst=0.08):
    return Budget(BudgetSpec(name="weight", limit=limit, window_seconds=window, burst=burst))


def drive(budget, seconds, units=1, priority=Priority.ENTRY, start=0):
    """Spend as fast as allowed; the times of the calls in µs."""
    now, calls = start, []
    while now < start + seconds * SECOND:
        wait = budget.wait_us(now, units, priority)
        if wait:
            now += wait
        else:
            budget.spend(now, units)
            calls.append(now)
    return calls


def most_in_any_window(calls, window_us, units=1):
    most = left = 0
    for right, at in enumerate(calls):
        while calls[left] <= at - window_us:
            left += 1
        most = max(most, right - left + 1)
    return most * units


@pytest.mark.parametrize("limit", [10, 100, 1200, 6000])
def test_no_window_holds_more_than_the_limit_and_little_is_wasted(limit):
    """Wherever the exchange begins to count."""
    calls = drive(weight(limit), seconds=240)
    assert most_in_any_window(calls, MINUTE) <= limit
    assert len(calls) / 4 >= 0.9 * limit - 1


def test_cancels_have_a_reserve_that_entries_cant_use():
    """With entries at their end, a tenth of a second's worth and more is left for cancels at once."""
    budget = weight()
    drive(budget, seconds=30)
    now = 30 * SECOND
    while budget.wait_us(now, 1, Priority.ENTRY) == 0:
        budget.spend(now, 1)
    cancels = 0
    while budget.wait_us(now, 1, Priority.CANCEL) == 0:
        budget.spend(now, 1)
        cancels += 1
    assert cancels >= 200
    assert budget.wait_us(now, 1, Priority.MARKET) > budget.wait_us(now, 1, Priority.ENTRY) > 0


def test_a_call_dearer_than_the_burst_waits_for_an_empty_bucket_and_then_goes():
    """Nothing starves for being heavy."""
    budget = weight(limit=100)
    assert budget.wait_us(0, 50, Priority.MARKET) == 0
    budget.spend(0, 50)
    wait = budget.wait_us(0, 50, Priority.MARKET)
    assert 0 < wait < MINUTE
    assert budget.wait_us(wait, 50, Priority.MARKET) == 0


def test_what_others_use_behind_the_address_counts():
    """The exchange's header says more than we know of."""
    budget = weight(limit=100)
    budget.spend(0, 10)
    budget.learn(0, 0, Usage(budget="weight", used=10))
    own = budget.wait_us(0, 1, Priority.CANCEL)
    budget.learn(0, 0, Usage(budget="weight", used=60))
    assert budget.wait_us(0, 1, Priority.CANCEL) >= own + 30 * MINUTE // 100


def test_a_new_limit_in_the_headers_is_taken_over():
    """Half the limit, half the speed."""
    budget = weight(limit=600)
    budget.learn(0, 0, Usage(budget="weight", used=0, limit=300))
    assert most_in_any_window(drive(budget, seconds=120), MINUTE) <= 300


def test_a_retry_after_silences_everything():
    """Even a cancel: calling on during a ban makes it longer."""
    limiter = Limiter([weight()])
    limiter.block(5 * SECOND)
    assert limiter.wait_us(0, {"weight": 1}, Priority.CANCEL) == 5 * SECOND
    assert limiter.wait_us(5 * SECOND, {"weight": 1}, Priority.CANCEL) == 0


def test_accounts_behind_one_address_share_its_budget_and_its_bans():
    """What one spends the other can't; a ban of one silences both."""
    egress = Egress([weight(limit=100)])
    one, two = Limiter(egress=egress), Limiter(egress=egress)
    now = 0
    while one.wait_us(now, {"weight": 1}, Priority.CANCEL) == 0:
        one.spend(now, {"weight": 1})
    assert two.wait_us(now, {"weight": 1}, Priority.CANCEL) > 0
    one.block(MINUTE)
    assert two.wait_us(now, {}, Priority.CANCEL) == MINUTE


def test_the_tightest_budget_decides():
    """Weight is free, the order count is used up."""
    orders = Budget(BudgetSpec(name="orders", limit=10, window_seconds=10, burst=0.2))
    limiter = Limiter([weight(), orders])
    now = 0
    while limiter.wait_us(now, {"weight": 1, "orders": 1}, Priority.ENTRY) == 0:
        limiter.spend(now, {"weight": 1, "orders": 1})
    assert limiter.wait_us(now, {"weight": 1}, Priority.ENTRY) == 0


def test_a_budget_that_nobody_configured_costs_nothing():
    """An adapter may price what this account does not limit."""
    assert Limiter().wait_us(0, {"requests": 1}, Priority.MARKET) == 0


@given(
    st.lists(
        st.tuples(st.integers(0, 3 * SECOND), st.integers(1, 6), st.sampled_from(Priority)), max_size=200
    ),
    st.integers(20, 200),
)
def test_any_mixture_of_calls_keeps_below_the_limit(steps, limit):
    """Costs up to the burst never add up to more than the limit in a window."""
    budget = weight(limit, window=10.0, burst=0.3)
    now, calls = 0, []
    for pause, units, priority in steps:
        now += pause
        if budget.wait_us(now, units, priority) == 0:
            budget.spend(now, units)
            calls.append((now, units))
    for begin, _ in calls:
        assert sum(units for at, units in calls if begin <= at < begin + 10 * SECOND) <= limit + 6
