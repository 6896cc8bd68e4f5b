"""The doctor: what is wrong is said with what to do, and only what keeps the service from working fails."""

import os
import socket
from datetime import UTC, datetime, timedelta

import pytest

from ops.cli import main as cli
from ops.cli.doctor import CHECKS, look


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path, postgres_dsn):
    """A fresh data folder and a migrated database."""
    for name in list(os.environ):
        if name.startswith("TRADEWARDEN_"):
            monkeypatch.delenv(name)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setenv("TRADEWARDEN_BIND", f"127.0.0.1:{probe.getsockname()[1]}")
    monkeypatch.setenv("TRADEWARDEN_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TRADEWARDEN_DATABASE_URL", postgres_dsn)


def found() -> dict[str, tuple[str, str]]:
    return {finding.what: (finding.grade, finding.detail) for finding in look()}


def test_a_fresh_installation_works_and_is_told_what_to_think_of(capsys):
    grades = found()
    assert set(grades) == {"python", "settings", *CHECKS}
    assert {grade for grade, _ in grades.values()} == {"ok", "note"}
    assert "tradewarden backup" in grades["backups"][1]
    assert cli.main(["doctor"]) == 0


def test_a_backup_and_a_key_that_was_shown_leave_less_to_say(capsys):
    assert cli.main(["backup"]) == 0
    assert "nobody has a copy" in found()["backup key"][1]
    assert cli.main(["backup", "key"]) == 0
    assert "AGE-SECRET-KEY-" in capsys.readouterr().out
    assert found()["backup key"][0] == "ok"
    assert "on the disk of the data" in found()["backups"][1]


def test_an_old_backup_a_closed_vault_and_an_open_folder_are_said(monkeypatch, tmp_path, capsys):
    old = tmp_path / "backups" / "20200101T000000Z-1"
    old.mkdir(parents=True)
    (old / "manifest.json").write_text("{}")
    monkeypatch.setenv("TRADEWARDEN_BACKUP__FOLDER", str(old.parent))
    (tmp_path / "data").mkdir(mode=0o755)
    (tmp_path / "data" / "secrets.age").write_bytes(b"sealed")
    grades = found()
    assert grades["backups"][0] == grades["exchange keys"][0] == "bad"
    assert "chmod 700" in grades["data folder"][1]
    assert cli.main(["doctor"]) == 1


def test_a_backup_is_old_by_how_often_one_is_taken(monkeypatch, tmp_path):
    taken = datetime.now(UTC) - timedelta(days=3)
    folder = tmp_path / "backups" / f"{taken:%Y%m%dT%H%M%SZ}-1"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")
    monkeypatch.setenv("TRADEWARDEN_BACKUP__FOLDER", str(folder.parent))
    assert found()["backups"][0] == "bad"
    monkeypatch.setenv("TRADEWARDEN_BACKUP__EVERY_HOURS", "168")
    assert found()["backups"][0] != "bad"


def test_an_address_that_the_running_service_holds_is_no_fault(monkeypatch, tmp_path):
    """The doctor is asked about a service that runs, too; another program there keeps it from starting."""
    with socket.create_server(("127.0.0.1", 0)) as web, socket.socket(socket.AF_UNIX) as door:
        monkeypatch.setenv("TRADEWARDEN_BIND", f"127.0.0.1:{web.getsockname()[1]}")
        assert found()["address"][0] == "bad"
        (tmp_path / "data").mkdir(mode=0o700, exist_ok=True)
        door.bind(str(tmp_path / "data" / "kill.sock"))
        assert found()["address"][0] == "bad"
        door.listen(1)
        grade, detail = found()["address"]
    assert (grade, "the service runs" in detail) == ("ok", True)


def test_a_data_folder_whose_path_is_too_long_for_a_socket_is_bad(monkeypatch, tmp_path, capsys):
    """The kill switch has a socket in it; what the system said of that named no setting."""
    folder = tmp_path / ("a" * 100)
    monkeypatch.setenv("TRADEWARDEN_DATA_DIR", str(folder))
    grade, detail = found()["data folder"]
    assert (grade, "TRADEWARDEN_DATA_DIR" in detail) == ("bad", True)
    capsys.readouterr()
    assert cli.main(["run"]) == 78
    assert capsys.readouterr().err.count("\n") == 1


def test_a_disk_below_the_reserve_is_bad(monkeypatch):
    monkeypatch.setenv("TRADEWARDEN_DISK__RESERVE_MB", "1000000")
    assert found()["disk"][0] == "bad"


def test_redis_that_is_away_and_channels_that_are_missing_are_notes_and_a_bad_channel_is_bad(
    monkeypatch, tmp_path, redis_server
):
    assert found()["redis"] == ("ok", "not used; it is not needed")
    assert found()["notifications"][0] == "note"
    monkeypatch.setenv("TRADEWARDEN_REDIS_URL", f"unix://{tmp_path}/nothing.sock")
    monkeypatch.setenv("TRADEWARDEN_NOTIFY", "team")
    monkeypatch.setenv("TRADEWARDEN_NOTIFY__TEAM__KIND", "slack")
    grades = found()
    assert (grades["redis"][0], grades["notifications"][0]) == ("note", "bad")
    assert "NOTIFY__TEAM__URL" in grades["notifications"][1]
    monkeypatch.setenv("TRADEWARDEN_REDIS_URL", redis_server.url)
    monkeypatch.setenv("TRADEWARDEN_NOTIFY__TEAM__URL", "https://hooks.slack.com/services/T/B/secret")
    grades = found()
    assert grades["redis"] == ("ok", "it answers")
    assert grades["notifications"] == ("ok", "team (slack)")


def test_an_exchange_that_can_t_be_traded_is_one_finding_among_the_others(monkeypatch):
    """The doctor looks at everything else too, and ends with a line for each."""
    monkeypatch.setenv("TRADEWARDEN_EXCHANGES", "binace")
    grades = found()
    assert (grades["exchanges"][0], grades["address"][0]) == ("bad", "ok")
    assert "no exchange 'binace'" in grades["exchanges"][1]


def test_a_kill_file_that_waits_for_the_next_start_is_said(tmp_path):
    """Nobody looks for it when the service comes up halted."""
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data" / "KILL").touch()
    grade, detail = found()["kill switch"]
    assert grade == "note"
    assert f"{tmp_path}/data/KILL" in detail
