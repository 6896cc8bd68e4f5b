"""What keeps the service from starting is one line with the setting's name; a fault of ours, a traceback."""

import os
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from config import SettingsError, load
from config.values import Address
from ops.cli.address import require_free
from ops.cli.choices import server_settings
from ops.cli.command import Failed
from ops.cli.run import line_of
from persistence.certificate import own_certificate, utc_now

PROJECT = Path(__file__).parents[3]


def refused_start(folder: Path, dsn: str, **settings: str) -> tuple[int, str]:
    """Start the service, which must refuse; its exit code and the one line that it says."""
    chosen = {"DATA_DIR": str(folder), "DATABASE_URL": dsn, "BIND": "127.0.0.1:0", **settings}
    started = subprocess.run(
        [sys.executable, "-m", "ops.cli.main", "run"],
        check=False,
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)}
        | {f"TRADEWARDEN_{name}": value for name, value in chosen.items()},
        capture_output=True,
        text=True,
        timeout=60,
    )
    said = [line for line in started.stderr.splitlines() if not line.startswith("{")]
    assert len(said) == 1, started.stderr
    return started.returncode, said[0]


def test_a_port_that_is_taken_is_told_in_one_line_before_anything_is_taken_over(
    tmp_path: Path, empty_postgres_dsn: str
) -> None:
    """A second service on the database of a running one would depose it and then not even listen."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        bind = f"127.0.0.1:{other.getsockname()[1]}"
        code, said = refused_start(tmp_path, empty_postgres_dsn, BIND=bind)
    assert code == 1
    assert said == (
        f"tradewarden: TRADEWARDEN_BIND={bind} can't be used: Address already in use; "
        "does the service run already?"
    )


def test_a_market_file_that_is_none_is_told_in_one_line(tmp_path: Path, empty_postgres_dsn: str) -> None:
    """It is found out within the nurseries of the service, whose groups are no answer for a person."""
    file = tmp_path / "market.csv"
    file.write_bytes(b"\x1f\x8b\x08\x00 this is no gzip at all")
    code, said = refused_start(tmp_path, empty_postgres_dsn, SIM__MARKET_FILE=str(file))
    assert code == 78
    assert said.startswith(f"tradewarden: TRADEWARDEN_SIM__MARKET_FILE: found {file}, line 0: ")


def test_a_certificate_in_the_place_of_its_key_is_told_in_one_line(
    tmp_path: Path, empty_postgres_dsn: str
) -> None:
    """Two files that are easily swapped; the exchange of the two is not seen before they are used."""
    own_certificate(tmp_path, ["localhost"], utc_now())
    swapped = {"TLS__CERT": str(tmp_path / "key.pem"), "TLS__KEY": str(tmp_path / "certificate.pem")}
    code, said = refused_start(tmp_path, empty_postgres_dsn, **swapped)
    assert code == 78
    assert said.startswith("tradewarden: TRADEWARDEN_TLS__CERT: found ")


def test_a_certificate_is_tried_with_its_key(tmp_path: Path) -> None:
    """Contents that are no PEM are refused with the files' names; a pair that fits is taken."""
    own_certificate(tmp_path, ["localhost"], utc_now())
    (tmp_path / "bad.pem").write_text("no certificate")

    def settings(cert: str) -> None:
        files = {"TLS__CERT": str(tmp_path / cert), "TLS__KEY": str(tmp_path / "key.pem")}
        server_settings(load({"HOME": "/"} | {f"TRADEWARDEN_{name}": path for name, path in files.items()}))

    settings("certificate.pem")
    with pytest.raises(SettingsError, match=r"bad\.pem with .*key\.pem"):
        settings("bad.pem")


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid", "x" * 70, "2001:db8::1"])
def test_an_address_that_is_not_ours_or_a_name_of_nothing_is_told_with_the_setting(host: str) -> None:
    """Each fails in a way of its own: as an address, as a name, and as a text that is no name."""
    with pytest.raises(Failed, match=f"TRADEWARDEN_BIND=.*{host}.* can't be used: "):
        require_free(Address(host, 18_098))


def test_errors_of_the_system_within_nurseries_are_one_line_and_faults_of_ours_are_none() -> None:
    """The traceback of a fault is what its finder needs; that of a full disk is not."""
    full, away = OSError(28, "No space left on device"), socket.gaierror(-2, "Name or service not known")
    assert line_of(ExceptionGroup("a", [ExceptionGroup("b", [full])])) == (
        "can't run: [Errno 28] No space left on device"
    )
    both = ExceptionGroup("a", [away, ExceptionGroup("b", [full, full, ssl.SSLError(1, "bad")])])
    assert line_of(both) == (
        "can't run: [Errno -2] Name or service not known; [Errno 28] No space left on device; bad"
    )
    assert line_of(ExceptionGroup("a", [full, ValueError("a fault")])) is None
    assert line_of(ExceptionGroup("a", [BrokenPipeError(32, "Broken pipe")])) is None
    assert line_of(ValueError("a fault")) is None
