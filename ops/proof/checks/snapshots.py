"""I7 and the chain: the journal is whole, and every way of reading it gives the same state."""

from actors.journal.chain import GENESIS, BrokenChain, verify
from actors.journal.replay import state_hash
from actors.model.book import FOLD_VERSION, Book
from actors.model.snapshot import decode_book
from ops.proof.checks.found import Violation
from ops.proof.checks.story import Story
from ops.proof.world import World


def snapshots(world: World, _story: Story) -> list[Violation]:
    """Verify the chain, replay in full, and from every snapshot that is kept."""
    records = world.disk.records
    try:
        verify(records, 0, GENESIS)
    except BrokenChain as error:
        return [Violation("I7", str(error))]
    found: list[Violation] = []
    whole = Book()
    for record in records:
        _mark_edge(world, whole, record.type, record.event)
        whole.apply(record.event, record.seq, record.at_us)
    expected = state_hash(whole)
    for snapshot in world.disk.snapshots:
        if snapshot.fold_version != FOLD_VERSION or snapshot.hash != records[snapshot.seq - 1].hash:
            found.append(Violation("I7", f"the snapshot at {snapshot.seq} does not belong to the journal"))
            continue
        try:
            book = decode_book(snapshot.book)
            for record in records[snapshot.seq :]:
                book.apply(record.event, record.seq, record.at_us)
        except Exception as error:  # noqa: BLE001 - whatever it is, the snapshot can't be started from
            found.append(Violation("I7", f"the snapshot at {snapshot.seq} can't be folded on: {error!r}"))
            continue
        if state_hash(book) != expected:
            found.append(Violation("I7", f"the snapshot at {snapshot.seq} leads to another state"))
    if world.last_state and world.last_state != (len(records), expected):
        found.append(
            Violation("I7", f"the last process stood at {world.last_state}, a replay gives {expected}")
        )
    return found


def _mark_edge(world: World, book: Book, kind: str, event: object) -> None:
    """Remember which edge of the order table this record took."""
    order_id = getattr(event, "order_id", None)
    order = book.order(order_id) if order_id is not None else None
    if order is not None:
        over = "over " if order.terminal is not None else ""
        world.edges[f"{over}{order.submission.value} + {kind}"] += 1
