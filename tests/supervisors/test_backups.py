"""When backups and drills are due, and that a failing one is told and tried again without harm."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
import trio
import trio.testing
from prometheus_client import CollectorRegistry

from persistence.backup.drill import DrillReport
from persistence.backup.job import Done
from persistence.backup.shelf import Shelf
from supervisors import backups
from supervisors.backups import BackupChoice, BackupMetrics, backup_due, drill_due, keep_backups

NOW = datetime(2026, 11, 25, 3, tzinfo=UTC)
DAY = 86_400.0


def us(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000


@pytest.fixture
def choice(tmp_path):
    return BackupChoice(
        dsn="",
        folder=tmp_path / "backups",
        keys_file=tmp_path / "key",
        data_dir=tmp_path,
        every_seconds=DAY,
        keep_days=30,
        drill_seconds=30 * DAY,
        version="1",
        instance="abcd",
    )


@pytest.fixture
def shelf(choice):
    return Shelf(choice.folder)


def put(shelf: Shelf, at: datetime) -> None:
    path = shelf.folder / f"{at:%Y%m%dT%H%M%SZ}-7"
    path.mkdir(parents=True)
    (path / "manifest.json").write_text("{}")


def report(shelf: Shelf, at: datetime, ok: bool) -> None:
    content = DrillReport(at=at.isoformat(), backup="x", ok=ok)
    (shelf.folder / "drill.json").write_bytes(msgspec.json.encode(content))


def test_a_backup_is_due_when_there_is_none_or_the_newest_is_a_day_old(choice, shelf):
    assert backup_due(choice, shelf, us(NOW))
    put(shelf, NOW)
    assert not backup_due(choice, shelf, us(NOW + timedelta(hours=23)))
    assert backup_due(choice, shelf, us(NOW + timedelta(hours=24)))


def test_a_backup_from_the_future_does_not_end_all_backups(choice, shelf):
    put(shelf, NOW + timedelta(days=400))
    assert backup_due(choice, shelf, us(NOW))


def test_a_backup_from_the_future_does_not_make_one_due_after_each_other(choice, shelf):
    """The clock was ahead once: its backup stays the newest by name, and the others count all the same."""
    put(shelf, NOW + timedelta(days=400))
    put(shelf, NOW)
    assert not backup_due(choice, shelf, us(NOW + timedelta(hours=23)))
    assert backup_due(choice, shelf, us(NOW + timedelta(hours=24)))


def test_a_drill_is_due_once_a_month_and_the_day_after_one_that_failed(choice, shelf):
    assert not drill_due(choice, shelf, us(NOW))  # nothing to try
    put(shelf, NOW)
    assert drill_due(choice, shelf, us(NOW))
    report(shelf, NOW, ok=True)
    assert not drill_due(choice, shelf, us(NOW + timedelta(days=29)))
    assert drill_due(choice, shelf, us(NOW + timedelta(days=30)))
    report(shelf, NOW, ok=False)
    assert not drill_due(choice, shelf, us(NOW + timedelta(hours=1)))
    assert drill_due(choice, shelf, us(NOW + timedelta(days=1)))


def test_either_can_be_switched_off(choice, shelf):
    put(shelf, NOW - timedelta(days=99))
    off = msgspec.structs.replace(choice, every_seconds=0.0, drill_seconds=0.0)
    assert not backup_due(off, shelf, us(NOW))
    assert not drill_due(off, shelf, us(NOW))


class Clock:
    """Real start, trio's time."""

    def now_us(self) -> int:
        return us(NOW) + int(trio.current_time() * 1_000_000)

    def monotonic(self) -> float:
        return trio.current_time()


async def test_a_shelf_that_can_not_be_read_is_told_and_looked_at_again(
    choice, shelf, monkeypatch, autojump_clock
):
    """A network disk that is gone must not end the service, nor the backups after it is back."""

    async def child(_choice, _clock, action):
        put(shelf, NOW + timedelta(seconds=int(trio.current_time())))
        return Done(name="x", bytes=7)

    async def off_loop(look):
        await trio.lowlevel.checkpoint()
        if trio.current_time() < 3600.0:
            raise OSError(116, "Stale file handle")
        return look()

    monkeypatch.setattr(backups, "_child", child)
    monkeypatch.setattr(backups, "_off_loop", off_loop)
    registry = CollectorRegistry()
    with trio.move_on_after(DAY / 2):
        await keep_backups(
            msgspec.structs.replace(choice, drill_seconds=0.0), Clock(), BackupMetrics(registry)
        )
    assert registry.get_sample_value("backup_failures_total", {"code": "SHELF_AWAY"}) >= 1
    assert len(shelf.names()) == 1


async def test_a_failed_backup_is_counted_and_tried_again_after_a_pause(
    choice, shelf, monkeypatch, autojump_clock
):
    asked: list[tuple[float, str]] = []

    async def child(_choice, _clock, action):
        asked.append((trio.current_time(), action))
        if len(asked) == 1:
            return Done(code="DISK_FULL", detail="no room")
        if action == "take":
            put(shelf, NOW + timedelta(seconds=int(trio.current_time())))
        else:
            report(shelf, NOW, ok=True)
        return Done(name="x", bytes=7)

    async def at_once(look):
        # A mock clock would not wait for a thread.
        await trio.lowlevel.checkpoint()
        return look()

    monkeypatch.setattr(backups, "_child", child)
    monkeypatch.setattr(backups, "_off_loop", at_once)
    registry = CollectorRegistry()
    with trio.move_on_after(DAY / 2):
        await keep_backups(choice, Clock(), BackupMetrics(registry))
    assert [action for _, action in asked] == ["take", "take", "drill"]
    first, second = (at for at, action in asked if action == "take")
    assert second - first >= backups.PAUSE_SECONDS
    assert registry.get_sample_value("backup_failures_total", {"code": "DISK_FULL"}) == 1
    assert registry.get_sample_value("backup_interval_seconds") == choice.every_seconds
    assert registry.get_sample_value("backup_last_success_timestamp_seconds") >= NOW.timestamp()
    assert registry.get_sample_value("restore_drill_last_success_timestamp_seconds") == NOW.timestamp()
