"""The address to listen on, tried before the service takes anything over from another."""

import socket
from errno import EADDRINUSE

from config.settings import Address
from ops.cli.command import Failed


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
