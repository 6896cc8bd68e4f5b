"""Refusing a server that may forget what it has confirmed.

An order is answered after its intent is durable; that promise is worth what the server's settings are
worth. The check holds for the embedded server and for one of the user's own, and reads the values of the
very session that would write: a role or a database may differ from the server.
"""

from dataclasses import dataclass

import psycopg

PROTECTING_SETTINGS = ("fsync", "full_page_writes", "synchronous_commit")
CONNECT_SECONDS = 10
_OFF = "off"


class UnsafeServer(Exception):
    """The server at an address has settings switched off that protect confirmed data.

    ``settings`` names those that are off.
    """

    code = "DATABASE_NOT_DURABLE"

    def __init__(self, settings: tuple[str, ...]) -> None:
        super().__init__(
            f"the PostgreSQL server has {', '.join(settings)} switched off: a crash could lose orders that "
            f"were confirmed. Switch {'it' if len(settings) == 1 else 'them'} on and start again."
        )
        self.settings = settings


@dataclass(frozen=True, slots=True)
class Durability:
    """What a server said of itself: its version (``180006`` is 18.6) and the settings that protect data."""

    server_version: int
    settings: tuple[tuple[str, str], ...]

    @property
    def switched_off(self) -> tuple[str, ...]:
        """The protecting settings that are off."""
        return tuple(name for name, value in self.settings if value == _OFF)


def read_durability(dsn: str) -> Durability:
    """Ask the server at ``dsn``. Blocks; :class:`psycopg.Error` when it can't be reached within 10 s."""
    with psycopg.connect(dsn, connect_timeout=CONNECT_SECONDS) as connection:
        query = "SELECT name, setting FROM pg_settings WHERE name = ANY(%s) ORDER BY name"
        rows = connection.execute(query, [list(PROTECTING_SETTINGS)]).fetchall()
        settings = tuple((str(name), str(value)) for name, value in rows)
        return Durability(connection.info.server_version, settings)


def require_durability(dsn: str) -> Durability:
    """Return what the server at ``dsn`` says; :class:`UnsafeServer` when a protecting setting is off."""
    durability = read_durability(dsn)
    if durability.switched_off:
        raise UnsafeServer(durability.switched_off)
    return durability
