"""What mutmut left is read as it is meant: words are no survivors, and a survivor says what was changed."""

import json

from ops.proof.mutation.__main__ import ROOT, SCOPES
from ops.proof.mutation.survivors import Survivor, read

SOURCE = """
def x_less__mutmut_orig(a, b):
    return a < b, 'a is less'

def x_less__mutmut_1(a, b):
    return a <= b, 'a is less'

def x_less__mutmut_2(a, b):
    return a < b, 'XXa is lessXX'

def x_less__mutmut_3(a, b):
    return None, 'a is less'
"""


def a_run(folder, **codes):
    (folder / "m.py").write_text(SOURCE)
    named = {f"m.x_less__mutmut_{number}": code for number, code in codes.items()}
    (folder / "m.py.meta").write_text(json.dumps({"exit_code_by_key": named}))
    return read(folder)


def test_what_a_test_noticed_is_no_survivor(tmp_path):
    outcome = a_run(tmp_path, **{"1": 1, "3": 1})
    assert (dict(outcome.counts), outcome.survivors) == ({"noticed": 2}, [])


def test_a_change_of_words_is_counted_apart(tmp_path):
    outcome = a_run(tmp_path, **{"2": 0})
    assert (dict(outcome.counts), outcome.survivors) == ({"words only": 1}, [])


def test_a_survivor_tells_the_lines_that_differ(tmp_path):
    outcome = a_run(tmp_path, **{"1": 0})
    change = "- return (a < b, 'a is less')\n+ return (a <= b, 'a is less')"
    assert outcome.survivors == [Survivor("m.less", change)]


def test_what_no_test_comes_to_and_what_was_not_run_are_no_successes(tmp_path):
    outcome = a_run(tmp_path, **{"1": 33, "2": None})
    assert dict(outcome.counts) == {"survived": 1, "not run": 1}


def test_every_scope_names_files_that_are_there():
    paths = [path for scope in SCOPES.values() for path in (*scope.sources, *scope.tests)]
    assert [path for path in paths if not (ROOT / path).exists()] == []
