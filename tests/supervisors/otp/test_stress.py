"""A small part of the seeded stress test; the whole is `python -m ops.proof.kernel_stress --seeds 2000`."""

import pytest

from ops.proof.kernel_stress import check_seed


@pytest.mark.parametrize("seed", range(12))
def test_a_random_tree_under_random_failures_keeps_its_promises(seed):
    verdict = check_seed(seed)
    assert verdict.wrong == [], f"replay with: python -m ops.proof.kernel_stress --seed {seed} --trace"


def test_the_same_seed_is_the_same_run():
    assert check_seed(3).digest == check_seed(3).digest
