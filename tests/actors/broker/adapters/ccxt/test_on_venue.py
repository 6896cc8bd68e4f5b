"""The adapter against the local venue, on every exchange: what the port promises."""

import logging
import random
from dataclasses import replace
from decimal import Decimal

import msgspec
import pytest
import trio

from actors.broker.adapters.ccxt.build import share_of
from actors.broker.adapters.ccxt.dialect import AccountWish
from actors.broker.port import EXTERNAL, Confirmed, NotSent, OrderReport, Rejected, Unavailable, Unresolved
from actors.model.fill import Fill
from tests.actors.broker.adapters.ccxt.conftest import KEY, SECRET, open_place, until


async def test_an_order_rests_is_found_and_is_cancelled_once(where):
    async with open_place(where) as place:
        intent = place.intent()
        answer = await place.adapter.submit(intent)
        assert isinstance(answer, Confirmed)
        assert (answer.status, answer.fills) == ("open", ())
        (resting,) = await place.adapter.open_orders("BTC/USDT")
        assert (
            resting
            == (await place.adapter.open_orders())[0]
            == await place.adapter.order("BTC/USDT", intent.venue_id)
        )
        assert (resting.venue_id, resting.side, resting.limit_price) == (
            intent.venue_id,
            "buy",
            Decimal(39000),
        )
        assert resting.exchange_order_id == answer.exchange_order_id
        done = await place.adapter.cancel("BTC/USDT", intent.venue_id, None)
        assert isinstance(done, Confirmed)
        again = await place.adapter.cancel("BTC/USDT", intent.venue_id, answer.exchange_order_id)
        assert isinstance(again, Rejected)
        assert again.gone
        ended = await place.adapter.order("BTC/USDT", intent.venue_id)
        assert ended is not None
        assert ended.status == "canceled"
        assert await place.adapter.order("BTC/USDT", "test1-999") is None
        assert await place.adapter.open_orders() == []


async def test_a_market_order_is_filled_and_its_fill_is_ours(where):
    """Also for an adapter that was not there when the order was sent, and that must not mistake others' for
    ours.
    """
    async with open_place(where) as place:
        began = place.venue.clock.now_us() - 1_000_000
        intent = place.market()
        assert isinstance(await place.adapter.submit(intent), Confirmed)
        place.by_hand()
        fresh = place.build()
        await fresh.connect()
        for adapter in (place.adapter, fresh):
            ours, theirs = await adapter.fills_since("BTC/USDT", began)
            assert (ours.order_id, ours.side, ours.quantity) == (intent.venue_id, "buy", Decimal("0.01"))
            assert theirs.order_id == EXTERNAL
            assert ours.key != theirs.key
        held = {balance.asset: balance.total for balance in await fresh.balances()}
        assert held["USDT"] == place.account.free["USDT"] + place.account.locked.get("USDT", 0)
        positions = await fresh.positions()
        expected = [] if where.endswith("spot") else [Decimal("0.02")]
        assert [position.quantity for position in positions] == expected
        await fresh.close()


async def test_the_clock_and_the_instruments_are_the_exchanges(where):
    async with open_place(where) as place:
        place.venue.clock.skew_us = 500_000
        before = place.venue.clock.now_us()
        told = await place.adapter.server_time_us()
        assert before - 1000 <= told <= place.venue.clock.now_us()
        listed = {instrument.symbol: instrument for instrument in await place.adapter.instruments()}
        market = place.exchange.markets["BTCUSDT"]
        assert (listed["BTC/USDT"].tick, listed["BTC/USDT"].lot) == (market.tick, market.lot)
        assert listed["BTC/USDT"].min_notional == market.min_notional


async def test_streams_tell_orders_fills_and_prices(where):
    async with open_place(where, speed=20.0) as place, trio.open_nursery() as nursery:
        items, ticks = [], []
        nursery.start_soon(place.adapter.follow_orders, items.append)
        nursery.start_soon(place.adapter.follow_market, ["BTC/USDT"], ticks.append)
        await until(lambda: any(tick.bid for tick in ticks) and any(tick.last for tick in ticks))
        await until(lambda: any(socket.owner for hub in place.venue.hubs(where) for socket in hub.sockets()))
        await trio.sleep(0.2)
        intent = place.market()
        await place.adapter.submit(intent)
        await until(lambda: any(isinstance(item, OrderReport) and item.status == "filled" for item in items))
        (fill,) = [item for item in items if isinstance(item, Fill)]
        assert (fill.order_id, fill.quantity) == (intent.venue_id, Decimal("0.01"))
        (polled,) = await place.adapter.fills_since("BTC/USDT", fill.at_us - 1000)
        assert polled == fill
        nursery.cancel_scope.cancel()


AFTER = ["drop_after", "timeout_after", "error_after", "truncate", "cut", "html", "empty", "unknown"]


async def test_a_damaged_answer_is_unresolved_and_the_lookup_tells_the_truth(where):
    """Whatever happened to it: nothing is sent twice, and nothing is refused without proof."""
    async with open_place(where) as place:
        for kind in ("drop_before", "error_before", *AFTER):
            place.fault(kind, count=1, seconds=0.5)
            intent = place.intent()
            answer = await place.adapter.submit(intent)
            assert isinstance(answer, Unresolved), kind
            assert abs(answer.signed_at_us - place.venue.clock.now_us()) < 10_000_000
            found = await place.adapter.order("BTC/USDT", intent.venue_id)
            assert (found is not None) == (kind in AFTER) == (len(place.placed(intent.venue_id)) == 1), kind


async def test_a_throttle_is_a_refusal_with_a_time_to_wait(where):
    async with open_place(where) as place:
        for kind in ("throttle", "ban"):
            place.fault(kind, count=1, seconds=7)
            intent = place.intent()
            answer = await place.adapter.submit(intent)
            assert isinstance(answer, Rejected)
            assert answer.throttled
            assert (answer.retry_after_seconds or 0) >= 6.9
            assert place.placed(intent.venue_id) == []
            place.fault(kind, where="GET", count=1, seconds=7)
            with pytest.raises(Unavailable) as problem:
                await place.adapter.open_orders("BTC/USDT")
            assert problem.value.kind in ("throttled", "banned")
            assert problem.value.retry_after_seconds


UNANSWERED = {
    "drop_before": "network",
    "timeout_before": "timeout",
    "error_before": "exchange",
    "html": "exchange",
    "truncate": "exchange",
    "empty": "exchange",
}


async def test_a_question_without_an_answer_is_unavailable(where):
    """It is never an empty list: an unread position is not a flat one."""
    async with open_place(where) as place:
        questions = [
            place.adapter.open_orders,
            place.adapter.balances,
            place.adapter.server_time_us,
            lambda: place.adapter.order("BTC/USDT", "test1-1"),
            lambda: place.adapter.fills_since("BTC/USDT", place.venue.clock.now_us() - 1000),
        ]
        if not where.endswith("spot"):
            questions.append(place.adapter.positions)
        for kind, expected in UNANSWERED.items():
            place.be_impatient(0.3 if kind == "timeout_before" else 10)
            for question in questions[:1] if kind == "timeout_before" else questions:
                place.fault(kind, where="GET", seconds=5)
                with pytest.raises(Unavailable) as problem:
                    await question()
                assert problem.value.kind == expected
                place.venue.faults.clear()


async def test_refusals_have_stable_codes(where):
    async with open_place(where) as place:
        poor = await place.adapter.submit(place.intent(quantity=Decimal(8999)))
        assert isinstance(poor, Rejected)
        assert (poor.code, poor.throttled) == ("INSUFFICIENT_MARGIN", False)
        for fields, code in (
            ({"limit_price": Decimal("39000.001")}, "INVALID_TICK"),
            ({"quantity": Decimal("0.0000001")}, "INVALID_LOT"),
            ({"symbol": "DOGE/USDT"}, "SYMBOL_NOT_ALLOWED"),
        ):
            answer = await place.adapter.submit(place.intent(**fields))
            assert isinstance(answer, NotSent)
            assert answer.reason.startswith(code)
        assert len(place.exchange.orders) == 0


async def test_an_order_that_must_not_take_does_not(where):
    """Refused at Binance, taken and cancelled at Bybit: nothing executes."""
    async with open_place(where) as place:
        intent = place.intent(post_only=True, limit_price=Decimal(41000))
        answer = await place.adapter.submit(intent)
        if isinstance(answer, Confirmed):
            found = await place.adapter.order("BTC/USDT", intent.venue_id)
            assert found is not None
            assert (found.status, found.executed) == ("canceled", 0)
        else:
            assert isinstance(answer, Rejected)
        assert place.exchange.trades == []


async def test_an_ioc_that_does_not_fill_is_canceled(where):
    async with open_place(where) as place:
        intent = place.intent(time_in_force="IOC")
        assert isinstance(await place.adapter.submit(intent), Confirmed)
        found = await place.adapter.order("BTC/USDT", intent.venue_id)
        assert found is not None
        assert found.status == "canceled"


async def test_a_skewed_clock_gets_orders_refused_for_certain(where):
    async with open_place(where) as place:
        place.venue.clock.skew_us = 20_000_000
        intent = place.intent()
        answer = await place.adapter.submit(intent)
        assert isinstance(answer, Rejected)
        assert not answer.throttled
        assert await place.adapter.server_time_us() > place.build()._clock.now_us() + 10_000_000
        assert place.exchange.orders == {}


async def follow_until_lost(place, disturb):
    """Follow the orders, disturb once the venue has them subscribed, and return how it ended."""
    problems = []
    async with trio.open_nursery() as nursery:

        async def follow():
            try:
                await place.adapter.follow_orders(lambda item: None)
            except Unavailable as problem:
                problems.append(problem)

        nursery.start_soon(follow)
        hubs = place.venue.hubs(place.name)
        await until(lambda: any(socket.owner and socket.streams for hub in hubs for socket in hub.sockets()))
        await trio.sleep(0.1)
        for hub in hubs:
            disturb(hub)
    (problem,) = problems
    return problem


async def test_a_lost_stream_is_told_and_can_be_followed_again(where):
    async with open_place(where) as place:
        for _ in range(2):
            problem = await follow_until_lost(place, lambda hub: hub.disconnect_all())
            assert problem.kind == "network"
        await until(lambda: not any(hub.sockets() for hub in place.venue.hubs(where)))


async def test_a_frame_that_can_not_be_read_ends_the_stream_instead_of_silencing_it(where):
    """What was missed is then asked for."""
    broken = [
        {"e": "executionReport", "s": "BTCUSDT", "x": "TRADE"},
        {"e": "ORDER_TRADE_UPDATE", "o": {"s": "BTCUSDT", "x": "TRADE"}},
        {"topic": "order", "data": [{"symbol": "BTCUSDT", "category": where.partition("-")[2]}]},
    ]

    def disturb(hub):
        for socket in hub.sockets():
            for frame in broken:
                socket.push("broken", frame)

    async with open_place(where) as place:
        problem = await follow_until_lost(place, disturb)
        assert "Malformed" in problem.detail


async def test_cancelled_calls_leave_the_adapter_usable(where):
    """A storm of cancellations at random moments: every later answer belongs to its own question."""
    rng = random.Random(7)
    async with open_place(where) as place:
        for _ in range(40):
            intent = place.intent()
            with trio.move_on_after(rng.random() * 0.008):
                await place.adapter.submit(intent)
        for _ in range(5):
            intent = place.intent()
            answer = await place.adapter.submit(intent)
            assert isinstance(answer, Confirmed)
            (order,) = place.placed(intent.venue_id)
            assert order.order_id == answer.exchange_order_id
        assert all(len(place.placed(f"test1-{number}")) <= 1 for number in range(1, 46))


async def test_keys_are_never_logged(where, caplog):
    caplog.set_level(logging.DEBUG)
    async with open_place(where) as place:
        place.fault("error_after", count=1)
        await place.adapter.submit(place.intent())
        await place.adapter.submit(place.intent(quantity=Decimal(8000)))
        with trio.move_on_after(1):
            await place.adapter.follow_orders(lambda item: None)
    assert SECRET not in caplog.text
    assert KEY not in caplog.text


async def test_the_exchanges_own_count_is_reported(where):
    async with open_place(where) as place:
        used = []
        place.adapter.on_usage(used.append)
        await place.adapter.submit(place.intent())
        assert used
        assert used[-1].used >= 1
        assert set(place.adapter.cost("submit")) & {"weight", "requests"}


async def test_an_adapter_that_is_not_connected_says_so(where):
    async with open_place(where) as place:
        stranger = place.build()
        for question in (stranger.open_orders, stranger.balances, stranger.server_time_us):
            with pytest.raises(Unavailable):
                await question()
        assert isinstance(await stranger.submit(place.intent()), NotSent)
        await stranger.close()
        await place.adapter.connect()
        assert isinstance(await place.adapter.submit(place.intent()), Confirmed)


async def test_an_exchange_that_is_not_there_is_unavailable_and_nothing_is_sent(where):
    async with open_place(where) as place:
        place.fault("drop_before", where="GET")
        unreachable = place.build()
        with pytest.raises(Unavailable):
            await unreachable.connect()
        await unreachable.close()
        place.venue.faults.clear()


async def test_the_account_is_found_in_order(where):
    async with open_place(where) as place:
        assert list(await place.adapter.account_problems(["BTC/USDT", "ETH/USDT"])) == []


@pytest.mark.parametrize("where", ["binance-usdm", "bybit-linear"])
async def test_leverage_margin_mode_and_position_mode_are_verified_with_what_was_found(where):
    async with open_place(where) as place:
        wish = AccountWish(leverage=Decimal(20), margin_mode="cross")
        adapter = place.build(wish=wish)
        await adapter.connect()
        assert list(await adapter.account_problems(["BTC/USDT"])) == []
        place.account.leverage, place.account.margin_mode = Decimal(3), "isolated"
        place.account.hedged = True
        found = "; ".join(await adapter.account_problems(["BTC/USDT"]))
        assert "BTC/USDT: the leverage is 3, configured is 20" in found
        assert "the margin mode is isolated" in found
        assert "hedge mode: switch it to one-way mode" in found
        (unwished,) = await place.adapter.account_problems(["BTC/USDT"])
        assert "hedge mode" in unwished
        await adapter.close()


def test_what_must_be_covered_is_one_part_in_the_leverage_and_never_less():
    assert share_of(None) == 1
    assert share_of(Decimal(4)) == Decimal("0.25")
    assert share_of(Decimal(3)) == Decimal("0.333333333334")


async def test_a_wrong_key_is_told_as_such(where):
    async with open_place(where) as place:
        locked_out = place.build(api_secret="wrong-secret-0001")
        await locked_out.connect()
        answer = await locked_out.submit(place.intent())
        assert isinstance(answer, Rejected)
        with pytest.raises(Unavailable):
            await locked_out.balances()
        await locked_out.close()


async def test_the_dead_mans_switch_is_armed_where_there_is_one(where):
    """Unrenewed, it cancels our orders; where there is none that is said."""
    async with open_place(where) as place:
        await place.adapter.submit(place.intent())
        if not place.adapter.capabilities.dead_mans_switch:
            with pytest.raises(Unavailable):
                await place.adapter.arm(60)
            return
        await place.adapter.arm(60)
        await place.adapter.disarm()
        assert place.venue.usdm.switches.expire() == 0
        await place.adapter.arm(0.2)
        await until(lambda: not any(order.is_open for order in place.exchange.orders.values()))


async def test_a_market_that_is_delisted_or_changed_is_noticed(where):
    """The market table is read again when it has become old; an order meets the new grid."""
    async with open_place(where) as place:
        listed = place.exchange.markets
        del listed["ETHUSDT"]
        listed["BTCUSDT"] = replace(listed["BTCUSDT"], lot=Decimal("0.1"))
        assert [one.symbol for one in await place.adapter.instruments()] == ["BTC/USDT", "ETH/USDT"]
        place.adapter._client._loaded_at -= 1000
        (left,) = await place.adapter.instruments()
        assert (left.symbol, left.lot) == ("BTC/USDT", Decimal("0.1"))
        answer = await place.adapter.submit(place.intent())
        assert isinstance(answer, NotSent)
        assert answer.reason.startswith("INVALID_LOT")


async def test_money_that_came_and_left_stands_in_the_statement_and_trades_do_not(where):
    async with open_place(where) as place:
        began = place.venue.clock.now_us() - 1_000_000
        await place.adapter.submit(place.market())
        place.exchange.transfer(place.account, "USDT", Decimal("250.5"))
        place.exchange.transfer(place.account, "USDT", Decimal(-100))
        found = await place.adapter.statement_since(began)
        assert sorted(move.amount for move in found) == [Decimal(-100), Decimal("250.5")]
        assert {move.asset for move in found} == {"USDT"}
        assert len({move.evidence for move in found}) == 2
        assert await place.adapter.statement_since(place.venue.clock.now_us() + 2_000_000) == []


@pytest.mark.parametrize("where", ["binance-usdm", "bybit-linear"])
async def test_the_mark_price_of_futures_comes_beside_quotes_and_trades(where):
    async with open_place(where) as place, trio.open_nursery() as nursery:
        ticks = []
        nursery.start_soon(place.adapter.follow_market, ["BTC/USDT"], ticks.append)

        def marks():
            place.exchange.mark("BTCUSDT", Decimal("39123.5"))
            return [tick for tick in ticks if tick.mark == Decimal("39123.5")]

        await until(marks, 30)
        assert all(tick.last is None for tick in marks())
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("where", ["bybit-spot", "bybit-linear"])
async def test_bybits_switch_fires_when_the_streams_are_gone_and_not_after_a_disarm(where):
    """It is enabled by the exchange; until then arming says what to do instead."""
    async with open_place(where) as place:
        adapter = place.build(use_switch=True)
        await adapter.connect()
        await adapter.submit(place.intent())
        with pytest.raises(Unavailable, match="DCP is not enabled"):
            await adapter.arm(3)
        place.account.dcp_enabled = True
        await adapter.arm(3)
        assert place.account.dcp_seconds == 3
        streams = place.venue.bybit_streams
        (order,) = place.exchange.orders.values()

        async def follow(until_held):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(adapter.follow_orders, lambda item: None)
                await until(lambda: streams.holds(KEY, adapter._dialect.switch_topic()))
                if not until_held:
                    await adapter.disarm()
                    await until(lambda: not streams.holds(KEY, adapter._dialect.switch_topic()))
                nursery.cancel_scope.cancel()

        def later(seconds):
            place.venue.clock.skew_us += int(seconds * 1_000_000)
            return streams.disconnections.expire(streams.holds)

        await follow(until_held=False)
        assert later(60) == 0
        assert order.is_open
        place.venue.clock.skew_us = 0
        await follow(until_held=True)
        await until(lambda: not streams.private.sockets())
        assert later(2) == 0
        assert later(1.5) == 1
        assert not order.is_open
        await adapter.close()


async def test_streams_that_are_given_up_while_they_open_leave_no_connection_behind(where):
    """A broker that dies at a bad moment, again and again: the pool of connections must not run dry."""
    async with open_place(where) as place:
        for step in range(24):
            with trio.move_on_after(0.001 + step * 0.002):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(place.adapter.follow_orders, lambda item: None)
                    nursery.start_soon(place.adapter.follow_market, ["BTC/USDT"], lambda tick: None)
            await trio.sleep(0.1)

        def open_sockets():
            return sum(len(tuple(hub.sockets())) for hub in place.venue.hubs(where))

        await until(lambda: open_sockets() == 0, 10)
        await until(lambda: not place.adapter._client._session.connector._acquired, 10)


async def test_an_amend_whose_answer_is_lost_is_never_called_refused():
    """The HTTP client repeats a PUT whose connection broke, and by then the order has its new terms."""
    async with open_place("binance-usdm") as place:
        intent = place.intent()
        await place.adapter.submit(intent)
        place.fault("drop_after", where="PUT /fapi/v1/order", count=1)
        answer = await place.adapter.amend(msgspec.structs.replace(intent, quantity=Decimal("0.02")), None)
        assert isinstance(answer, Unresolved)
        (resting,) = await place.adapter.open_orders("BTC/USDT")
        assert resting.quantity == Decimal("0.02")


@pytest.mark.parametrize("kind", ["throttle", "ban"])
async def test_an_exchange_that_wants_silence_at_the_start_is_given_it(where, kind):
    """Who goes on asking while the address is banned is banned for longer."""
    async with open_place(where) as place:
        place.fault(kind, where="GET", seconds=77)
        fresh = place.build()
        with pytest.raises(Unavailable) as caught:
            await fresh.connect()
        await fresh.close()
        told = await asked_for_silence(place)
        assert (caught.value.kind, caught.value.retry_after_seconds is None) == (told.kind, False)
        assert caught.value.retry_after_seconds == pytest.approx(told.retry_after_seconds, abs=1)


async def asked_for_silence(place):
    """What a question is told at the same time."""
    with pytest.raises(Unavailable) as caught:
        await place.adapter.open_orders("BTC/USDT")
    return caught.value
