"""The hash chain: whatever is changed in a journal, the chain no longer verifies."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.journal.chain import GENESIS, BrokenChain, link, seal, verify
from actors.model.events import TradingResumed, decode, writable
from actors.model.journal import Record
from tests.fixtures.journal import START_US, accepted, acknowledged, filled

FIELDS = st.fixed_dictionaries(
    {
        "previous": st.binary(min_size=32, max_size=32),
        "seq": st.integers(1, 2**62),
        "stream": st.text(max_size=8),
        "type_name": st.text(max_size=8),
        "version": st.integers(1, 99),
        "at_us": st.integers(0, 2**60),
        "payload": st.binary(max_size=40),
        "correlation_id": st.text(max_size=8),
        "causation_id": st.text(max_size=8),
    }
)


def chain(*events: object) -> list[Record]:
    """The records of these events, from the beginning."""
    records: list[Record] = []
    previous = GENESIS
    for seq, event in enumerate(events, start=1):
        records.append(seal(*writable(event), seq, previous, START_US + seq, "risk", "c", ""))
        previous = records[-1].hash
    return records


def three() -> list[Record]:
    """An order's life."""
    return chain(accepted(1), acknowledged(1), filled(1))


def test_a_chain_verifies_to_its_end() -> None:
    """From the beginning, and on from any place in it."""
    records = three()
    assert verify(records, 0, GENESIS) == (3, records[-1].hash)
    assert verify(records[1:], 1, records[0].hash) == (3, records[-1].hash)
    assert verify([], 7, b"x" * 32) == (7, b"x" * 32)


def test_the_hash_of_a_known_record_is_what_it_always_was() -> None:
    """A journal written today must verify in ten years."""
    event = TradingResumed(kill_ids=("k1",), reason="dört", by="ann")
    record = seal(*writable(event), 1, GENESIS, 17, "operator", "c1", "k")
    assert record.payload == (
        b'{"type":"TradingResumed","kill_ids":["k1"],"reason":"d\xc3\xb6rt","by":"ann","approved_by":null}'
    )
    assert record.hash.hex() == "0b7fc9d8870132fcc23338c0af3a0f3bfbe8a7900c8a9e6240b835a9630136cd"


@pytest.mark.parametrize(
    "change",
    [
        {"stream": "operator"},
        {"type": "OrderDenied"},
        {"version": 2},
        {"at_us": START_US},
        {"payload": b"{}"},
        {"correlation_id": "d"},
        {"causation_id": "c"},
        {"hash": b"x" * 32},
        {"previous_hash": b"x" * 32},
        {"seq": 5},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_record_that_was_changed_breaks_the_chain_where_it_stands(change: dict[str, object]) -> None:
    """Every field is covered."""
    records = three()
    records[1] = msgspec.structs.replace(records[1], **change)
    with pytest.raises(BrokenChain) as broken:
        verify(records, 0, GENESIS)
    assert broken.value.seq == 2


@pytest.mark.parametrize("missing", [0, 1])
def test_a_record_that_is_missing_breaks_the_chain(missing: int) -> None:
    """Also when the sequence was closed up again."""
    records = three()
    del records[missing]
    with pytest.raises(BrokenChain):
        verify(records, 0, GENESIS)
    closed_up = [msgspec.structs.replace(record, seq=seq) for seq, record in enumerate(records, start=1)]
    with pytest.raises(BrokenChain):
        verify(closed_up, 0, GENESIS)


def test_two_records_that_changed_places_break_the_chain() -> None:
    """Order is part of what is hashed."""
    first, second, third = three()
    with pytest.raises(BrokenChain):
        verify([second, first, third], 0, GENESIS)


@given(FIELDS, FIELDS)
def test_different_records_have_different_hashes(one: dict[str, object], other: dict[str, object]) -> None:
    """No text can pretend to be the end of one field and the beginning of the next."""
    assert (link(**one) == link(**other)) is (one == other)


@given(st.text(max_size=6), st.text(max_size=6), st.integers(0, 6))
def test_moving_the_border_between_two_fields_changes_the_hash(left: str, right: str, shift: int) -> None:
    """`ab` + `c` is not `a` + `bc`."""
    both = left + right
    split = min(shift, len(both))
    base = (GENESIS, 1, "s", "T", 1, 0, b"")
    same = (left, right) == (both[:split], both[split:])
    assert (link(*base, left, right) == link(*base, both[:split], both[split:])) is same


def test_a_sealed_record_carries_the_event_and_its_bytes() -> None:
    """What is decoded from the payload is the event."""
    (record,) = chain(accepted(1))
    assert decode(record.payload) == record.event == accepted(1)
    assert record.type == "OrderAccepted"
