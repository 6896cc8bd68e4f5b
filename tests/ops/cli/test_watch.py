"""What `tradewarden watch` tells of the tree: what changed, and not how busy it is."""

import json

import msgspec

from ops.cli.watch import differs, encoded_node, node_line, nodes
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
