"""The contract: what is served is what is written, and no change may break a client of what was released."""

import copy

import pytest
import yaml

from ops.lint import contract
from ops.lint.contract_growth import breaks, feed_breaks


@pytest.fixture(scope="module")
def written():
    return yaml.safe_load((contract.ROOT / "openapi.yaml").read_text())


def test_the_contract_is_valid_and_equal_to_the_code():
    assert list(contract.findings()) == []


def test_a_contract_breaks_nothing_of_itself(written):
    assert list(breaks(written, written)) == []


def _new_order(doc):
    return doc["components"]["schemas"]["NewOrder"]


def _order(doc):
    return doc["components"]["schemas"]["Order"]


BREAKING = {
    "a route that goes away": lambda doc: doc["paths"].pop("/fills"),
    "a method that goes away": lambda doc: doc["paths"]["/orders"].pop("delete"),
    "a field that becomes required": lambda doc: _new_order(doc)["required"].append("exchange"),
    "a request field that is no longer known": lambda doc: _new_order(doc)["properties"].pop("postOnly"),
    "an answer's field that goes away": lambda doc: _order(doc)["properties"].pop("fee"),
    "an answer's field that may be missing": lambda doc: _order(doc)["required"].remove("fee"),
    "a value that is no longer taken": lambda doc: doc["components"]["schemas"]["OrderType"]["enum"].pop(),
    "a status that clients do not know": lambda doc: doc["components"]["schemas"]["OrderStatus"][
        "enum"
    ].append("new"),
    "an answer that may now be null": lambda doc: _order(doc)["properties"].update(
        clientOrderId={"type": ["string", "null"]}
    ),
    "an answer's status that goes away": lambda doc: doc["paths"]["/orders"]["post"]["responses"].pop("202"),
    "a tighter limit": lambda doc: doc["components"]["schemas"]["NewOrders"]["properties"]["orders"].update(
        maxItems=10
    ),
    "another pattern": lambda doc: doc["components"]["schemas"]["Symbol"].update(pattern="^X$"),
    "a parameter that goes away": lambda doc: doc["paths"]["/orders"]["post"]["parameters"].pop(0),
    "a new required parameter": lambda doc: doc["paths"]["/risk"]["get"]["parameters"].append(
        {"name": "day", "in": "query", "required": True, "schema": {"type": "string"}}
    ),
}

GROWING = {
    "a new route": lambda doc: doc["paths"].update({"/new": copy.deepcopy(doc["paths"]["/fills"])}),
    "a new optional request field": lambda doc: _new_order(doc)["properties"].update(tag={"type": "string"}),
    "a new field of an answer": lambda doc: _order(doc)["properties"].update(tag={"type": "string"}),
    "a new value that is taken": lambda doc: doc["components"]["schemas"]["TimeInForce"]["enum"],
    "a new code": lambda doc: doc["components"]["schemas"]["ProblemCode"]["enum"].append("NEW_CODE"),
    "a new status of an answer": lambda doc: doc["paths"]["/risk"]["get"]["responses"].update(
        {"418": {"description": "x"}}
    ),
    "a new optional parameter": lambda doc: doc["paths"]["/risk"]["get"]["parameters"].append(
        {"name": "day", "in": "query", "schema": {"type": "string"}}
    ),
}


@pytest.mark.parametrize("change", BREAKING)
def test_what_breaks_a_client_is_found(written, change):
    changed = copy.deepcopy(written)
    BREAKING[change](changed)
    assert list(breaks(written, changed))


@pytest.mark.parametrize("change", GROWING)
def test_what_only_grows_is_let_through(written, change):
    changed = copy.deepcopy(written)
    GROWING[change](changed)
    assert list(breaks(written, changed)) == []


def test_a_route_a_code_and_a_field_that_differ_are_found(written):
    changed = copy.deepcopy(written)
    changed["paths"].pop("/fills")
    changed["components"]["schemas"]["ProblemCode"]["enum"].append("NEW_CODE")
    changed["components"]["schemas"]["NewOrder"]["properties"]["side"] = {"enum": ["buy"]}
    found = [
        *contract.routes_differ(changed),
        *contract.codes_differ(changed),
        *contract.bodies_differ(changed),
    ]
    assert len(found) == 3


@pytest.fixture(scope="module")
def feeds():
    return yaml.safe_load((contract.ROOT / "asyncapi.yaml").read_text())


def _payload(doc, message):
    return doc["components"]["messages"][message]["payload"]


FEEDS_BREAKING = {
    "an address that goes away": lambda doc: doc["channels"].pop("fills"),
    "a message that an address no longer knows": lambda doc: doc["channels"]["trade"]["messages"].pop(
        "place"
    ),
    "a message that goes away": lambda doc: doc["components"]["messages"].pop("ping"),
    "a member that becomes required": lambda doc: _payload(doc, "place")["required"].append("wait"),
    "a member that is no longer known": lambda doc: _payload(doc, "place")["properties"].pop("dryRun"),
    "a tighter limit": lambda doc: _payload(doc, "cancel")["properties"]["id"].update(maxLength=8),
    "a channel that is no longer told": lambda doc: doc["components"]["schemas"]["Channel"]["enum"].pop(),
    "a kind of frame that clients do not know": lambda doc: _payload(doc, "frame")["properties"]["type"][
        "enum"
    ].append("delta"),
    "a member of a frame that may be missing": lambda doc: _payload(doc, "frame")["required"].remove("seq"),
    "a member of a result that goes away": lambda doc: _payload(doc, "result")["properties"].pop("status"),
}


@pytest.mark.parametrize("change", FEEDS_BREAKING)
def test_what_breaks_a_client_of_the_feeds_is_found(feeds, change):
    changed = copy.deepcopy(feeds)
    FEEDS_BREAKING[change](changed)
    assert list(feed_breaks(feeds, changed))


def test_feeds_that_only_grow_are_let_through(feeds):
    changed = copy.deepcopy(feeds)
    changed["components"]["messages"]["quote"] = copy.deepcopy(changed["components"]["messages"]["place"])
    changed["channels"]["trade"]["messages"]["quote"] = {"$ref": "#/components/messages/quote"}
    _payload(changed, "place")["properties"]["tag"] = {"type": "string"}
    _payload(changed, "result")["properties"]["took"] = {"type": "number"}
    assert list(feed_breaks(feeds, changed)) == list(feed_breaks(feeds, feeds)) == []
