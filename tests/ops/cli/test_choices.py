"""From settings to the runtime's choices."""

from dataclasses import asdict
from pathlib import Path

from actors.risk.limits import KINDS, RiskLimits
from config import load
from ops.cli.choices import runtime_choices


def test_every_limit_is_a_setting_with_the_same_default(tmp_path: Path) -> None:
    settings = load({"HOME": str(tmp_path)})
    assert set(asdict(settings.risk)) == set(KINDS)
    assert runtime_choices(settings, ()).limits == RiskLimits()


def test_what_takes_two_people_reaches_the_tree(tmp_path: Path) -> None:
    settings = load({"HOME": str(tmp_path), "TRADEWARDEN_SECOND_PERSON": "resume"})
    told = runtime_choices(settings, ())
    assert (told.second_person_for_limits, told.second_person_to_resume) == (False, True)
