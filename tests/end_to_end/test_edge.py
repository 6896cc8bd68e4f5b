"""The edge of the running service: one order is one order, everybody is told everything, who dies goes on."""

import json
import subprocess
import sys

import pytest

from ops.proof.retries import play
from ops.proof.running import Running
from ops.proof.subscribers import Play
from tests.fixtures.service import TOKEN


@pytest.fixture(scope="module")
def running(services):
    service = services(EXCHANGES='["dummy"]')
    return Running(f"http://{service.address}", TOKEN, service.process.pid)


async def test_one_order_that_is_asked_for_from_many_connections_at_once_is_one_order(running):
    found = await play(running, requests=200, connections=20)
    assert found.wrong == []
    assert sum(found.statuses.values()) == 200


async def test_healthy_subscribers_get_every_update_in_order_beside_stalled_ones(running):
    found = await Play(running).run(subscribers=20, stalled=4, seconds=3.0)
    assert [each for each in found.wrong if not each.startswith("p99")] == []
    assert found.updates == 2 * found.orders > 0


def test_a_client_that_is_killed_and_resumes_sees_each_event_once(running):
    command = [sys.executable, "-m", "ops.proof.resumes", "--kills", "6", "--url", running.url]
    done = subprocess.run(command, input=TOKEN, capture_output=True, text=True, timeout=120, check=False)
    found = json.loads(done.stdout)
    assert (done.returncode, found["wrong"], found["kills"]) == (0, [], 6)
