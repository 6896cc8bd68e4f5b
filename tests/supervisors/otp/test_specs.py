"""Descriptions that contradict themselves are refused when they are made."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.kernel import TrioActor
from supervisors.otp import Backoff, ChildSpec, SpecError, SupervisorSpec


def child(**changes):
    return ChildSpec(**{"id": "a", "start": TrioActor} | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": ""},
        {"id": "a/b"},
        {"start": None},
        {"restart": "sometimes"},
        {"shutdown": -1},
        {"shutdown": "gently"},
        {"shutdown": math.nan},
        {"start_timeout": 0},
        {"significant": True},
    ],
)
def test_a_child_spec_that_makes_no_sense_is_refused(changes):
    with pytest.raises(SpecError) as caught:
        child(**changes)
    assert caught.value.code == "BAD_SPEC"


@pytest.mark.parametrize("shutdown", [0, 1, 2.5, math.inf, "brutal"])
def test_the_ways_to_shut_down(shutdown):
    assert child(shutdown=shutdown).shutdown == shutdown


@pytest.mark.parametrize(
    "changes",
    [
        {"strategy": "all_for_none"},
        {"auto_shutdown": "sometimes"},
        {"intensity": -1},
        {"period_seconds": 0},
        {"strategy": "simple_one_for_one"},
        {"template": lambda: None},
        {"strategy": "simple_one_for_one", "template": lambda: None, "children": (child(),)},
        {"children": (child(), child())},
        {"children": (child(restart="transient", significant=True),)},
        {"restart": "permanent", "significant": True},
        {"id": ""},
    ],
)
def test_a_supervisor_spec_that_makes_no_sense_is_refused(changes):
    with pytest.raises(SpecError):
        SupervisorSpec(**{"id": "top"} | changes)


def test_the_defaults_are_otps_where_otp_has_them():
    worker, supervisor = child(), SupervisorSpec(id="top")
    assert (worker.restart, worker.shutdown, worker.significant) == ("permanent", 5.0, False)
    assert (supervisor.restart, supervisor.shutdown) == ("permanent", math.inf)
    assert (supervisor.strategy, supervisor.auto_shutdown) == ("one_for_one", "never")


def test_specs_are_frozen_and_children_are_a_tuple():
    spec = SupervisorSpec(id="top", children=[child()])
    assert spec.children == (child(),)
    with pytest.raises(AttributeError):
        spec.id = "other"


@pytest.mark.parametrize(
    "changes",
    [
        {"initial": -1},
        {"initial": 2, "maximum": 1},
        {"maximum": math.inf},
        {"factor": 0.5},
        {"jitter": 2},
        {"jitter": -0.1},
        {"reset_after": -1},
    ],
)
def test_a_backoff_that_makes_no_sense_is_refused(changes):
    with pytest.raises(SpecError):
        Backoff(**changes)


def test_a_backoff_grows_to_its_maximum_and_the_first_restart_waits_for_nothing():
    backoff = Backoff(initial=1, maximum=10, factor=3, jitter=0)
    assert [backoff.delay(failures, 0.5) for failures in range(6)] == [0, 0, 1, 3, 9, 10]
    assert Backoff.none().delay(100, 0.5) == 0


@given(
    st.integers(0, 10_000),
    st.floats(0, 1, exclude_max=True),
    st.floats(0.001, 10),
    st.floats(1, 10),
    st.floats(0, 1),
)
def test_a_delay_stays_within_its_bounds(failures, unit, initial, factor, jitter):
    backoff = Backoff(initial=initial, maximum=30, factor=factor, jitter=jitter)
    delay = backoff.delay(failures, unit)
    if failures <= 1:
        assert delay == 0
    else:
        assert initial * (1 - jitter) * 0.999 <= delay <= 30 * (1 + jitter) * 1.001
