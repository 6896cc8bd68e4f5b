"""`tradewarden replay`: the whole journal, folded again from its first record, and its state's hash."""

import argparse

import trio

from actors.journal.chain import BrokenChain
from actors.journal.port import StoreUnavailable
from actors.journal.replay import Replayed, replay, state_hash
from ops.cli.command import OK, Command, Failed, nothing, settings
from ops.cli.database import database, up_to_date
from ops.cli.main import parser_of, run

PAGE = 5_000


def command() -> Command:
    """The command, for `tradewarden replay` and `python -m ops.proof.replay` alike."""
    return Command(
        "Fold the journal again from the start; print what it leads to, and the hash of that state.",
        "tradewarden replay",
        nothing,
        fold_again,
    )


def fold_again(_asked: argparse.Namespace) -> int:
    """Read and fold the whole journal of the settings' database."""
    with database(settings()) as dsn:
        up_to_date(dsn)
        state = trio.run(_replay, dsn)
    book = state.book
    print(f"{state.seq} records, {len(book.orders)} open orders, trading: {_trading(state)}")
    for (exchange, symbol), position in sorted(book.positions.items()):
        print(
            f"{exchange} {symbol} {position.quantity} cost {position.cost} realized {position.realized_pnl}"
        )
    print(state_hash(book))
    return OK


def _trading(state: Replayed) -> str:
    book = state.book
    if book.kills:
        return f"halted by {len(book.kills)} kills"
    return ", ".join(f"{scope} {state}" for scope, state in book.trading_states.items()) or "active"


async def _replay(dsn: str) -> Replayed:
    from persistence.postgres.journal_store import PostgresJournalStore
    from persistence.postgres.pool import Database, open_bridge

    async with open_bridge(lambda _what, _error: None):
        base = Database(dsn)
        store = PostgresJournalStore(base)
        state = replay(())
        try:
            while records := await store.read(state.seq, PAGE):
                state = replay(records, state)
        except BrokenChain as error:
            raise Failed(f"the journal is broken: {error}") from error
        except StoreUnavailable as error:
            raise Failed(f"the database can't be reached: {error}") from error
        finally:
            await base.close()
    return state


if __name__ == "__main__":
    parser_of("replay", command()).parse_args()
    raise SystemExit(run(command(), argparse.Namespace()))
