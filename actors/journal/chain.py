"""The hash chain: each record's hash covers everything in it and the hash of the record before.

A journal that was edited, reordered or cut in the middle therefore no longer verifies. Text fields are
written with their lengths, so that no two different records have the same preimage. Nothing here knows where
records are kept.
"""

from collections.abc import Iterable
from hashlib import sha256

from actors.model.events import AnyEvent, type_name
from actors.model.journal import Record

GENESIS = bytes(32)
"""The hash before the first record."""

PAYLOAD_VERSION = 1
"""The version that newly written payloads carry."""


class BrokenChain(Exception):
    """A record does not follow from the one before it: where, what is wrong, what was expected and found."""

    def __init__(self, seq: int, what: str, expected: str, found: str) -> None:
        super().__init__(f"the journal is broken at {seq}: {what}: expected {expected}, found {found}")
        self.seq = seq
        self.what = what
        self.expected = expected
        self.found = found


def link(
    previous: bytes,
    seq: int,
    stream: str,
    type_name: str,
    version: int,
    at_us: int,
    payload: bytes,
    correlation_id: str,
    causation_id: str,
) -> bytes:
    """The hash of a record, 32 bytes."""
    header = (
        f"{seq}|{at_us}|{version}|{len(stream)}:{stream}|{len(type_name)}:{type_name}"
        f"|{len(correlation_id)}:{correlation_id}|{len(causation_id)}:{causation_id}|{len(payload)}:"
    )
    return sha256(previous + header.encode() + payload).digest()


def seal(
    event: AnyEvent,
    payload: bytes,
    seq: int,
    previous: bytes,
    at_us: int,
    stream: str,
    correlation_id: str,
    causation_id: str,
) -> Record:
    """The record of an event that follows `previous`; `payload` is the event's canonical bytes."""
    kind = type_name(event)
    return Record(
        seq=seq,
        stream=stream,
        type=kind,
        version=PAYLOAD_VERSION,
        at_us=at_us,
        payload=payload,
        correlation_id=correlation_id,
        causation_id=causation_id,
        previous_hash=previous,
        hash=link(previous, seq, stream, kind, PAYLOAD_VERSION, at_us, payload, correlation_id, causation_id),
        event=event,
    )


def hash_of(record: Record) -> bytes:
    """What the record's hash must be, given what it says of itself."""
    return link(
        record.previous_hash,
        record.seq,
        record.stream,
        record.type,
        record.version,
        record.at_us,
        record.payload,
        record.correlation_id,
        record.causation_id,
    )


def verify(records: Iterable[Record], seq: int, previous: bytes) -> tuple[int, bytes]:
    """Check that the records continue the chain after `seq`; return the new end. Raise BrokenChain."""
    for record in records:
        if record.seq != seq + 1:
            raise BrokenChain(seq + 1, "sequence", str(seq + 1), str(record.seq))
        if record.previous_hash != previous:
            raise BrokenChain(record.seq, "previous hash", previous.hex(), record.previous_hash.hex())
        found = hash_of(record)
        if found != record.hash:
            raise BrokenChain(record.seq, "hash", record.hash.hex(), found.hex())
        seq, previous = record.seq, record.hash
    return seq, previous
