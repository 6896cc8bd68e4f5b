"""A few seeds of the simulation, small enough for every test run."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import msgspec
import pytest

from actors.risk.protection import Protection
from ops.proof import simulate
from ops.proof.plan import make_plan
from ops.proof.play import play


@pytest.mark.parametrize("seed", range(11, 23))
def test_a_seed_with_faults_violates_nothing(seed):
    """I1 to I8, what clients saw, and that everything comes to rest."""
    _, result = play(make_plan(seed, seconds=150.0))
    assert result.violations == ()
    assert result.orders > 50


def test_a_fine_day_violates_nothing_and_fills_orders():
    """Without faults everything is answered at once."""
    world, result = play(make_plan(16, faults=False, seconds=120.0))
    assert result.violations == ()
    assert not any(call.answer in ("", "Refused") for call in world.calls if call.what == "cancel")
    assert any(venue.traded for venue in world.venues.values())


def test_a_runtime_that_overlooks_positions_without_a_stop_is_found(monkeypatch):
    """The check of the run's end sees what the risk room does not."""
    plan = make_plan(11, faults=False, seconds=120.0)
    plan = msgspec.structs.replace(plan, limits={**plan.limits, "max_seconds_without_stop": "5"})
    assert play(plan)[1].violations == ()
    monkeypatch.setattr(Protection, "look", lambda *_: None)
    assert any("without a live stop" in each.what for each in play(plan)[1].violations)


def test_whoever_is_interrupted_plays_no_further_seeds(monkeypatch):
    """One signal to the parent alone left it waiting for all of them, and its workers behind when it was
    killed for that.
    """
    played, go_on = [], Event()

    class Pool(ThreadPoolExecutor):
        def shutdown(self, wait=True, *, cancel_futures=False):
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            go_on.set()
            super().shutdown(wait=wait)

    def play_one(seed, *, faults):
        if seed > 1:
            go_on.wait()
        played.append(seed)

    monkeypatch.setattr(simulate, "ProcessPoolExecutor", Pool)
    monkeypatch.setattr(simulate, "play_seed", play_one)
    monkeypatch.setattr(simulate, "be_quiet", lambda: None)
    results = simulate._play_all(range(1, 50), 2, faults=True)
    next(results)
    results.close()
    assert len(played) <= 3
