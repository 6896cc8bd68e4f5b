"""What `tradewarden limits` prints, and how it is called."""

import argparse

import pytest

from ops.cli import limits
from ops.cli.command import Failed
from web.routes.limits import LimitChangeBody, LimitResultBody, LimitsBody, LimitStateBody
from web.wire import ProposalBody


def test_where_the_service_is_may_stand_before_or_behind_the_action():
    parser = argparse.ArgumentParser()
    limits.configure(parser)
    for line in ("--url http://x set margin off --reason r", "set margin off --reason r --url http://x"):
        asked = parser.parse_args(line.split())
        assert (asked.service, asked.token_file, asked.action, asked.value) == (
            "http://x",
            None,
            "set",
            "off",
        )
    assert parser.parse_args([]).action is None


def test_a_change_says_what_became_of_it():
    result = LimitResultBody(status="set", name="margin", value="off", old="on", by="ann", approved_by="ben")
    assert list(limits.changed(result)) == ["margin is off, it was on; by ann and ben"]
    proposal = ProposalBody(what="margin off", by="ann", reason="r", until="2026-11-22T10:00:00Z")
    waiting = LimitResultBody(status="proposed", name="margin", value="off", by="ann", proposal=proposal)
    assert "another person" in next(iter(limits.changed(waiting)))
    unknown = LimitResultBody(status="unknown", name="margin", value="off", by="ann", detail="no word")
    assert "not known" in next(iter(limits.changed(unknown)))


def test_versions_are_a_table():
    change = LimitChangeBody(
        seq=1, at="t", name="margin", old=None, new="off", by="ann", approved_by=None, reason="because"
    )
    assert list(limits.versions([change])) == [
        "when  limit   was  is   by   why",
        "t     margin  -    off  ann  because",
    ]


class Unchanged:
    """A service whose only limit was never changed."""

    async def limit_changes(self, _name):
        for none in ():
            yield none

    async def limits(self):
        margin = LimitStateBody(name="margin", value="on", settings="on", allowed="on or off")
        return LimitsBody(limits=(margin,), proposals=())


async def test_the_history_of_a_limit_that_there_is_not_is_refused():
    """An empty table would say that a mistyped limit was never changed."""
    assert await limits.history(Unchanged(), "margin") == await limits.history(Unchanged(), None) == []
    with pytest.raises(Failed, match="no limit 'margni'"):
        await limits.history(Unchanged(), "margni")
