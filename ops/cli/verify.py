"""`tradewarden verify`: the journal's hash chain, checked from its first record to its last."""

import argparse

import trio

from actors.journal.chain import GENESIS, BrokenChain, verify
from actors.journal.port import StoreUnavailable
from ops.cli.command import OK, Command, Failed, nothing, settings

PAGE = 5_000


def command(_name: str) -> Command:
    """The subcommand."""
    return Command(
        "Check that no record of the journal was changed, left out or added; print its head's hash.",
        "tradewarden verify",
        nothing,
        run,
    )


def run(_asked: argparse.Namespace) -> int:
    """Read the whole journal and check it."""
    from ops.cli.database import database, up_to_date

    with database(settings()) as dsn:
        up_to_date(dsn)
        seq, head = trio.run(_verify, dsn)
    print(f"{seq} records, unbroken\n{head.hex()}")
    return OK


async def _verify(dsn: str) -> tuple[int, bytes]:
    from persistence.postgres.journal_store import PostgresJournalStore
    from persistence.postgres.pool import Database, open_bridge

    async with open_bridge(lambda _what, _error: None):
        base = Database(dsn)
        store = PostgresJournalStore(base)
        seq, head = 0, GENESIS
        try:
            while records := await store.read(seq, PAGE):
                seq, head = verify(records, seq, head)
        except BrokenChain as error:
            raise Failed(f"the journal is broken: {error}") from error
        except StoreUnavailable as error:
            raise Failed(f"the database can't be reached: {error}") from error
        finally:
            await base.close()
    return seq, head
