"""The places to listen at, tried before the service takes anything over from another."""

import os
import socket
from errno import EADDRINUSE
from pathlib import Path

from config import SettingsError
from config.settings import Address
from ops.cli.command import Failed
from supervisors.kill_socket import SOCKET

LONGEST_SOCKET_PATH = 107


def require_free(bind: Address) -> None:
    """Raise Failed when nobody can listen there now: it is taken, not this machine's, or no name at all."""
    family = socket.AF_INET6 if ":" in bind.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind.host, bind.port))
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            hint = "; does the service run already?" if getattr(error, "errno", 0) == EADDRINUSE else ""
            raise Failed(f"TRADEWARDEN_BIND={bind} can't be used: {why}{hint}") from error


def require_short(data_dir: Path) -> None:
    """Raise SettingsError when the socket of the kill switch can't be made there: its path is too long."""
    room = LONGEST_SOCKET_PATH - len(f"/{SOCKET}")
    used = len(os.fsencode(data_dir))
    if used > room:
        allowed = f"a path of at most {room}: sockets are in it"
        raise SettingsError("TRADEWARDEN_DATA_DIR", found=f"a path of {used} bytes", allowed=allowed)
