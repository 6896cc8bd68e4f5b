"""`python -m ops.venue`: it listens, says where, and stops when asked."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from ops.venue.main import parser, run

ROOT = Path(__file__).parents[3]


def test_it_serves_and_stops_cleanly(tmp_path):
    """TLS with an authority of its own, the control API beside it."""
    command = [
        sys.executable,
        "-m",
        "ops.venue",
        "--port",
        "0",
        "--control-port",
        "0",
        "--folder",
        str(tmp_path),
    ]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            lines = [process.stdout.readline() for _ in range(4)]
            port = re.search(r"https://127.0.0.1:(\d+)", lines[0]).group(1)
            control = re.search(r"http://127.0.0.1:(\d+)", lines[1]).group(1)
            import ssl

            trusted = ssl.create_default_context(cafile=tmp_path / "ca.pem")
            assert httpx.get(f"https://localhost:{port}/api/v3/time", verify=trusted, timeout=60).json()[
                "serverTime"
            ]
            assert httpx.get(f"http://localhost:{control}/_venue/faults", timeout=60).json() == []
            assert (tmp_path / "server.pem").stat().st_mode & 0o077 == 0
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0


def test_a_market_file_that_can_not_be_read_is_one_clear_line(tmp_path, capsys):
    missing = tmp_path / "none.csv"
    status = run(
        ["--port", "0", "--control-port", "0", "--folder", str(tmp_path), "--market-file", str(missing)]
    )
    assert status == 1
    assert "none.csv" in capsys.readouterr().err


def test_the_help_shows_an_example(capsys):
    with pytest.raises(SystemExit):
        parser().parse_args(["--help"])
    assert "_venue/faults" in capsys.readouterr().out
