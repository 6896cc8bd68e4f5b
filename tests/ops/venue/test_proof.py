"""The runtime's own broker, position and journal actors against the venue, with damaged answers."""

import pytest
import trio
import trio_asyncio

from ops.proof.broker_crashes import prove as crash
from ops.proof.venue_faults import EXCHANGES, prove

FINDINGS = (
    "duplicates",
    "missing_in_journal",
    "unresolved",
    "lost",
    "phantom",
    "executed_differs",
    "fees_differ",
)


@pytest.mark.parametrize("exchange", list(EXCHANGES))
async def test_nothing_is_lost_or_doubled_when_answers_are(exchange):
    """A third of the answers is lost after the order was taken: every order is found, once, to the last
    digit.
    """
    with trio.fail_after(180):
        async with trio_asyncio.open_loop():
            report = await prove(exchange, 60, 0.34, 3, 20, kinds=("drop_after", "truncate", "html", "empty"))
    assert report["ok"], report
    assert report["sent"] == 60
    assert report["damaged"] >= 5


async def test_a_broker_that_dies_under_load_loses_and_doubles_nothing():
    """Five crashes over ccxt; a hundred are `python -m ops.proof.broker_crashes`."""
    with trio.fail_after(180):
        async with trio_asyncio.open_loop():
            report = await crash("bybit-linear", 5, 2)
    assert {name: report[name] for name in FINDINGS} == dict.fromkeys(FINDINGS, 0), report
    assert report["orders"] >= 10
