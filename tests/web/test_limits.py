"""The limits over the API: read them, change one, see its versions; and what is reserved by whom."""

import pytest

from actors.model import messages as m
from actors.model import results as r
from tests.web.fake_port import START_US

CHANGE = {"value": "60000", "reason": "more room"}


async def test_the_limits_are_listed_with_what_they_may_be(client, auth):
    found = await (await client.get("/limits", headers=auth)).get_json()
    limit = {"name": "max_pos_usd", "value": "50000", "settings": "50000", "allowed": "an amount or off"}
    assert found == {"limits": [limit], "proposals": []}


async def test_a_change_is_answered_and_is_a_version(client, auth, port):
    answer = await client.patch("/limits/max_pos_usd", json=CHANGE, headers=auth)
    assert answer.status_code == 200
    found = await answer.get_json()
    assert (found["status"], found["value"], found["old"]) == ("set", "60000", "50000")
    await client.patch("/limits/max_pos_usd", json=CHANGE | {"value": "off"}, headers=auth)
    page = await (await client.get("/limits/changes?limit=1", headers=auth)).get_json()
    assert [(each["old"], each["new"], each["by"]) for each in page["changes"]] == [
        ("60000", "off", "development")
    ]
    rest = await (
        await client.get(f"/limits/changes?name=max_pos_usd&cursor={page['nextCursor']}", headers=auth)
    ).get_json()
    assert [(each["new"], each["reason"]) for each in rest["changes"]] == [("60000", "more room")]
    assert rest["nextCursor"] is None


async def test_a_change_that_waits_for_a_second_person_is_no_change_yet(client, auth, port):
    port.on_limit = m.Proposed(what="max_pos_usd 60000", by="ann", reason="r", until_us=START_US)
    answer = await client.patch("/limits/max_pos_usd", json=CHANGE, headers=auth)
    found = await answer.get_json()
    assert (answer.status_code, found["status"]) == (202, "proposed")
    assert found["proposal"]["by"] == "ann"
    assert port.records == []


async def test_a_change_of_which_nothing_is_known_is_not_called_a_failure(client, auth, port):
    port.on_limit = r.Unsettled(detail="no word")
    answer = await client.patch("/limits/max_pos_usd", json=CHANGE, headers=auth)
    assert (answer.status_code, (await answer.get_json())["status"]) == (202, "unknown")


async def test_a_value_that_can_not_be_is_refused(client, auth, port):
    port.on_limit = m.Refused(code="VALIDATION", detail="limit max_pos_usd: '-1' is not an amount")
    answer = await client.patch("/limits/max_pos_usd", json=CHANGE | {"value": "-1"}, headers=auth)
    assert (answer.status_code, (await answer.get_json())["code"]) == (422, "VALIDATION")


@pytest.mark.parametrize("name", ["no_such", "MAX", "%2e%2e"])
async def test_a_limit_that_does_not_exist_is_not_found(client, auth, name):
    answer = await client.patch(f"/limits/{name}", json=CHANGE, headers=auth)
    assert answer.status_code == 404


@pytest.mark.parametrize(
    "body", [{"value": "1"}, {"value": "1", "reason": " "}, {"value": "", "reason": "r"}]
)
async def test_a_change_needs_a_value_and_a_reason(client, auth, port, body):
    answer = await client.patch("/limits/max_pos_usd", json=body, headers=auth)
    assert answer.status_code == 400
    assert port.limit == "50000"


async def test_what_each_order_reserves_is_told_when_asked_for(client, auth, port):
    order = port.accept()
    assert (await (await client.get("/risk", headers=auth)).get_json())["reservations"] == []
    found = await (await client.get("/risk?reservations=true", headers=auth)).get_json()
    assert found["reservations"] == [
        {
            "orderId": order.order_id,
            "exchange": "sim",
            "symbol": "BTC/USDT",
            "side": "buy",
            "qty": "0.01",
            "valueUsd": "390",
        }
    ]
