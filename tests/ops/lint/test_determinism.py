"""What the lint finds, and what it must leave alone."""

from pathlib import Path
from textwrap import dedent

import pytest

from ops.lint.determinism import check_files, check_sources
from ops.lint.determinism.__main__ import main


def lines_found(source: str) -> list[int]:
    return [finding.line for finding in check_sources({"x.py": dedent(source)})]


@pytest.mark.parametrize(
    "source",
    [
        "import time\nx = time.time()",
        "import time\ndef f(clock=time.monotonic): pass",
        "import time as t\nx = t.time_ns()",
        "from time import perf_counter as now\nx = now()",
        "import datetime\nx = datetime.datetime.now()",
        "from datetime import datetime, UTC\nx = datetime.now(UTC)",
        "from datetime import date\nx = date.today()",
        "import uuid\nx = uuid.uuid4()",
        "from uuid import uuid4\nx = uuid4",
        "import random\nx = random.choice([1])",
        "from random import shuffle\nshuffle([])",
        "import random\nx = random.Random()",
        "from random import SystemRandom\nx = SystemRandom()",
        "import secrets\nx = secrets.token_hex()",
        "from secrets import token_hex\nx = token_hex()",
        "import os\nx = os.urandom(8)",
        "# text\nx = hash('BTC/USDT')",
    ],
)
def test_clocks_and_randomness_of_the_machine_are_found(source: str) -> None:
    assert lines_found(source) == [2]


@pytest.mark.parametrize(
    "source",
    [
        "from random import Random\nx = Random(7)",
        "import random\ndef f(rng: random.Random) -> float: return rng.random()",
        "def f(time): return time.time()",
        "import uuid\nx = uuid.uuid5(uuid.NAMESPACE_URL, 'a')",
        "from datetime import datetime\nx = datetime.fromtimestamp(0)",
        "class A:\n    def __hash__(self): return hash((1, 2))",
        "import trio\nx = trio.current_time()",
        "class Clock:\n    def now(self): return 1\nx = Clock().now()",
    ],
)
def test_what_is_injected_or_seeded_is_left_alone(source: str) -> None:
    assert lines_found(source) == []


@pytest.mark.parametrize(
    "source",
    [
        "for x in {1, 2}: pass",
        "y = [x for x in set('ab')]",
        "y = {x: 1 for x in frozenset('ab')}",
        "y = list({1} | {2})",
        "y = tuple({a for a in 'ab'})",
        "y = ', '.join({'a', 'b'})",
        "y = [*{1, 2}]",
        "a, b = {1, 2}",
        "y = next(iter({1, 2}))",
        "y = {1, 2}.pop()",
        "def f(d, e):\n    for k in d.keys() - e.keys(): pass",
        "def f(names: set[str]):\n    return [n for n in names]",
        "def f(names: 'frozenset[str] | None'):\n    return list(names)",
        "def f():\n    seen = set()\n    for x in seen: pass",
        "def f(a: set[int], b):\n    yield from a.union(b)",
        "open_orders: set[str] = set()\nfor order in open_orders: pass",
        "class A:\n    def __init__(self): self._open = set()\n    def f(self): return list(self._open)",
        "class A:\n    names: frozenset[str]\ndef f(a): return [n for n in a.names]",
        "def f(a: set[int]):\n    def g():\n        return list(a)",
        "f = lambda: list({1, 2})",
    ],
)
def test_a_walk_over_a_set_is_found(source: str) -> None:
    assert len(lines_found(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "for x in sorted({2, 1}): pass",
        "y = len({1}) + max({1}) + sum(x for x in (1, 2))",
        "y = 1 in {1, 2}",
        "y = {x for x in {1, 2}}",
        "y = {*{1, 2}, 3}",
        "y = sorted(x + 1 for x in [1])",
        "for k in {'a': 1}: pass",
        "def f(a: set[int]):\n    a = sorted(a)\n    return list(a)",
        "def f(names: list[str]):\n    return [n for n in names]",
        "class A:\n    names: set[str]\nclass B:\n    names: tuple[str, ...]\ndef f(b): return list(b.names)",
        "def f(d): return [k for k in d.keys()]",
        "def f(a: set[int], b: set[int]): return a | b",
    ],
)
def test_what_does_not_depend_on_the_order_is_left_alone(source: str) -> None:
    assert lines_found(source) == []


def test_an_attribute_declared_in_another_module_is_known() -> None:
    sources = {"a.py": "class A:\n    names: set[str]", "b.py": "def f(a): return list(a.names)"}
    assert [finding.path for finding in check_sources(sources)] == ["b.py"]


def test_the_marker_needs_a_reason() -> None:
    assert lines_found("import time\nx = time.time()  # not-deterministic: the watchdog is outside") == []
    assert lines_found("import time\nx = time.time()  # not-deterministic:") == [2]


def test_files_are_checked_below_their_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "bad.py").write_text("import time\nx = time.time()\n")
    (tmp_path / "good.py").write_text("x = 1\n")
    assert len(check_files([tmp_path])) == 1
    assert main([str(tmp_path)]) == 1
    assert "bad.py:2: time.time is the wall clock" in capsys.readouterr().err
    (inner / "bad.py").unlink()
    assert main([str(tmp_path)]) == 0
