"""The planted bugs follow the code: each text of theirs is there, once."""

import pytest

from ops.proof.mutants.planting import ROOT, bugs


@pytest.mark.parametrize("bug", bugs(), ids=lambda bug: bug.name)
def test_a_planted_bug_still_applies(bug):
    """Whoever moves the code that a bug edits moves the bug along, in ops/proof/mutants/planted.toml."""
    for edit in bug.edit:
        assert (ROOT / edit.file).read_text().count(edit.search) == 1, edit.file


def test_there_are_enough_of_them():
    """Names are told apart in the report."""
    names = [bug.name for bug in bugs()]
    assert len(names) == len(set(names)) >= 25
