"""What `tradewarden watch` tells of the tree: what changed, and not how busy it is."""

import json

import msgspec
import pytest

from ops.cli.watch import differs, encoded, encoded_node, node_line, nodes
from web.client.feed import FeedFrame
from web.routes.operator import NodeBody


def node(address: str = "risk", *children: NodeBody, **changes: object) -> NodeBody:
    fields: dict[str, object] = {
        "state": "running",
        "generation": 1,
        "restarts": 0,
        "mailbox": 0,
        "last_error": None,
    }
    return NodeBody(address=address, children=children, **(fields | changes))


@pytest.mark.parametrize(
    "told",
    [
        {"channel": "orders", "type": "update", "seq": 8, "data": {"orderId": "a"}},
        {"channel": "orders", "type": "gap", "seq": 0, "data": {"after": 1, "upTo": 0}},
        {"type": "error", "code": "FORBIDDEN", "detail": "no"},
    ],
    ids=["an update", "a gap", "an error"],
)
def test_a_frame_for_programs_is_the_frame_that_was_told(told: dict[str, object]) -> None:
    """What reads the service's frames reads these."""
    frame = msgspec.json.decode(msgspec.json.encode(told), type=FeedFrame)
    assert json.loads(encoded(frame)) == told


def test_a_tree_is_told_node_by_node_parents_first() -> None:
    found = nodes(node("root", node("brokers", node("broker/sim")), node("risk")))
    assert list(found) == ["root", "brokers", "broker/sim", "risk"]
    assert all(each.children == () for each in found.values())


def test_a_restart_is_news_and_a_longer_queue_is_none() -> None:
    before = node()
    assert differs(None, before)
    assert not differs(before, msgspec.structs.replace(before, mailbox=7))
    assert differs(before, msgspec.structs.replace(before, restarts=1, generation=2, last_error="boom"))


def test_a_node_is_a_line_for_people_and_a_frame_for_programs() -> None:
    found = node(restarts=2, generation=3, last_error="ValueError: boom")
    told = "tree      risk  running, life 3, 2 restarts, last error: ValueError: boom"
    assert node_line(found).strip() == told
    frame = json.loads(encoded_node(found))
    assert (frame["channel"], frame["data"]["lastError"]) == ("tree", "ValueError: boom")
