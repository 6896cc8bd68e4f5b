"""Who changed what, from where: every call that was to change something has its entry."""

import pytest
import trio

from actors.journal.port import StoreUnavailable
from tests.web.talking import joined
from tests.web.test_auth import ask, named
from tests.web.test_orders import LIMIT
from web.audit import AuditTrail, MemoryAudit
from web.audit.trail import FLUSH_SECONDS, REFUSALS_PER_SECOND
from web.auth.port import SCOPES
from web.routes.table import ROUTES

COMMANDS = [route for route in ROUTES if route.command]
QUESTIONS = [route for route in ROUTES if not route.command]


@pytest.fixture
async def entries(services):
    async def read():
        await services.audit.flush()
        return list(await services.audit.store.page(before=None, limit=1000))

    return read


def note(trail, status=201, path="/orders", at_us=1):
    who = {"user": "ann", "token_id": "t", "client": "::1", "correlation_id": "c"}
    trail.note(at_us=at_us, action="a", method="POST", path=path, subject="", status=status, **who)


@pytest.mark.parametrize("route", COMMANDS, ids=named)
@pytest.mark.parametrize("known", [True, False])
async def test_every_command_leaves_one_entry_whether_it_is_allowed_or_not(
    client, make_token, entries, route, known
):
    token = await make_token(*SCOPES) if known else "tw_stranger"
    headers = {"Authorization": f"Bearer {token}", "X-Correlation-ID": "c-7"}
    answer = await ask(client, route, headers)
    [entry] = await entries()
    assert (entry.action, entry.method, entry.status) == (route.name, route.method, answer.status_code)
    assert (entry.client, entry.correlation_id) == ("<local>", "c-7")
    if route.scope is not None:
        assert entry.user == ("ann" if known else "")


@pytest.mark.parametrize("route", QUESTIONS, ids=named)
async def test_questions_leave_none(client, auth, entries, route):
    await ask(client, route, auth)
    assert await entries() == []


async def test_an_order_and_a_token_are_named(client, auth, entries):
    order = await (await client.post("/orders", json=LIMIT, headers=auth)).get_json()
    body = {"user": "bob", "scopes": ["read"]}
    made = await (await client.post("/operator/tokens", json=body, headers=auth)).get_json()
    assert [entry.subject for entry in await entries()] == [made["record"]["tokenId"], order["orderId"]]


async def test_the_trading_socket_tells_who_and_from_where(address, entries):
    async with joined(address, "/ws/trade") as talker:
        await talker.say(action="place", id="1", order=LIMIT)
        placed = await talker.hear()
        await talker.say(action="cancel", id="2", orderId=placed["order"]["orderId"])
        await talker.hear()
    found = [(each.action, each.user, each.client, each.subject) for each in await entries()]
    ours = "development", "127.0.0.1", placed["order"]["orderId"]
    assert found == [("cancelOrder", *ours), ("placeOrder", *ours)]


async def test_the_audit_is_read_page_by_page(client, auth):
    for _ in range(5):
        await client.post("/orders", json=LIMIT, headers=auth)
    await client.post("/operator/kill", json={"reason": "x"}, headers=auth)
    await client.post("/operator/resume", json={"reason": "x"}, headers=auth)
    seen, path = [], "/operator/audit?limit=3"
    while path:
        page = await (await client.get(path, headers=auth)).get_json()
        seen += [entry["action"] for entry in page["entries"]]
        cursor = page["nextCursor"]
        path = cursor and f"/operator/audit?limit=3&cursor={cursor}"
    assert seen == ["resume", "kill", *["placeOrder"] * 5]
    answer = await client.get("/operator/audit?cursor=MS4x", headers=auth)
    assert answer.status_code == 422


async def test_guesses_are_kept_up_to_a_rate_and_counted_beyond_it(autojump_clock):
    trail = AuditTrail(MemoryAudit())
    for _ in range(1000):
        note(trail, status=401)
    note(trail)
    await trail.flush()
    found = await trail.store.page(before=None, limit=2000)
    assert len(found) == REFUSALS_PER_SECOND + 1
    assert found[0].unrecorded == 1000 - REFUSALS_PER_SECOND


async def test_entries_wait_for_a_store_that_is_away_and_orders_do_not(autojump_clock, nursery):
    class Away(MemoryAudit):
        away = True

        async def append(self, entries):
            if self.away:
                raise StoreUnavailable("gone")
            await super().append(entries)

    store = Away()
    trail = AuditTrail(store, capacity=3)
    await nursery.start(trail.keep_written)
    for number in range(5):
        note(trail, at_us=number)
    await trio.sleep(10)
    assert await store.page(before=None, limit=10) == []
    store.away = False
    await trio.sleep(2 * FLUSH_SECONDS)
    assert len(await store.page(before=None, limit=10)) == 3
    note(trail, at_us=9)
    await trio.sleep(2 * FLUSH_SECONDS)
    assert (await store.page(before=None, limit=1))[0].unrecorded == 2


async def test_what_was_noted_is_written_at_the_end(autojump_clock):
    trail = AuditTrail(MemoryAudit())
    async with trio.open_nursery() as nursery:
        await nursery.start(trail.keep_written)
        note(trail)
        nursery.cancel_scope.cancel()
    assert len(await trail.store.page(before=None, limit=10)) == 1


@pytest.mark.parametrize("path", ["/hooks/\x00", "/hooks/\ud800", "/hooks/" + "x" * 5000])
async def test_no_path_breaks_the_audit(path):
    trail = AuditTrail(MemoryAudit())
    note(trail, path=path)
    await trail.flush()
    [entry] = await trail.store.page(before=None, limit=1)
    assert entry.path.isprintable()
    assert len(entry.path) <= 200
