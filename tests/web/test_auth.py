"""Who may ask for what: every route with every kind of token, rates, revocation, no secret in any answer."""

import pytest
import trio

from tests.web.test_orders import LIMIT
from web.auth.keyring import Keyring
from web.auth.memory import MemoryTokens
from web.auth.port import SCOPES
from web.auth.rate import Bucket
from web.auth.tokens import UnknownScope, digest_of, first_token, new_token, rotate
from web.routes.table import ROUTES

BODIES = {
    "placeOrder": LIMIT,
    "placeOrders": {"orders": [LIMIT]},
    "kill": {"reason": "x"},
    "resume": {"reason": "x"},
    "setLogLevel": {"level": "DEBUG"},
    "changeLimit": {"value": "1", "reason": "x"},
    "makeToken": {"user": "bob", "scopes": ["operator"]},
    "rotateToken": {},
}
GUARDED = [route for route in ROUTES if route.scope is not None]
OPEN = [route for route in ROUTES if route.scope is None and route.method == "GET"]
SECOND_US = 1_000_000


IDS = {
    "{orderId}": "00000000-0000-4000-8000-000000000001",
    "{tokenId}": "00000000-0000-4000-8000-000000000002",
    "{webhookId}": "ep_1",
    "{deadLetterId}": "msg_1_0_ep_1",
    "{name}": "chart",
}


def path_of(route):
    path = route.path
    for placeholder, value in IDS.items():
        path = path.replace(placeholder, value)
    return path


async def ask(client, route, headers):
    more = {"json": BODIES[route.name]} if route.name in BODIES else {}
    return await client.open(route.method, path_of(route), headers=headers, **more)


def named(route):
    return f"{route.method} {route.path}"


BAD_HEADERS = {
    "no token": {},
    "an empty header": {"Authorization": ""},
    "no scheme": {"Authorization": "all-scopes-token"},
    "another scheme": {"Authorization": "Basic YTpi"},
    "no text": {"Authorization": "Bearer "},
    "a token that was never made": {"Authorization": "Bearer tw_nope"},
    "a token with something behind": {"Authorization": "Bearer all-scopes-token x"},
    "bytes": {"Authorization": "Bearer \xff\xfe"},
}


@pytest.mark.parametrize("route", GUARDED, ids=named)
@pytest.mark.parametrize("kind", BAD_HEADERS)
async def test_no_route_is_served_without_a_valid_token(client, port, route, kind):
    answer = await ask(client, route, BAD_HEADERS[kind])
    assert (answer.status_code, (await answer.get_json(force=True))["code"]) == (401, "UNAUTHENTICATED")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert (port.placed, port.killed) == ([], [])


@pytest.mark.parametrize("route", GUARDED, ids=named)
@pytest.mark.parametrize("scope", SCOPES)
async def test_every_route_takes_its_own_scope_and_no_other(client, port, make_token, route, scope):
    answer = await ask(client, route, {"Authorization": f"Bearer {await make_token(scope)}"})
    if scope == route.scope:
        assert answer.status_code not in {401, 403, 500}
    else:
        assert (answer.status_code, (await answer.get_json(force=True))["code"]) == (403, "FORBIDDEN")
        assert (port.placed, port.killed) == ([], [])


@pytest.mark.parametrize("route", GUARDED, ids=named)
@pytest.mark.parametrize("state", ["expired", "revoked"])
async def test_a_token_that_has_ended_is_no_token(client, tokens, clock, make_token, route, state):
    token = await make_token(*SCOPES, expires_us=clock.us + SECOND_US if state == "expired" else None)
    if state == "expired":
        clock.us += SECOND_US
    else:
        [record] = await tokens.all()
        await tokens.revoke(record.token_id, clock.us)
    assert (await ask(client, route, {"Authorization": f"Bearer {token}"})).status_code == 401


@pytest.mark.parametrize("route", OPEN, ids=named)
async def test_open_routes_need_no_token(client, route):
    assert (await ask(client, route, {})).status_code == 200


async def test_a_token_that_was_made_a_moment_ago_is_known(client, make_token):
    token = await make_token("read")
    assert (await client.get("/risk", headers={"Authorization": f"Bearer {token}"})).status_code == 200


async def test_a_token_revoked_elsewhere_is_refused_after_the_next_refresh(
    client, tokens, keyring, clock, make_token
):
    headers = {"Authorization": f"Bearer {await make_token('read')}"}
    assert (await client.get("/risk", headers=headers)).status_code == 200
    [record] = await tokens.all()
    await tokens.revoke(record.token_id, clock.us)
    await keyring.refresh()
    assert (await client.get("/risk", headers=headers)).status_code == 401


async def test_a_kill_is_never_refused_for_how_often_a_token_asks(app, client, make_token, autojump_clock):
    app.edge.services.keyring.requests_per_second = 3
    headers = {"Authorization": f"Bearer {await make_token('cancel')}"}
    answers = [await client.delete("/orders", headers=headers) for _ in range(5)]
    assert answers[-1].status_code == 429
    for _ in range(5):
        answer = await client.post("/operator/kill", json={"reason": "enough"}, headers=headers)
        assert answer.status_code == 200
        assert answer.headers["RateLimit"] == '"token";r=0;t=1'


async def test_a_token_that_asks_too_often_is_told_when_to_come_back(
    app, client, port, make_token, autojump_clock
):
    app.edge.services.keyring.requests_per_second = 5
    headers = {"Authorization": f"Bearer {await make_token('trade', 'cancel')}"}
    answers = [await client.post("/orders", json=LIMIT, headers=headers) for _ in range(8)]
    assert [answer.status_code for answer in answers] == [201] * 5 + [429] * 3
    assert (answers[-1].headers["Retry-After"], (await answers[-1].get_json(force=True))["code"]) == (
        "1",
        "RATE_LIMITED",
    )
    assert answers[0].headers["RateLimit"] == '"token";r=4;t=1'
    assert len(port.placed) == 5
    order_id = next(iter(port.book.orders))
    assert (await client.delete(f"/orders/{order_id}", headers=headers)).status_code == 200
    await trio.sleep(0.2)
    assert (await client.post("/orders", json=LIMIT, headers=headers)).status_code == 201


async def test_guesses_are_looked_up_only_so_often(clock, autojump_clock):
    class Counting(MemoryTokens):
        looked = 0

        async def find(self, digest):
            Counting.looked += 1
            return await super().find(digest)

    keyring = Keyring(Counting(), clock)
    for number in range(1000):
        assert await keyring.find(b"Bearer guess-%d" % number) is None
    assert Counting.looked <= 51


async def test_whoever_keeps_trying_tokens_waits_while_valid_ones_pass(client, auth, autojump_clock):
    began = trio.current_time()
    for number in range(60):
        answer = await client.get("/risk", headers={"Authorization": f"Bearer no-{number}"})
        assert answer.status_code == 401
    assert trio.current_time() - began >= 1.9
    began = trio.current_time()
    assert (await client.get("/risk", headers=auth)).status_code == 200
    assert trio.current_time() == began


async def test_who_tries_many_tokens_at_once_is_refused_outright(client, autojump_clock):
    statuses = []

    async def guess(number):
        answer = await client.get("/risk", headers={"Authorization": f"Bearer no-{number}"})
        statuses.append(answer.status_code)

    async with trio.open_nursery() as nursery:
        for number in range(100):
            nursery.start_soon(guess, number)
    assert sorted(statuses) == [401] * 60 + [429] * 40


async def test_the_first_start_makes_one_token_with_every_scope():
    store = MemoryTokens()
    text = await first_token(store, 1)
    assert await first_token(store, 2) is None
    [record] = await store.all()
    assert (record.scopes, record.digest) == (SCOPES, digest_of(text))


async def test_a_rotated_token_and_its_successor_overlap(clock):
    store = MemoryTokens()
    old_text, old = new_token("ann", ["trade", "read"], clock.us)
    await store.add(old)
    new_text = await rotate(store, old.token_id, clock.us + 1, 10 * SECOND_US)
    first, second = await store.all()
    assert new_text != old_text
    assert second.scopes == ("read", "trade")
    assert (first.alive(clock.us + 9 * SECOND_US), first.alive(clock.us + 11 * SECOND_US)) == (True, False)
    assert second.alive(clock.us + 100 * SECOND_US)
    assert await rotate(store, "nothing", clock.us, 0) is None


def test_an_unknown_scope_is_refused():
    with pytest.raises(UnknownScope):
        new_token("ann", ["everything"], 0)


def test_a_bucket_never_lets_more_through_than_its_rate_and_one_burst():
    bucket = Bucket(10)
    passed = sum(bucket.take(now_ns) for now_ns in range(0, 5_000_000_000, 1_000_000))
    assert 50 <= passed <= 60


async def test_no_answer_holds_a_token(client, make_token):
    token = await make_token(*SCOPES)
    for route in ROUTES:
        answer = await ask(client, route, {"Authorization": f"Bearer {token}"})
        assert token not in await answer.get_data(as_text=True)
        assert token not in str(answer.headers)
