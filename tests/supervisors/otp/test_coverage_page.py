"""The page that maps other projects' cases to ours names only tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
FOLDERS = ("tests/supervisors/otp", "tests/actors/kernel")


def test_every_test_that_the_page_names_exists():
    page = (ROOT / "docs" / "supervision-coverage.md").read_text()
    named = re.findall(r"`(test_\w+)`", page)
    sources = "".join(path.read_text() for folder in FOLDERS for path in (ROOT / folder).glob("test_*.py"))
    existing = re.findall(r"def (test_\w+)\(", sources)
    assert sorted({name for name in named if name not in existing}) == []
    assert len(named) > 100
