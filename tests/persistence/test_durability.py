from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from persistence.durability import UnsafeServer, read_durability, require_durability
from persistence.embedded import EmbeddedServer


@pytest.fixture(scope="module")
def configurable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """A server whose configuration a test may spoil; gives its address after setting the given values."""
    server = EmbeddedServer(Path(tmp_path_factory.mktemp("configurable")) / "postgres")
    server.start()

    def configure(**settings: str) -> str:
        with psycopg.connect(server.dsn, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM RESET ALL")
            for name, value in settings.items():
                statement = sql.SQL("ALTER SYSTEM SET {} = {}").format(
                    sql.Identifier(name), sql.Literal(value)
                )
                connection.execute(statement)
        server.stop()
        server.start()
        return server.dsn

    yield configure
    server.stop()


def test_a_server_with_its_own_defaults_is_safe(postgres_dsn: str) -> None:
    durability = require_durability(postgres_dsn)
    assert durability.switched_off == ()
    assert [name for name, _ in durability.settings] == ["fsync", "full_page_writes", "synchronous_commit"]
    assert durability.server_version >= 130000


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes", "synchronous_commit"])
def test_a_server_that_may_forget_is_refused(configurable: Callable[..., str], setting: str) -> None:
    dsn = configurable(**{setting: "off"})
    with pytest.raises(UnsafeServer, match=setting) as caught:
        require_durability(dsn)
    assert caught.value.settings == (setting,)


def test_all_that_is_off_is_named(configurable: Callable[..., str]) -> None:
    dsn = configurable(fsync="off", full_page_writes="off")
    with pytest.raises(UnsafeServer, match="fsync, full_page_writes switched off"):
        require_durability(dsn)


def test_what_holds_for_our_database_alone_counts(empty_postgres_dsn: str) -> None:
    with psycopg.connect(empty_postgres_dsn, autocommit=True) as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("ALTER DATABASE {} SET synchronous_commit = off").format(name))
    with pytest.raises(UnsafeServer):
        require_durability(empty_postgres_dsn)


def test_a_weaker_form_of_waiting_is_still_durable(configurable: Callable[..., str]) -> None:
    assert read_durability(configurable(synchronous_commit="local")).switched_off == ()
