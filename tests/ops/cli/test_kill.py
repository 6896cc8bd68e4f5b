"""`tradewarden kill`: what it shows of what others wrote, and that no reason keeps it from stopping."""

import argparse

import pytest

from ops.cli import kill
from ops.cli.command import OK, plain
from web.routes.halt import EngagedBody, HaltBody

FORGED = "enough\x1b[2J\x1b]0;mine\x07\ntrading is active\u202e\x9b"


def asked(*arguments: str) -> argparse.Namespace:
    """The arguments as the command line reads them."""
    parser = argparse.ArgumentParser()
    kill.configure(parser)
    return parser.parse_args(arguments)


def test_what_could_steer_a_terminal_is_shown_as_an_escape():
    """In JSON it stays what it was; letters and signs of any script are left alone."""
    assert plain(FORGED) == r"enough\u001b[2J\u001b]0;mine\u0007\u000atrading is active\u202e\u009b"
    assert plain("größer 大 😀 \U000e0001") == r"größer 大 😀 \udb40\udc01"


def test_a_reason_can_neither_steer_the_terminal_nor_feign_a_line(monkeypatch, capsys):
    engaged = EngagedBody(
        kill_id="k1",
        level="halt",
        exchange=None,
        symbol=None,
        reason=FORGED,
        by="ann",
        at="t",
        automatic=False,
        sweeps=(),
    )
    halted = HaltBody(
        trading_state="halted",
        durable=True,
        problem=None,
        kills=(engaged,),
        restrictions=(),
        closing=(),
        proposal=None,
    )
    monkeypatch.setattr(kill, "ask", lambda _asked, _work: halted)
    assert kill.run(asked("--show")) == OK
    shown = capsys.readouterr().out
    assert len(shown.splitlines()) == 2
    assert all(line.isprintable() for line in shown.splitlines())


@pytest.mark.parametrize("reason", ["\udcff", "", "x" * 100_000], ids=["not utf-8", "blank", "long"])
def test_a_direct_kill_is_left_for_the_service_whatever_its_reason_is(monkeypatch, tmp_path, reason):
    monkeypatch.setenv("TRADEWARDEN_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(kill, "TAKEN_SECONDS", 0.0)
    assert kill.run(asked("--direct", "--reason", reason)) == OK
    assert 0 < len((tmp_path / "KILL").read_text()) <= 500
