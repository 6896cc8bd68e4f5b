"""The risk proof passes, is a function of its seed, and finds faults that are planted in the risk room."""

import pytest

from actors.model.order import Submission
from actors.risk.checks import exposure
from actors.risk.ledger import Account, Hold
from ops.proof.risk_checker import Unfounded
from ops.proof.risk_proof import prove


def run(seed: str, attempts: int) -> dict[str, object]:
    """A short proof."""
    return prove(seed, attempts, lambda line: None)


def test_a_short_proof_passes_and_its_journal_is_a_function_of_the_seed():
    first, again, other = run("a", 2_000), run("a", 2_000), run("b", 2_000)
    assert first == again
    assert first["journal"] != other["journal"]
    assert first["accepted"] > 100
    assert first["restarts"] >= 1


def test_a_ledger_that_forgets_unknown_orders_is_found(monkeypatch):
    real = Hold.of.__func__

    def forgetful(cls, order):
        return None if order.submission is Submission.UNKNOWN else real(cls, order)

    monkeypatch.setattr(Hold, "of", classmethod(forgetful))
    with pytest.raises(Unfounded):
        run("a", 10_000)


def test_a_check_that_forgets_working_orders_is_found(monkeypatch):
    monkeypatch.setattr(Account, "long_worst", property(lambda self: self.position.quantity))
    with pytest.raises(Unfounded):
        run("a", 10_000)


def test_a_check_that_is_off_by_one_lot_is_found(monkeypatch):
    real = exposure.symbol_exposure

    def generous(case, projected):
        return real(case, projected) - case.instrument.lot * case.mark

    monkeypatch.setattr(exposure, "symbol_exposure", generous)
    with pytest.raises(Unfounded, match=r"max_pos_usd|max_long_usd|max_short_usd"):
        run("a", 10_000)
