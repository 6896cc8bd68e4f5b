"""Kill and resume over the API: what is in force, what is lifted, and whom it takes."""

import pytest

from tests.web.talking import joined


async def test_what_is_halted_and_how_far_the_work_of_it_is_can_be_read(client, auth, port):
    active = await (await client.get("/operator/kill", headers=auth)).get_json()
    assert (active["tradingState"], active["kills"], active["restrictions"]) == ("active", [], [])
    await client.post("/operator/kill", json={"reason": "x"}, headers=auth)
    found = await (await client.get("/operator/kill", headers=auth)).get_json()
    assert found["durable"] is True
    (kill,) = found["kills"]
    assert (kill["killId"], kill["level"], kill["by"]) == ("k-1", "cancel", "ann")
    sweep = {"exchange": "sim", "cancelled": 3, "remaining": 1, "done": False, "detail": ""}
    assert kill["sweeps"] == [sweep]
    assert found["restrictions"][0]["cause"] == "MAX_POSITION"
    assert found["closing"][0]["detail"] == "STALE_PRICE: no price"


@pytest.mark.parametrize(
    ("more", "lifted"),
    [
        ({}, ((), None, None)),
        ({"killIds": ["k-1"]}, (("k-1",), None, None)),
        ({"exchange": "sim", "symbol": "BTC/USDT"}, ((), "sim", "BTC/USDT")),
    ],
)
async def test_a_resume_lifts_what_it_names(client, auth, port, more, lifted):
    port.state = "halted"
    answer = await client.post("/operator/resume", json={"reason": "fixed", **more}, headers=auth)
    assert answer.status_code == 200
    assert port.resumed == [lifted]


async def test_kills_and_a_scope_can_not_both_be_named(client, auth, port):
    port.state = "halted"
    body = {"reason": "fixed", "killIds": ["k-1"], "exchange": "sim"}
    answer = await client.post("/operator/resume", json=body, headers=auth)
    assert answer.status_code == 422
    assert port.resumed == []


async def test_a_resume_that_waits_for_a_second_person_lifts_nothing(client, auth, port):
    port.state, port.two_people = "halted", True
    answer = await client.post("/operator/resume", json={"reason": "fixed"}, headers=auth)
    found = await answer.get_json()
    assert (answer.status_code, found["tradingState"], found["killIds"]) == (202, "halted", [])
    assert found["proposal"]["what"] == "k-1"


async def test_a_kill_over_the_trading_socket_needs_no_room_among_the_orders(address, port):
    async with joined(address, "/ws/trade") as talker:
        await talker.say(action="kill", id="9", kill={"reason": "enough", "level": "halt"})
        found = await talker.hear()
    assert (found["id"], found["status"], found["kill"]["killId"]) == ("9", 200, "k-1")
    assert (port.killed[0]["reason"], port.killed[0]["level"]) == ("enough", "halt")


async def test_a_kill_over_the_trading_socket_that_is_not_on_disk_says_so(address, port):
    port.durable = False
    async with joined(address, "/ws/trade") as talker:
        await talker.say(action="kill", id="9", kill={"reason": "enough"})
        found = await talker.hear()
    assert (found["status"], found["problem"]["code"]) == (503, "HALTED_NOT_DURABLE")
    assert port.state == "halted"


async def test_a_kill_without_a_reason_is_refused_under_its_id(address, port):
    async with joined(address, "/ws/trade") as talker:
        await talker.say(action="kill", id="9", kill={"level": "halt"})
        found = await talker.hear()
    assert (found["id"], found["status"], found["problem"]["code"]) == ("9", 400, "VALIDATION")
    assert port.killed == []


async def test_a_kill_of_an_exchange_that_is_not_configured_is_refused(client, auth, port):
    answer = await client.post("/operator/kill", json={"reason": "x", "exchange": "binanse"}, headers=auth)
    found = await answer.get_json()
    assert (answer.status_code, found["code"], port.killed) == (422, "EXCHANGE_NOT_FOUND", [])
    assert "sim" in found["detail"]


async def test_a_kill_of_a_symbol_where_nothing_can_lie_is_refused(client, auth, port):
    port.book.limits["symbol_whitelist"] = "BTC/USDT"
    answer = await client.post("/operator/kill", json={"reason": "x", "symbol": "BTC/USD"}, headers=auth)
    found = await answer.get_json()
    assert (answer.status_code, found["code"], port.killed) == (422, "SYMBOL_NOT_ALLOWED", [])
    assert "Retry-After" not in answer.headers
