"""Events as sentences: every kind has one, urgent ones are known, and a burst becomes one message."""

import msgspec
import pytest

from actors.webhook.events import EVENTS, TEST_EVENT
from actors.webhook.notify.wording import message_of, sentence
from actors.webhook.port import Delivery

ORDER = {
    "orderId": "o-1",
    "symbol": "BTC/USDT",
    "filledQty": "0.5",
    "avgPrice": "39000",
    "exchange": "sim",
    "side": "buy",
    "qty": "1",
    "reason": None,
}
BODIES = {
    "trading_state_changed": {"tradingState": "halted", "cause": "daily loss", "by": "ann", "exchange": None},
    "breaker_changed": {"exchange": "binance", "circuit": "open", "detail": "8 of 10 failed"},
    "redis_changed": {"available": False, "detail": "no answer within 0.25 s"},
    "reconciliation_difference": {
        "exchange": "binance",
        "symbol": "BTC/USDT",
        "qty": "0.5",
        "cause": "transfer",
    },
    "supervisor_gave_up": {"cause": "broker/binance", "by": "supervisor", "exchange": None, "symbol": None},
    "position_changed": {"exchange": "sim", "symbol": "BTC/USDT", "qty": "1", "cause": "fill"},
    TEST_EVENT: {"endpointId": "ep_notifyphone"},
}


def body(event: str, **more: object) -> dict:
    return {
        "event": event,
        **BODIES.get(event, ORDER),
        "timestamp": "2026-11-25T10:00:00.000000Z",
        **more,
    }


def delivery(number: int, event: str, **more: object) -> Delivery:
    return Delivery(
        delivery_id=f"msg_{number}",
        endpoint_id="ep_notifyphone",
        number=number,
        event=event,
        subject="operator",
        body=msgspec.json.encode(body(event, **more)),
        created_us=0,
        due_us=0,
    )


@pytest.mark.parametrize("event", [*EVENTS, TEST_EVENT])
def test_every_kind_of_event_has_a_sentence_without_gaps(event):
    text = sentence(body(event))
    assert text
    assert "None" not in text
    assert "{" not in text


def test_a_sentence_says_what_where_and_why():
    assert sentence(body("trading_state_changed")) == "Trading is halted: daily loss (by ann)"
    assert sentence(body("breaker_changed")) == "Circuit to binance is open: 8 of 10 failed"
    assert sentence(body("order_unknown")) == (
        "Order unknown: buy 1 BTC/USDT at sim, filled 0.5 at 39000 [o-1]"
    )


def test_an_event_that_is_not_known_here_is_told_all_the_same():
    assert sentence({"event": "moon_full", "phase": "1", "timestamp": "t"}) == "moon full: phase 1"


def test_a_burst_is_one_message_with_the_urgent_one_in_front():
    message = message_of([delivery(1, "redis_changed"), delivery(2, "breaker_changed")])
    assert message.message_id == "msg_1"
    assert message.title == "Circuit to binance is open: 8 of 10 failed (+1)"
    assert len(message.lines) == 2
    assert message.lines[0].startswith("2026-11-25 10:00:00 Redis is away")
    assert message.urgent


def test_a_long_burst_is_cut_and_says_so():
    message = message_of([delivery(n, "redis_changed") for n in range(50)], more=True)
    assert message.lines[-2:] == ("and 30 more", "more follows")
    assert not message.urgent
    assert max(map(len, message.lines)) <= 300
