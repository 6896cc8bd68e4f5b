"""The feeds over real sockets: snapshot, updates by sequence, resume, gaps, and who is let in."""

import pytest

from tests.web.talking import AUTH, close_code, joined, refusal


async def test_a_subscriber_gets_a_snapshot_and_then_every_change_by_its_sequence(address, port):
    order = port.accept()
    async with joined(address) as talker:
        await talker.say(action="subscribe", channel="orders")
        snapshot = await talker.hear()
        assert (snapshot["channel"], snapshot["type"], snapshot["seq"]) == ("orders", "snapshot", 2)
        assert [each["orderId"] for each in snapshot["data"]["orders"]] == [order.order_id]
        port.fill(order, "0.004")
        port.fill(order, "0.006")
        first, second = await talker.hear(), await talker.hear()
        assert [(frame["type"], frame["seq"]) for frame in (first, second)] == [("update", 3), ("update", 4)]
        assert [frame["data"]["status"] for frame in (first, second)] == ["partially_filled", "filled"]
        assert second["data"]["filledQty"] == "0.01"


async def test_several_events_of_one_order_in_one_batch_are_told_one_by_one(address, port):
    order = port.accept()
    async with joined(address) as talker:
        await talker.say(action="subscribe", channel="orders")
        await talker.hear()
        port.cancel_now(order)
        assert [(await talker.hear())["data"]["status"] for _ in range(2)] == ["pending_cancel", "canceled"]


async def test_a_token_may_come_in_the_first_frame(address, port):
    async with joined(address, headers=[]) as talker:
        await talker.say(action="auth", token="all-scopes-token")
        await talker.say(action="subscribe", channel="positions")
        assert (await talker.hear())["type"] == "snapshot"


@pytest.mark.parametrize(
    "frame", [{"action": "auth", "token": "wrong"}, {"action": "subscribe", "channel": "orders"}]
)
async def test_a_bad_first_frame_ends_the_connection(address, frame):
    async with joined(address, headers=[]) as talker:
        await talker.say(**frame)
        heard = await talker.hear()
        assert (heard["type"], heard["code"]) == ("error", "UNAUTHENTICATED")
        assert await close_code(talker) == 1008


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/ws/orders", [(b"Authorization", b"Bearer wrong")], 401),
        ("/ws/nothing", AUTH, 404),
        ("/ws/orders?token=all-scopes-token", [], 400),
        ("/ws/orders", [*AUTH, (b"Origin", b"https://evil.example")], 403),
    ],
)
async def test_a_handshake_that_may_not_be_is_refused_with_a_problem(address, path, headers, status):
    found, body = await refusal(address, path, headers)
    assert found == body["status"] == status


async def test_a_token_without_the_scope_read_gets_no_feed(address, make_token):
    token = await make_token("trade")
    status, body = await refusal(address, headers=[(b"Authorization", b"Bearer " + token.encode())])
    assert (status, body["code"]) == (403, "FORBIDDEN")


async def test_a_revoked_token_loses_its_connection(address, make_token, tokens, keyring, clock):
    token = await make_token("read")
    async with joined(address, headers=[(b"Authorization", b"Bearer " + token.encode())]) as talker:
        await talker.say(action="subscribe", channel="orders")
        await talker.hear()
        [record] = await tokens.all()
        await tokens.revoke(record.token_id, clock.now_us())
        await keyring.refresh()
        assert await close_code(talker) == 1008


async def test_a_resumed_subscriber_sees_each_event_exactly_once(address, port):
    order = port.accept()
    seen = []
    for part in range(100):
        async with joined(address) as talker:
            await talker.say(action="subscribe", channel="orders", fromSeq=seen[-1] if seen else 0)
            port.fill(order, "0.00001")
            while len(seen) < 3 + 2 * part:
                seen.append((await talker.hear())["seq"])
        port.fill(order, "0.00001")
    assert seen == list(range(1, len(seen) + 1))


async def test_a_resume_beyond_the_ring_is_told_from_the_journal_with_the_state_of_each_moment(
    app, address, port
):
    app.hub.capacity = 4
    order = port.accept()
    for _ in range(9):
        port.fill(order, "0.001")
    for _ in range(5):
        port.accept()
    assert app.hub.tail > 5
    async with joined(address) as talker:
        await talker.say(action="subscribe", channel="orders", fromSeq=5)
        frames = [await talker.hear() for _ in range(16)]
    assert [frame["seq"] for frame in frames] == list(range(6, 22))
    assert [frame["data"]["filledQty"] for frame in frames[:6]] == [f"0.00{n}" for n in range(4, 10)]


async def test_a_sequence_that_can_not_be_resumed_is_a_gap_and_a_snapshot(address, port):
    port.accept()
    async with joined(address) as talker:
        await talker.say(action="subscribe", channel="orders", fromSeq=77)
        gap, snapshot = await talker.hear(), await talker.hear()
    assert (gap["type"], gap["data"]) == ("gap", {"after": 77, "upTo": 2})
    assert snapshot["type"] == "snapshot"


async def test_symbols_filter_what_is_told(address, port):
    async with joined(address) as talker:
        await talker.say(action="subscribe", channel="orders", symbols=["ETH/USDT"])
        await talker.hear()
        port.accept()
        wanted = port.accept(symbol="ETH/USDT")
        assert (await talker.hear())["data"]["orderId"] == wanted.order_id


async def test_after_unsubscribing_nothing_more_is_told(address, port):
    async with joined(address) as talker:
        await talker.say(action="subscribe", channel="orders")
        await talker.hear()
        await talker.say(action="unsubscribe", channel="orders")
        await talker.say(action="ping")
        assert (await talker.hear())["type"] == "pong"
        port.accept()
        assert await talker.quiet() is None


async def test_positions_and_fills_are_told_with_their_sequence(address, port):
    async with joined(address) as talker:
        for channel in ("positions", "fills"):
            await talker.say(action="subscribe", channel=channel)
            assert (await talker.hear())["type"] == "snapshot"
        port.tick("39100")
        port.fill(port.accept(), "0.01")
        told = {frame["channel"]: frame for frame in (await talker.hear(), await talker.hear())}
    assert (told["positions"]["seq"], told["fills"]["seq"]) == (3, 3)
    assert told["positions"]["data"]["unrealizedPnl"] == "1"
    assert told["fills"]["data"]["price"] == "39000"


async def test_market_data_are_conflated_and_end_with_the_newest_price(address, port):
    async with joined(address, "/ws/markets") as talker:
        await talker.say(action="subscribe", channel="markets")
        snapshot = await talker.hear()
        assert (snapshot["type"], snapshot["data"]["symbol"]) == ("snapshot", "BTC/USDT")
        for price in range(40000, 40500):
            port.tick(str(price))
        frames = [await talker.hear()]
        while frames[-1]["data"]["last"] != "40499":
            frames.append(await talker.hear())
    assert len(frames) < 10
    assert frames[-1]["data"].keys() >= {"symbol", "bid", "ask", "last", "timestamp"}


async def test_a_frame_that_is_not_understood_is_answered_and_too_many_end_the_connection(address):
    async with joined(address) as talker:
        await talker.socket.send_message("{")
        heard = await talker.hear()
        assert (heard["type"], heard["code"]) == ("error", "VALIDATION")
        assert "channel" not in heard
        for _ in range(25):
            await talker.socket.send_message('{"action":"dance"}')
        assert await close_code(talker) == 1008


async def test_a_subscriber_that_fell_out_of_the_ring_is_told_of_the_gap(app, address, port):
    app.hub.capacity = 2
    async with joined(address) as talker:
        await talker.say(action="subscribe", channel="orders")
        await talker.hear()
        for _ in range(10):
            port.accept()
        frames = [await talker.hear(), await talker.hear()]
    assert [frame["type"] for frame in frames] == ["gap", "snapshot"]
    assert len(frames[1]["data"]["orders"]) == 10


async def test_a_large_snapshot_comes_in_frames_that_say_that_there_is_more(address, port):
    for _ in range(150):
        port.accept()
    async with joined(address) as talker:
        await talker.say(action="subscribe")
        first, second = await talker.hear(), await talker.hear()
    assert (len(first["data"]["orders"]), first["data"]["more"]) == (100, True)
    assert (len(second["data"]["orders"]), second["data"]["more"]) == (50, False)
