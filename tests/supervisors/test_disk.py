"""A disk that fills makes the account reduce only, with its cause, and never loosens what holds already."""

import pytest
import trio
from prometheus_client import CollectorRegistry

from actors.halt.gate import Gate
from supervisors import disk
from supervisors.disk import ACCOUNT, DiskChoice, DiskMetrics, watch_disk

RESERVE = 500_000_000


@pytest.fixture
def gate():
    made = Gate()
    made.finish_start()
    return made


async def look(gate, tmp_path, monkeypatch, free, *, times=1):
    """Let the watch look so many times at a disk with these bytes free; its metrics."""

    async def at_once(work, *arguments, **_options):
        await trio.lowlevel.checkpoint()
        return work(*arguments)

    # A mock clock would not wait for a thread.
    monkeypatch.setattr(disk.trio.to_thread, "run_sync", at_once)
    registry = CollectorRegistry()
    choice = DiskChoice(folders=(tmp_path,), reserve_bytes=RESERVE)
    with trio.move_on_after(disk.LOOK_SECONDS * (times - 0.5)):
        await watch_disk(choice, gate, DiskMetrics(registry), free)
    return registry


async def test_a_low_disk_lets_only_reducing_orders_pass(gate, tmp_path, monkeypatch, autojump_clock):
    registry = await look(gate, tmp_path, monkeypatch, lambda folder: RESERVE - 1)
    assert gate.state_for(None, None) == "reducing"
    assert gate.restrictions[ACCOUNT].cause == f"DISK_LOW: 499 MB of 500 are left in {tmp_path}"
    assert registry.get_sample_value("disk_low") == 1


async def test_with_room_nothing_is_restricted(gate, tmp_path, monkeypatch, autojump_clock):
    registry = await look(gate, tmp_path, monkeypatch, lambda folder: RESERVE)
    assert gate.state_for(None, None) == "active"
    assert registry.get_sample_value("disk_free_bytes", {"folder": str(tmp_path)}) == RESERVE


async def test_lifted_too_early_it_comes_back(gate, tmp_path, monkeypatch, autojump_clock):
    def lifted_in_between(folder):
        gate.restrict(None, None, "active", "")
        return 0

    await look(gate, tmp_path, monkeypatch, lifted_in_between, times=3)
    assert gate.state_for(None, None) == "reducing"


async def test_a_halt_is_not_loosened(gate, tmp_path, monkeypatch, autojump_clock):
    gate.restrict(None, None, "halted", "by somebody")
    await look(gate, tmp_path, monkeypatch, lambda folder: 0)
    assert gate.state_for(None, None) == "halted"
    assert gate.restrictions[ACCOUNT].cause == "by somebody"


async def test_a_disk_that_fails_is_no_reason_to_stop(gate, tmp_path, monkeypatch, autojump_clock):
    def fail(folder):
        raise OSError("stale handle")

    await look(gate, tmp_path, monkeypatch, fail, times=3)
    assert gate.state_for(None, None) == "active"
