"""The Python client against the served application, under trio and under asyncio."""

import subprocess
import sys
import textwrap

import msgspec
import pytest
import trio

from actors.model import messages as m
from actors.model import results as r
from persistence.certificate import own_certificate, utc_now
from web.client import ApiError, Client, FeedFrame, FeedRefused, Unreachable, Waiting
from web.server import ServerSettings, serve

TOKEN = "all-scopes-token"


@pytest.fixture
async def url(app, nursery):
    stop = trio.Event()
    settings = ServerSettings(port=0, graceful_seconds=0.2)

    async def run(task_status=trio.TASK_STATUS_IGNORED):
        await serve(app, settings, shutdown=stop.wait, task_status=task_status)

    yield (await nursery.start(run))[0]
    stop.set()


async def test_an_order_is_placed_read_listed_and_cancelled(url):
    async with Client(url, TOKEN) as client:
        placed = await client.place(
            symbol="BTC/USDT", side="buy", type="limit", qty="0.01", limit_price="39000"
        )
        assert (placed.status, placed.limit_price) == ("open", "39000")
        assert (await client.order(placed.order_id)).order_id == placed.order_id
        assert [order.order_id async for order in client.orders(status=["open"])] == [placed.order_id]
        assert (await client.cancel(placed.order_id)).status == "canceled"
        with pytest.raises(ApiError) as error:
            await client.cancel(placed.order_id)
        assert error.value.code == "ORDER_CLOSED"


async def test_every_order_carries_a_key_so_that_a_retry_places_no_second_one(url, port):
    answers = [m.Refused(code="JOURNAL_UNAVAILABLE", detail="away", retry_after_seconds=0.01), None]

    def answer(intent):
        found = answers.pop(0)
        return found or r.Placed(order=port.accept())

    port.on_place = answer
    async with Client(url, TOKEN) as client:
        await client.place(symbol="BTC/USDT", side="buy", type="market", qty="1", waiting=Waiting(2))
    assert len(port.placed) == 2
    assert port.placed[0].idempotency_key == port.placed[1].idempotency_key is not None
    assert port.waits == [2.0, 2.0]


async def test_questions_are_answered_with_typed_values(url, port):
    port.fill(port.accept(), "0.01")
    async with Client(url, TOKEN) as client:
        assert [position.qty for position in await client.positions()] == ["0.01"]
        assert [fill.price async for fill in client.fills()] == ["39000"]
        assert [event.seq async for event in client.events()] == [1, 2, 3]
        assert (await client.risk()).limits[0].code == "MAX_POSITION"
        assert (await client.tree()).children[0].last_error == "boom"
        assert (await client.balances())[0].asset == "USDT"


async def test_a_kill_and_a_resume(url, port):
    async with Client(url, TOKEN) as client:
        assert (await client.kill("test", level="halt")).trading_state == "halted"
        assert port.killed[0]["level"] == "halt"
        assert (await client.resume("fine again")).kill_ids == ("k-1",)


async def test_a_service_that_is_not_there_is_unreachable():
    async with Client("http://127.0.0.1:9", TOKEN, attempts=1) as client:
        with pytest.raises(Unreachable) as error:
            await client.positions()
    assert error.value.unsent


async def test_a_feed_resumes_behind_the_last_update_after_the_connection_broke(url, port, app):
    order = port.accept()
    async with Client(url, TOKEN) as client, client.feed("orders") as frames:
        assert (await anext(frames)).type == "snapshot"
        seen = []
        for _ in range(3):
            port.fill(order, "0.001")
            seen.append((await anext(frames)).seq)
            for socket in tuple(app.sockets):
                socket.cancel_scope.cancel()
            port.fill(order, "0.001")
            seen.append((await anext(frames)).seq)
    assert seen == [3, 4, 5, 6, 7, 8]


async def test_a_feed_with_a_bad_token_is_refused(url):
    async with Client(url, "wrong") as client, client.feed("orders") as frames:
        with pytest.raises(FeedRefused):
            await anext(frames)


@pytest.fixture
async def encrypted(app, nursery, tmp_path):
    """The service behind a certificate of its own: where it is, and what to trust."""
    stop = trio.Event()
    made = own_certificate(tmp_path, ["127.0.0.1"], utc_now())
    settings = ServerSettings(port=0, graceful_seconds=0.2, certificate=made.certificate, key=made.key)

    async def run(task_status=trio.TASK_STATUS_IGNORED):
        await serve(app, settings, shutdown=stop.wait, task_status=task_status)

    yield (await nursery.start(run))[0], made.certificate
    stop.set()


async def test_a_certificate_that_is_not_trusted_is_given_as_the_reason(encrypted):
    url, _ = encrypted
    async with Client(url, TOKEN, attempts=1) as client:
        with pytest.raises(Unreachable, match="certificate verify failed") as raised:
            await client.risk()
    assert raised.value.unsent


ENCRYPTED = """
    import anyio, ssl, sys
    from web.client import Client

    async def main():
        trust = ssl.create_default_context(cafile=sys.argv[3])
        async with Client(sys.argv[1], sys.argv[2], trust=trust) as client, client.feed("orders") as frames:
            print((await client.risk()).trading_state, (await anext(frames)).type)
        try:
            async with Client(sys.argv[1], sys.argv[2]).feed("orders") as frames:
                await anext(frames)
        except Exception as error:
            print(type(error).__name__, "certificate" in str(error))

    anyio.run(main, backend=sys.argv[4])
"""


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
async def test_a_certificate_of_the_services_own_is_trusted_on_request_only(encrypted, backend):
    url, certificate = encrypted
    command = [sys.executable, "-c", textwrap.dedent(ENCRYPTED), url, TOKEN, str(certificate), backend]
    with trio.fail_after(30):
        done = await trio.run_process(command, capture_stdout=True)
    assert done.stdout == b"active snapshot\nFeedRefused True\n"


async def test_the_client_works_under_asyncio(url, port, app):
    order = port.accept()
    program = textwrap.dedent("""
        import asyncio, sys
        from web.client import Client

        async def main():
            async with Client(sys.argv[1], sys.argv[2]) as client, client.feed("orders") as frames:
                print((await anext(frames)).type, flush=True)
                print((await anext(frames)).seq)
                print(len([order async for order in client.orders()]))

        asyncio.run(main())
    """)
    command = [sys.executable, "-c", program, url, TOKEN]
    with trio.fail_after(20):
        process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE)
        async with process.stdout:
            first = b""
            while not first.endswith(b"\n"):
                first += await process.stdout.receive_some()
            assert first == b"snapshot\n"
            port.fill(order, "0.004")
            assert b"".join([chunk async for chunk in process.stdout]) == b"3\n1\n"
            await process.wait()


async def test_the_frames_of_each_channel_are_read_as_typed_values(url, port):
    order = port.accept()
    async with Client(url, TOKEN) as client:
        async with client.feed("orders") as frames:
            assert [row.status for row in (await anext(frames)).orders()] == ["open"]
            port.fill(order, "0.004")
            assert [row.filled_qty for row in (await anext(frames)).orders()] == ["0.004"]
        async with client.feed("positions") as frames:
            assert [row.qty for row in (await anext(frames)).positions()] == ["0.004"]
        async with client.feed("fills") as frames:
            assert (await anext(frames)).fills() == []
            port.fill(order, "0.001")
            assert [row.qty for row in (await anext(frames)).fills()] == ["0.001"]
        async with client.feed("markets") as frames:
            assert (await anext(frames)).prices()[0].symbol == "BTC/USDT"
        async with client.feed("system") as frames:
            assert (await anext(frames)).events() == ()
    gap = FeedFrame(type="gap", channel="orders", data=msgspec.Raw(b'{"after":1,"upTo":2}'))
    assert gap.orders() == ()
