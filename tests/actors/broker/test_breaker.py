"""The circuit breaker: opens on evidence, stays shut while open, tries again with few calls."""

from actors.broker.breaker import Breaker, BreakerSettings, Circuit

SETTINGS = BreakerSettings(open_for=5.0, trial_calls=3, run=8, slow_after=1.0)


def call(breaker, now, good=True, lasts=0.1):
    permit = breaker.permit(now)
    assert permit is not None
    breaker.done(permit, now + lasts, good)


def opened(at=0.0):
    breaker = Breaker(SETTINGS)
    while breaker.circuit(at) is Circuit.CLOSED:
        call(breaker, at, good=False, lasts=0.0)
    return breaker


def test_a_few_failures_are_no_verdict():
    """Below the minimum of calls nothing opens."""
    breaker = Breaker(SETTINGS)
    for n in range(4):
        call(breaker, n * 0.1, good=False)
    assert breaker.circuit(1) is Circuit.CLOSED


def test_half_of_the_calls_failing_opens():
    """Five of ten within the window."""
    breaker = Breaker(SETTINGS)
    for n in range(10):
        if breaker.circuit(n * 0.1) is Circuit.CLOSED:
            call(breaker, n * 0.1, good=n % 2 == 0)
    assert breaker.circuit(1.0) is Circuit.OPEN


def test_a_run_of_failures_opens_after_a_busy_healthy_time():
    """A ratio alone would need hundreds of failures."""
    breaker = Breaker(SETTINGS)
    for n in range(1000):
        call(breaker, n * 0.005)
    for n in range(8):
        call(breaker, 5 + n * 0.01, good=False)
    assert breaker.circuit(5.1) is Circuit.OPEN


def test_calls_that_hang_count_while_they_hang():
    """Ten seconds of time-out don't delay the verdict."""
    breaker = Breaker(SETTINGS)
    for n in range(100):
        call(breaker, n * 0.01)
    for n in range(8):
        assert breaker.permit(1.0 + n * 0.01) is not None
    assert breaker.circuit(1.9) is Circuit.CLOSED
    assert breaker.circuit(2.2) is Circuit.OPEN


def test_slow_answers_count_as_bad():
    """An exchange that needs two seconds for everything is as good as down."""
    breaker = Breaker(SETTINGS)
    for n in range(5):
        call(breaker, n * 2.0, lasts=1.9)
    assert breaker.circuit(10.0) is Circuit.OPEN


def test_failures_leave_the_window():
    """What was bad a minute ago says nothing."""
    breaker = Breaker(SETTINGS)
    for n in range(4):
        call(breaker, n * 0.1, good=False)
    for n in range(4):
        call(breaker, 60 + n * 0.1)
    call(breaker, 61, good=False)
    assert breaker.circuit(61.2) is Circuit.CLOSED


def test_good_calls_are_forgotten_when_they_leave_the_window():
    """A line that never fails is never judged, and must not gather what it could be judged by."""
    breaker = Breaker(SETTINGS)
    for n in range(1000):
        call(breaker, n * 1.0)
    assert len(breaker._outcomes) <= SETTINGS.window + 1


def test_no_call_passes_while_open_and_exactly_the_trial_calls_after():
    """Half-open counts calls that are out and calls that succeeded."""
    breaker = opened()
    assert breaker.permit(4.9) is None
    assert breaker.retry_at == 5.0
    permits = [breaker.permit(5.0) for _ in range(5)]
    assert [permit is not None for permit in permits] == [True, True, True, False, False]
    assert breaker.circuit(5.0) is Circuit.HALF_OPEN


def test_good_trials_close_the_circuit():
    """All of them, not the first."""
    breaker = opened()
    permits = [breaker.permit(5.0) for _ in range(3)]
    for permit in permits[:2]:
        breaker.done(permit, 5.1, True)
    assert breaker.circuit(5.1) is Circuit.HALF_OPEN
    breaker.done(permits[2], 5.2, True)
    assert breaker.circuit(5.2) is Circuit.CLOSED


def test_one_bad_trial_opens_again_for_the_whole_time():
    """Late answers of its companions change nothing."""
    breaker = opened()
    permits = [breaker.permit(5.0) for _ in range(3)]
    breaker.done(permits[0], 5.1, False)
    breaker.done(permits[1], 5.2, True)
    assert breaker.permit(10.0) is None
    assert breaker.permit(10.2) is not None


def test_a_trial_that_hangs_opens_again():
    """It is judged by the clock."""
    breaker = opened()
    assert breaker.permit(5.0) is not None
    assert breaker.circuit(6.5) is Circuit.OPEN


def test_a_released_trial_leaves_room_for_another():
    """A call given up on our side says nothing about the exchange."""
    breaker = opened()
    permits = [breaker.permit(5.0) for _ in range(3)]
    breaker.release(permits[0])
    assert breaker.permit(5.1) is not None


def test_answers_from_before_the_circuit_opened_say_nothing():
    """A straggler's success doesn't close it, its failure doesn't prolong it."""
    breaker = Breaker(SETTINGS)
    straggler = breaker.permit(0.0)
    while breaker.circuit(0.0) is Circuit.CLOSED:
        call(breaker, 0.0, good=False, lasts=0.0)
    breaker.done(straggler, 4.0, True)
    assert breaker.circuit(4.5) is Circuit.OPEN
    assert breaker.retry_at == 5.0
