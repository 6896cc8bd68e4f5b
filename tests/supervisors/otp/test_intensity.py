"""Restart accounting against a model that keeps every time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisors.otp import RestartWindow


def allowed(intensity, period, times):
    window = RestartWindow(intensity, period)
    return [window.add(time) for time in times]


def test_an_intensity_of_zero_makes_the_first_restart_fatal():
    assert allowed(0, 5, [1]) == [False]


def test_the_window_is_inclusive():
    assert allowed(1, 5, [0, 5]) == [True, False]
    assert allowed(1, 5, [0, 5.001]) == [True, True]


@pytest.mark.parametrize("intensity", [1, 3, 10])
def test_exactly_the_intensity_is_allowed(intensity):
    assert allowed(intensity, 5, [0] * intensity) == [True] * intensity
    assert allowed(intensity, 5, [0] * (intensity + 1))[-1] is False


@given(
    st.integers(0, 5),
    st.floats(0.1, 10),
    st.lists(st.floats(0, 5), max_size=40),
)
def test_no_window_of_one_period_ever_holds_more_than_the_intensity(intensity, period, gaps):
    times = [sum(gaps[: index + 1]) for index in range(len(gaps))]
    window = RestartWindow(intensity, period)
    for index, time in enumerate(times):
        within = [earlier for earlier in times[: index + 1] if earlier >= time - period]
        assert window.add(time) == (len(within) <= intensity)
        assert len(window) == len(within)
