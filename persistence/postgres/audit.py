"""Checking a whole database against itself and against an anchor kept elsewhere.

The chain finds every change inside the journal, but not a journal that was cut at its end, nor one that was
edited and sealed anew to its end: for these there is the anchor, the head that a backup's manifest holds. The
tables are compared with a replay: every order, fill and position, in every column. So is the column that
finds an order's events, which no hash covers, and each snapshot with the book at its place.

All of it is one transaction of the database and sees one moment, so a running service neither disturbs nor
notices it. Needs about 100 bytes of memory an order and a fill.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

import msgspec
import psycopg
from psycopg.rows import dict_row

from actors.journal.batching import REFUSALS
from actors.journal.chain import GENESIS, BrokenChain, verify
from actors.journal.replay import state_hash
from actors.model.book import FOLD_VERSION, Book, Change
from actors.model.events import order_id_of
from actors.model.journal import Record
from actors.model.order import Order
from actors.model.position import Position
from actors.model.snapshot import decode_book
from persistence.postgres.rows import EVENT_COLUMNS, FILL_COLUMNS, ORDER_COLUMNS, fill_of, order_of, record_of

PAGE = 5_000
FEW = 20
"""So many findings are kept of each kind; one is enough to know, a million would only fill the memory."""

_SEGMENTS = (
    "SELECT first_seq, last_seq, previous_hash, last_hash, order_ids::text[] AS order_ids, types "
    "FROM event_segments ORDER BY first_seq"
)
_SEGMENT = f"SELECT {EVENT_COLUMNS}, order_id::text FROM archived_events WHERE first_seq = %s ORDER BY seq"

_encode = msgspec.json.Encoder(decimal_format="string").encode

Row = Mapping[str, Any]


class Anchor(msgspec.Struct, frozen=True, kw_only=True):
    """What the journal must contain: at this sequence a record with this hash (64 hex digits)."""

    seq: int
    hash: str


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as it must be: `what` is a stable code, `where` a sequence, an id or a table.

    Codes: CHAIN, PAYLOAD, FOLD, HEAD, ANCHOR, INDEX, ORDERS, FILLS, POSITIONS, SNAPSHOT.
    """

    what: str
    where: str
    detail: str

    def __str__(self) -> str:
        return f"{self.what} {self.where}: {self.detail}"


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """The journal's end, the rows that were compared, and what was wrong. `state` hashes the whole book."""

    seq: int
    hash: str
    state: str
    orders: int
    fills: int
    positions: int
    findings: tuple[Finding, ...]


def audit(dsn: str, anchor: Anchor | None = None) -> Audit:
    """Check the database at `dsn`; raises psycopg.Error when it can't be read. Blocks: about 50 µs an
    event.
    """
    with psycopg.connect(dsn, row_factory=dict_row, application_name="tradewarden audit") as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        return audit_within(connection, anchor)


def audit_within(connection: psycopg.Connection[dict[str, Any]], anchor: Anchor | None) -> Audit:
    """Check what the transaction of this connection sees; its rows must come as dictionaries."""
    connection.execute("SET LOCAL search_path TO public")
    return _Auditor(connection, anchor).run()


class _Auditor:
    def __init__(self, connection: psycopg.Connection[dict[str, Any]], anchor: Anchor | None) -> None:
        self._connection = connection
        self._anchor = anchor
        self._findings: list[Finding] = []
        self._book = Book()
        self._orders: dict[str, bytes] = {}
        self._fills: dict[str, bytes] = {}
        self._snapshots: dict[int, Row] = {}

    def run(self) -> Audit:
        self._snapshots = self._read_snapshots()
        seq, digest, whole = self._follow_chain()
        self._check_head(seq, digest)
        if self._anchor is not None and self._anchor.seq > seq:
            self._found(
                "ANCHOR", str(self._anchor.seq), f"the journal ends at {seq}: later records are missing"
            )
        for gone in self._snapshots.values():
            self._found("SNAPSHOT", str(gone["seq"]), f"it is of a journal that is not this one, up to {seq}")
        orders, fills, positions = self._compare() if whole else (0, 0, 0)
        return Audit(
            seq=seq,
            hash=digest.hex(),
            state=state_hash(self._book),
            orders=orders,
            fills=fills,
            positions=positions,
            findings=tuple(self._findings),
        )

    def _found(self, what: str, where: str, detail: str) -> None:
        if sum(1 for each in self._findings if each.what == what) < FEW:
            self._findings.append(Finding(what=what, where=where, detail=detail))

    # The journal.

    def _follow_chain(self) -> tuple[int, bytes, bool]:
        """Verify and fold every record; the end, and whether all of it could be followed."""
        seq, digest = 0, GENESIS
        try:
            for row in self._journal():
                record = record_of(row, digest)
                seq, digest = verify((record,), seq, digest)
                if row["order_id"] != order_id_of(record.event):
                    self._found("INDEX", str(seq), f"the event is filed under order {row['order_id']}")
                self._take(record, self._book.apply(record.event, seq, record.at_us))
                self._look_at(record)
        except BrokenChain as error:
            self._found("CHAIN", str(error.seq), str(error))
        except msgspec.MsgspecError as error:
            self._found("PAYLOAD", str(seq + 1), f"it is no event: {error}")
        except REFUSALS as error:
            # What the fold raises for an event that contradicts the book.
            self._found("FOLD", str(seq), f"{type(error).__name__}: {error}")
        else:
            return seq, digest, True
        return seq, digest, False

    def _journal(self) -> Iterator[Row]:
        """Every record: those of the segments, then those that are rows."""
        segments = self._connection.execute(_SEGMENTS.encode(), binary=True).fetchall()
        previous = GENESIS
        for segment in segments:
            first = segment["first_seq"]
            rows = self._connection.execute(_SEGMENT.encode(), [first], binary=True).fetchall()
            if _filed_wrongly(segment, rows, previous):
                self._found("INDEX", str(first), "the segment is not what its records say")
            previous = bytes(segment["last_hash"])
            yield from rows
        yield from self._rows(f"SELECT {EVENT_COLUMNS}, order_id::text FROM events ORDER BY seq")

    def _take(self, record: Record, change: Change) -> None:
        if change.order is not None:
            self._orders[change.order.order_id] = _order_print(change.order, change.order.status)
        if change.fill is not None:
            self._fills[change.fill.fill_id] = _print(change.fill)

    def _look_at(self, record: Record) -> None:
        anchor = self._anchor
        if anchor is not None and record.seq == anchor.seq and record.hash.hex() != anchor.hash:
            self._found("ANCHOR", str(record.seq), f"expected {anchor.hash}, found {record.hash.hex()}")
        snapshot = self._snapshots.pop(record.seq, None)
        if snapshot is None:
            return
        if bytes(snapshot["hash"]) != record.hash:
            self._found("SNAPSHOT", str(record.seq), "it is of another journal")
            return
        try:
            same = state_hash(decode_book(bytes(snapshot["book"]))) == state_hash(self._book)
        except msgspec.MsgspecError as error:
            self._found("SNAPSHOT", str(record.seq), f"it can't be read: {error}")
        else:
            if not same:
                self._found("SNAPSHOT", str(record.seq), "it is not the book at its place")

    def _read_snapshots(self) -> dict[int, Row]:
        """Those of this release's fold; others are not used and may be what they like."""
        query = "SELECT seq, hash, book FROM snapshots WHERE fold_version = %s"
        return {row["seq"]: row for row in self._connection.execute(query, [FOLD_VERSION])}

    def _check_head(self, seq: int, digest: bytes) -> None:
        rows = self._connection.execute("SELECT seq, hash FROM journal_head").fetchall()
        heads = [(row["seq"], bytes(row["hash"]).hex()) for row in rows]
        if heads != [(seq, digest.hex())]:
            self._found("HEAD", "journal_head", f"it says {heads}, the journal ends at {seq} {digest.hex()}")

    # The tables.

    def _compare(self) -> tuple[int, int, int]:
        orders, fills = dict(self._orders), dict(self._fills)
        order_rows = (
            (row["order_id"], _safely(_order_row_print, row))
            for row in self._rows(f"SELECT {ORDER_COLUMNS}, status FROM orders")
        )
        fill_rows = (
            (row["fill_id"], _safely(_fill_row_print, row))
            for row in self._rows(f"SELECT id::text AS fill_id, {FILL_COLUMNS} FROM fills")
        )
        position_rows = (
            (f"{row['exchange']} {row['symbol']}", _position_row(row))
            for row in self._rows(
                "SELECT exchange, symbol, qty, cost, avg_price, realized_pnl, fees, "
                "to_us(updated_at) AS updated_us FROM positions"
            )
        )
        positions = {
            f"{each.exchange} {each.symbol}": _position(each) for each in self._book.positions.values()
        }
        return (
            self._compare_table("ORDERS", order_rows, orders),
            self._compare_table("FILLS", fill_rows, fills),
            self._compare_table("POSITIONS", position_rows, positions),
        )

    def _compare_table(self, what: str, rows: Iterable[tuple[str, object]], wanted: dict[str, Any]) -> int:
        count = 0
        for key, found in rows:
            count += 1
            if key not in wanted:
                self._found(what, key, "the journal does not know it")
            elif wanted.pop(key) != found:
                self._found(what, key, "the row is not what the journal leads to")
        for key in wanted:
            self._found(what, key, "the row is missing")
        return count

    def _rows(self, query: str) -> Iterator[Row]:
        """The rows of a query, a page at a time."""
        with self._connection.cursor(name="audit") as cursor:
            cursor.itersize = PAGE
            cursor.execute(query.encode(), binary=True)
            yield from cursor


def _filed_wrongly(segment: Row, rows: Sequence[Row], previous: bytes) -> bool:
    """Whether what finds a segment, or links it to the one before, is not what its records say."""
    order_ids = {row["order_id"] for row in rows if row["order_id"] is not None}
    types = {row["type"] for row in rows}
    return not rows or (
        segment["first_seq"],
        segment["last_seq"],
        bytes(segment["previous_hash"]),
        bytes(segment["last_hash"]),
        sorted(segment["order_ids"]),
        sorted(segment["types"]),
    ) != (
        rows[0]["seq"],
        rows[-1]["seq"],
        previous,
        bytes(rows[-1]["hash"]),
        sorted(order_ids),
        sorted(types),
    )


def _print(value: object) -> bytes:
    return sha256(_encode(value)).digest()[:16]


def _order_print(order: Order, status: str) -> bytes:
    return _print((order, status))


def _order_row_print(row: Row) -> bytes:
    return _order_print(order_of(row), row["status"])


def _fill_row_print(row: Row) -> bytes:
    return _print(fill_of(row))


def _safely(make: Any, row: Row) -> object:
    """The print of a row; of one that is no order or fill at all, what is wrong with it."""
    try:
        return make(row)
    except (ValueError, KeyError, msgspec.MsgspecError) as error:
        return repr(error)


def _position(position: Position) -> tuple[object, ...]:
    return (
        position.quantity,
        position.cost,
        position.average_price,
        position.realized_pnl,
        _encode(position.fees).decode(),
        position.updated_us,
    )


def _position_row(row: Row) -> tuple[object, ...]:
    return (row["qty"], row["cost"], row["avg_price"], row["realized_pnl"], row["fees"], row["updated_us"])
