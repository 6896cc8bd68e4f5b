"""The same seed gives the same run: in this process, in another one, and whatever the hash seed."""

import decimal
import os
import subprocess
import sys
from pathlib import Path

import trio
from trio._core import _run as scheduler

from ops.proof import determinism
from ops.proof.plan import make_plan
from ops.proof.play import play

ROOT = Path(__file__).parents[3]


def test_the_private_names_that_determinism_rests_on_still_work():
    """Canary: without the flag or the coin, five tasks would not run in the same order every time."""
    assert isinstance(scheduler._ALLOW_DETERMINISTIC_SCHEDULING, bool)
    assert hasattr(scheduler._r, "getstate")

    async def order() -> list[int]:
        seen: list[int] = []

        async def task(number: int) -> None:
            for _ in range(5):
                await trio.lowlevel.checkpoint()
                seen.append(number)

        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(task, number)
        return seen

    runs = [determinism.run(order, seed="canary") for _ in range(5)]
    others = [determinism.run(order, seed=f"other {number}") for number in range(5)]
    assert all(run == runs[0] for run in runs)
    assert any(other != runs[0] for other in others)


def test_the_scheduler_is_left_as_it_was_found():
    """A simulation inside a test run doesn't make the tests after it deterministic."""

    async def nothing() -> None:
        await trio.lowlevel.checkpoint()

    before = scheduler._ALLOW_DETERMINISTIC_SCHEDULING, scheduler._r.getstate()
    determinism.run(nothing, seed="anything")
    assert (scheduler._ALLOW_DETERMINISTIC_SCHEDULING, scheduler._r.getstate()) == before


def test_a_plan_is_a_function_of_its_seed():
    """Nothing in a plan comes from anywhere else."""
    assert make_plan(7) == make_plan(7)
    assert make_plan(7) != make_plan(8)


def test_a_minute_with_faults_gives_the_same_journal_under_any_hash_seed():
    """I9: byte for byte, in fresh processes."""
    digests = [_digest_in_a_fresh_process(hash_seed) for hash_seed in ("1", "4711", "random")]
    with decimal.localcontext(decimal.Context(rounding=decimal.ROUND_HALF_UP)):
        # As ccxt leaves it to whoever shares its thread.
        here = play(make_plan(3, seconds=90.0))[1].digest
    assert digests == [here] * 3


def _digest_in_a_fresh_process(hash_seed: str) -> str:
    program = (
        "from ops.proof.play import be_quiet, play\n"
        "from ops.proof.plan import make_plan\n"
        "be_quiet()\n"
        "print(play(make_plan(3, seconds=90.0))[1].digest)\n"
    )
    done = subprocess.run(
        (sys.executable, "-c", program),
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()[-1]
