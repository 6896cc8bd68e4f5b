"""What the journal stores: every kind of event has its own name, reads back exactly, and never changes."""

from decimal import Decimal
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model import events as ev
from actors.model.order import OrderIntent

KINDS = get_args(ev.AnyEvent)
BASES = {ev.Event, ev.OrderEvent}

st.register_type_strategy(Decimal, st.decimals(allow_nan=False, allow_infinity=False))


def _all_kinds() -> set[type[ev.Event]]:
    found: set[type[ev.Event]] = set()
    waiting: list[type[ev.Event]] = [ev.Event]
    while waiting:
        kind = waiting.pop()
        found.add(kind)
        waiting.extend(kind.__subclasses__())
    return found - BASES


def test_every_event_class_can_be_read_back() -> None:
    """One that is missing from the union would be written and never read."""
    assert set(KINDS) == {kind for kind in _all_kinds() if kind.__module__ == ev.__name__}


@pytest.mark.parametrize("kind", KINDS)
def test_the_type_in_the_bytes_is_the_name_of_the_class(kind: type[ev.Event]) -> None:
    """So that no two kinds share one, and the journal's type column says the same."""
    assert kind.__struct_config__.tag_field == "type"
    assert kind.__struct_config__.tag == kind.__name__


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_is_frozen(kind: type[ev.Event]) -> None:
    """A fact does not change after it was written."""
    assert kind.__struct_config__.frozen


@given(st.one_of([st.from_type(kind) for kind in KINDS]))
def test_every_event_reads_back_from_its_canonical_bytes(event: ev.AnyEvent) -> None:
    """The same bytes again, too: that is what the chain hashes."""
    payload = ev.encode(event)
    again = ev.decode(payload)
    assert again == event
    assert ev.encode(again) == payload
    assert msgspec.json.decode(payload)["type"] == ev.type_name(event)


@given(st.one_of([st.from_type(kind) for kind in KINDS]))
def test_an_event_that_can_be_written_stays_as_it_is_and_any_other_becomes_one(event: ev.AnyEvent) -> None:
    """Only texts with NUL are changed, and once changed they stay."""
    written, payload = ev.writable(event)
    assert payload == ev.encode(written)
    assert ev.writable(written) == (written, payload)
    assert msgspec.to_builtins(written) == _without_nul(msgspec.to_builtins(event))


def _without_nul(value: object) -> object:
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, dict):
        return {key: _without_nul(each) for key, each in value.items()}
    return type(value)(map(_without_nul, value)) if isinstance(value, list | tuple) else value


def test_bytes_from_before_a_field_was_added_still_read() -> None:
    """A new field has a default."""
    old = b'{"type":"KillEngaged","kill_id":"k","level":"cancel","exchange":null,"symbol":null,'
    old += b'"reason":"r","by":"b"}'
    event = ev.decode(old)
    assert isinstance(event, ev.KillEngaged)
    assert (event.in_flight, event.automatic) == ((), False)


@pytest.mark.parametrize(
    "payload", [b"{}", b"[]", b'{"type":"Nonsense"}', b'{"type":"DayOpened"}', b"\xff", b""]
)
def test_bytes_that_are_no_event_are_refused(payload: bytes) -> None:
    """Never guessed."""
    with pytest.raises((msgspec.ValidationError, msgspec.DecodeError)):
        ev.decode(payload)


def test_an_event_tells_the_order_that_it_is_about() -> None:
    """Filters and correlation rest on it."""
    intent = OrderIntent(
        order_id="o1",
        client_order_id="c",
        exchange="sim",
        symbol="BTC/USDT",
        side="buy",
        type="market",
        quantity=Decimal(1),
    )
    about = {"exchange": "sim", "symbol": "BTC/USDT", "order_id": "o1"}
    assert ev.order_id_of(ev.OrderDenied(intent=intent, code="X", detail="y")) == "o1"
    assert ev.order_id_of(ev.CancelRequested(by="b", **about)) == "o1"
    assert ev.order_id_of(ev.DayOpened(day="2026-01-01", equity=Decimal(1))) is None
