"""What passes a limit without an order passing it: found once, acted on at once, journaled with its cause."""

from decimal import Decimal

import msgspec
import pytest
import trio

from actors.model import messages as m
from actors.model.events import (
    AmendAccepted,
    AmendAsked,
    KillEngaged,
    LimitBreached,
    LimitChanged,
    OrderAbsent,
    OrderReplaced,
    OrderUnresolved,
    TradingStateChanged,
)
from actors.model.fill import Fill
from actors.risk.watch import Outgoing, Watch, fill_difference
from tests.actors.risk.desk import BTC, ETH, D, Desk, mark
from tests.fixtures.floor import Floor


def codes(turn) -> list[tuple[str, str | None, str | None]]:
    """What began."""
    return [found.key for found in turn.began]


def test_what_is_held_at_the_limit_is_no_breach_and_beyond_it_is_found_once():
    desk, watch = Desk(), Watch()
    desk.hold("buy", "1.25", "40000")
    assert codes(watch.look(desk.state, desk.now_us)) == []
    desk.price(BTC, "40000.01")
    assert codes(watch.look(desk.state, desk.now_us)) == [("MAX_POSITION", None, BTC)]
    assert codes(watch.look(desk.state, desk.now_us)) == []
    desk.price(BTC, "40000")
    assert [found.key for found in watch.look(desk.state, desk.now_us).ended] == [("MAX_POSITION", None, BTC)]
    desk.price(BTC, "40000.01")
    assert codes(watch.look(desk.state, desk.now_us)) == [("MAX_POSITION", None, BTC)]


def test_working_orders_are_no_breach():
    """They have not happened; a tick of the market must not sweep them away."""
    desk, watch = Desk(), Watch()
    desk.place("buy", "1.25", "40000")
    desk.price(BTC, "44000")
    assert codes(watch.look(desk.state, desk.now_us)) == []


@pytest.mark.parametrize(
    ("limit", "code", "scope"),
    [
        ("max_pos_usd", "MAX_POSITION", (None, BTC)),
        ("max_long_usd", "MAX_LONG", (None, BTC)),
        ("max_exchange_usd", "MAX_EXCHANGE_EXPOSURE", ("sim", None)),
        ("max_gross_usd", "MAX_GROSS_EXPOSURE", (None, None)),
        ("max_net_usd", "MAX_NET_EXPOSURE", (None, None)),
    ],
)
def test_a_lowered_limit_is_a_breach_in_its_scope(limit, code, scope):
    desk, watch = Desk(), Watch()
    desk.hold("buy", "1", "40000")
    desk.limits(**{limit: D(39_999)})
    assert codes(watch.look(desk.state, desk.now_us)) == [(code, *scope)]


def test_a_short_beyond_its_limit_is_a_breach():
    desk, watch = Desk(max_short_usd=D(40_000)), Watch()
    desk.hold("sell", "1", "40000")
    desk.price(BTC, "40001")
    assert codes(watch.look(desk.state, desk.now_us)) == [("MAX_SHORT", None, BTC)]


def test_losses_are_found_anew_each_day():
    desk, watch = Desk(), Watch()
    desk.hold("buy", "1", "40000")
    desk.price(BTC, "34999.99")
    assert codes(watch.look(desk.state, desk.now_us, losses_only=True)) == [("MAX_DAILY_LOSS", None, None)]
    desk.now_us += 86_400_000_000
    desk.open_day()
    assert codes(watch.look(desk.state, desk.now_us)) == []
    desk.price(BTC, "29999")
    assert codes(watch.look(desk.state, desk.now_us, losses_only=True)) == [("MAX_DAILY_LOSS", None, None)]


def test_a_look_at_losses_alone_does_not_end_other_breaches():
    desk, watch = Desk(), Watch()
    desk.hold("buy", "1.25", "40000")
    desk.price(BTC, "41000")
    watch.look(desk.state, desk.now_us)
    assert watch.look(desk.state, desk.now_us, losses_only=True).ended == ()


BEYOND = {
    "max_pos_usd": ("41000", "MAX_POSITION", (None, BTC)),
    "max_short_usd": ("41000", "MAX_SHORT", (None, BTC)),
    "max_exchange_usd": ("41000", "MAX_EXCHANGE_EXPOSURE", ("sim", None)),
    "max_gross_usd": ("41000", "MAX_GROSS_EXPOSURE", (None, None)),
    "max_net_usd": ("41000", "MAX_NET_EXPOSURE", (None, None)),
    "max_daily_loss_usd": ("1000", "MAX_DAILY_LOSS", (None, None)),
    "max_drawdown_usd": ("1000", "MAX_DRAWDOWN", (None, None)),
}


def no_price(desk: Desk, symbol: str = BTC) -> None:
    """The exchange says something that is no price."""
    desk.state.set_mark(msgspec.structs.replace(mark(symbol, "1"), mark=D("NaN")))


@pytest.mark.parametrize("name", BEYOND)
def test_a_breach_is_not_over_because_its_price_is_gone(name):
    limit, code, scope = BEYOND[name]
    desk, watch = Desk(**{"max_pos_usd": None, "max_daily_loss_usd": None, name: D(limit)}), Watch()
    desk.hold("sell", "1", "40000")
    desk.price(BTC, "42000")
    assert codes(watch.look(desk.state, desk.now_us)) == [(code, *scope)]
    no_price(desk)
    turn = watch.look(desk.state, desk.now_us)
    assert (turn.began, turn.ended) == ((), ())
    desk.price(BTC, "42000")
    assert codes(watch.look(desk.state, desk.now_us)) == []
    desk.price(BTC, "40000")
    assert [found.key for found in watch.look(desk.state, desk.now_us).ended] == [(code, *scope)]


def test_an_old_price_is_not_new_because_it_is_gone():
    desk, watch = Desk(max_price_age_seconds=D(5), reduce_on_stale_price=True), Watch()
    desk.hold("buy", "0.1", "40000")
    desk.now_us += 6_000_000
    assert codes(watch.look(desk.state, desk.now_us)) == [("STALE_PRICE", "sim", BTC)]
    no_price(desk)
    assert watch.look(desk.state, desk.now_us).ended == ()
    desk.price(BTC, "40000")
    assert [found.key for found in watch.look(desk.state, desk.now_us).ended] == [("STALE_PRICE", "sim", BTC)]


def test_a_price_that_is_not_there_is_as_old_as_that_was_first_seen():
    """After a start, too, prices have their time; then nobody knows what the position is worth."""
    desk, watch = Desk(max_price_age_seconds=D(5), reduce_on_stale_price=True), Watch()
    desk.hold("buy", "0.1", "40000")
    no_price(desk)
    desk.now_us += 60_000_000
    assert codes(watch.look(desk.state, desk.now_us)) == []
    desk.now_us += 5_000_000
    assert codes(watch.look(desk.state, desk.now_us)) == []
    desk.now_us += 1_000_000
    assert codes(watch.look(desk.state, desk.now_us)) == [("STALE_PRICE", "sim", BTC)]
    desk.price(BTC, "40000")
    assert [found.key for found in watch.look(desk.state, desk.now_us).ended] == [("STALE_PRICE", "sim", BTC)]


def test_a_price_that_is_gone_elsewhere_keeps_no_other_breach_going():
    desk, watch = Desk(), Watch()
    desk.hold("buy", "1", "2000", symbol=ETH)
    desk.hold("buy", "1.25", "40000")
    desk.price(BTC, "40001")
    watch.look(desk.state, desk.now_us)
    no_price(desk, ETH)
    desk.price(BTC, "40000")
    assert [found.key for found in watch.look(desk.state, desk.now_us).ended] == [("MAX_POSITION", None, BTC)]


def test_a_fill_must_be_for_its_orders_symbol_and_side_and_within_its_limit():
    desk = Desk()
    intent = desk.intent("buy", "1", "40000")
    good = Fill(
        exchange="sim",
        market_type="spot",
        symbol=BTC,
        exchange_order_id="x",
        trade_id="t",
        order_id=intent.order_id,
        side="buy",
        quantity=D(1),
        price=D(40000),
        fee_currency="USDT",
        at_us=1,
    )
    assert fill_difference(good, intent) is None
    for bad in ({"side": "sell"}, {"symbol": "ETH/USDT"}, {"exchange": "other"}, {"price": D("40000.01")}):
        assert fill_difference(msgspec.structs.replace(good, **bad), intent) is not None
    sold = msgspec.structs.replace(intent, side="sell")
    assert fill_difference(msgspec.structs.replace(good, side="sell", price=D("39999.99")), sold) is not None
    market = desk.intent("buy", "1")
    assert fill_difference(msgspec.structs.replace(good, price=D(90000)), market) is None


def test_what_leaves_must_have_been_accepted_and_leave_once():
    outgoing = Outgoing()
    assert outgoing.differences(["a", "b"], {"a", "b"}.__contains__) == []
    assert "sent twice" in outgoing.differences(["a"], {"a", "b"}.__contains__)[0]
    assert "not accepted" in outgoing.differences(["c"], {"a", "b"}.__contains__)[0]


# The transitions, with the real journal and the operator's actor.


async def test_a_price_that_carries_a_position_past_its_limit_leads_to_reducing(autojump_clock):
    first = Floor(resume_within_limits="never")
    async with first.open() as floor:
        await floor.hold("buy", "1.25", "40000")
        floor.price(BTC, "40100")
        await trio.sleep(1.5)
        (breached,) = floor.events(LimitBreached)
        assert (breached.code, breached.symbol, breached.limit, breached.value) == (
            "MAX_POSITION",
            BTC,
            Decimal(50_000),
            Decimal(50_125),
        )
        (changed,) = floor.events(TradingStateChanged)
        assert (changed.symbol, changed.new) == (BTC, "reducing")
        assert changed.cause == "MAX_POSITION: 50125 is beyond 50000"
        assert (await floor.place("buy", "0.001")).code == "MAX_POSITION"
        assert (await floor.place("buy", "0.1", symbol="ETH/USDT")).order_id
        floor.price(BTC, "39000")
        await trio.sleep(1.5)
        assert (await floor.place("buy", "0.001")).code == "TRADING_REDUCING"
        assert isinstance(await floor.place("sell", "0.5"), m.Admitted)
    async with first.again().open() as floor:
        assert floor.gate.state_for("sim", BTC) == "reducing"
        assert len(floor.events(LimitBreached)) == 1


@pytest.mark.parametrize(
    ("ends", "state"), [("never", "reducing"), ("price", "active"), ("always", "active")]
)
async def test_reducing_that_prices_brought_ends_with_them_unless_configured_not_to(
    autojump_clock, ends, state
):
    async with Floor(resume_within_limits=ends).open() as floor:
        await floor.hold("buy", "1.25", "40000")
        floor.price(BTC, "40100")
        await trio.sleep(1.5)
        assert floor.gate.state_for("sim", BTC) == "reducing"
        floor.price(BTC, "39000")
        await trio.sleep(1.5)
        assert floor.gate.state_for("sim", BTC) == state
        if state == "active":
            assert [event.new for event in floor.events(TradingStateChanged)] == ["reducing", "active"]
            assert "within its limit again" in floor.events(TradingStateChanged)[-1].cause


@pytest.mark.parametrize(("ends", "state"), [("price", "reducing"), ("always", "active")])
async def test_reducing_that_a_lowered_limit_brought_stays_unless_configured(autojump_clock, ends, state):
    async with Floor(resume_within_limits=ends).open() as floor:
        await floor.hold("buy", "1", "40000")
        change = m.ChangeLimit(name="max_pos_usd", value="39000", by="ann", reason="less")
        await floor.system.ref("risk").ask(change, timeout=1)
        await floor.settle()
        floor.price(BTC, "38000")
        await trio.sleep(1.5)
        assert floor.gate.state_for("sim", BTC) == state


async def cancelled(floor: Floor, order_id: str) -> None:
    """The exchange had the order, and it is off."""
    await floor.acknowledged(order_id)
    await floor.cancelled(order_id)


async def absent(floor: Floor, order_id: str) -> None:
    """The exchange was proven never to have had it, wrongly."""
    place = {"exchange": "sim", "symbol": BTC, "order_id": order_id}
    await floor.write(
        "position/sim/BTC-USDT",
        OrderUnresolved(reason="no answer", **place),
        OrderAbsent(proof="not found", **place),
    )


@pytest.mark.parametrize("quantity", ["0.1", "1.25"], ids=["a part", "the whole"])
@pytest.mark.parametrize("ended", [cancelled, absent])
async def test_reducing_that_a_late_fill_brought_stays(autojump_clock, ended, quantity):
    """Also where the order looks afterwards as if it had never been over."""
    async with Floor().open() as floor:
        late = await floor.place("buy", "1.25", "39000")
        await ended(floor, late.order_id)
        await floor.hold("buy", "1.25", "40000")
        await floor.filled(late.order_id, "39000", quantity)
        await trio.sleep(1.5)
        (breached,) = floor.events(LimitBreached)
        assert breached.cause == f"a late fill of order {late.order_id}"
        floor.price(BTC, "15000")
        await trio.sleep(1.5)
        assert floor.gate.restrictions["*/BTC/USDT"].state == "reducing"


async def test_reducing_that_a_late_fill_of_what_was_replaced_brought_stays(autojump_clock):
    """The order works on under its new terms; what executed was counted as over."""
    async with Floor().open() as floor:
        late = await floor.place("buy", "1", "39000")
        await floor.acknowledged(late.order_id)
        asked = AmendAsked(amend_id="a", quantity=D("0.1"), limit_price=D(39000))
        amend = m.AmendOrder(order_id=late.order_id, asked=asked, correlation_id="c")
        assert isinstance(await floor.system.ref("risk").ask(amend, timeout=5), m.Admitted)
        await floor.settle()
        (accepted,) = floor.events(AmendAccepted)
        replaced = OrderReplaced(
            exchange="sim",
            symbol=BTC,
            order_id=late.order_id,
            amend_id="a",
            venue_id=accepted.venue_id,
            quantity=D("0.1"),
            reason="cancelled to be replaced",
        )
        await floor.write("position/sim/BTC-USDT", replaced)
        await floor.hold("buy", "1.1", "40000")
        await floor.filled(late.order_id, "39000", "0.5", former=True)
        await trio.sleep(1.5)
        (breached,) = floor.events(LimitBreached)
        assert breached.cause == f"a late fill of order {late.order_id}"
        floor.price(BTC, "15000")
        await trio.sleep(1.5)
        assert floor.gate.restrictions["*/BTC/USDT"].state == "reducing"


async def test_a_lowered_limit_leads_to_reducing_and_names_its_cause(autojump_clock):
    async with Floor().open() as floor:
        await floor.hold("buy", "1", "40000")
        change = m.ChangeLimit(name="max_pos_usd", value="10000", by="ann", reason="less")
        await floor.system.ref("risk").ask(change, timeout=1)
        await floor.settle()
        (breached,) = floor.events(LimitBreached)
        assert breached.cause == "the limit max_pos_usd was set to 10000"
        assert floor.gate.state_for("sim", BTC) == "reducing"


async def test_a_lowered_limit_is_the_cause_also_before_the_journal_has_it(autojump_clock):
    """It is in force at once: what a look finds in between was not brought by prices, and stays."""
    async with Floor().open() as floor:
        await floor.hold("buy", "1", "40000")
        floor.faults.latency_seconds = 0.6
        await trio.sleep(0.7)
        change = m.ChangeLimit(name="max_pos_usd", value="39000", by="ann", reason="less")
        await floor.system.ref("risk").ask(change, timeout=5)
        await trio.sleep(3)
        (breached,) = floor.events(LimitBreached)
        assert breached.cause == "the limit max_pos_usd is being set"
        floor.price(BTC, "38000")
        await trio.sleep(5)
        assert floor.gate.state_for("sim", BTC) == "reducing"


async def test_a_loss_beyond_the_daily_limit_halts_at_the_same_price(autojump_clock):
    first = Floor()
    async with first.open() as floor:
        await floor.hold("buy", "1", "40000")
        floor.price(BTC, "34999")
        await floor.settle()
        (engaged,) = floor.events(KillEngaged)
        assert (engaged.automatic, engaged.by, engaged.level) == (True, "risk", "halt")
        assert engaged.reason == "MAX_DAILY_LOSS: 5001 is beyond 5000"
        assert [event.code for event in floor.events(LimitBreached)] == ["MAX_DAILY_LOSS"]
        assert floor.latch.content is not None
        assert (await floor.place("buy", "0.001")).code == "MAX_DAILY_LOSS"
        assert isinstance(await floor.place("sell", "1", reduce_only=True), m.Admitted)
        floor.price(BTC, "39000")
        assert (await floor.place("buy", "0.001")).code == "TRADING_HALTED"
    async with first.again().open() as floor:
        assert (await floor.place("buy", "0.001")).code == "TRADING_HALTED"
        floor.price(BTC, "34000")
        await trio.sleep(2)
        assert len(floor.events(KillEngaged)) == 1


async def test_a_daily_loss_can_flatten(autojump_clock):
    async with Floor(flatten_on_daily_loss=True).open() as floor:
        await floor.hold("buy", "1", "40000")
        floor.price(BTC, "34999")
        await floor.settle()
        (engaged,) = floor.events(KillEngaged)
        assert engaged.level == "flatten"
        floor.system.ref("operator").tell(
            m.SweepProgress(sweep_id=engaged.kill_id, exchange="sim", cancelled=0, remaining=0, done=True)
        )
        await floor.settle()
        (closing,) = [order for order in floor.log.book.orders.values() if order.intent.reduce_only]
        assert (closing.intent.side, closing.intent.quantity) == ("sell", Decimal(1))


async def test_a_submit_that_the_journal_never_accepted_halts_everything(autojump_clock):
    async with Floor().open() as floor:
        answer = await floor.place("buy", "0.1", "39000")
        floor.gate.begin_send(answer.order_id)
        await trio.sleep(1.5)
        assert floor.gate.state_for(None, None) == "active"
        floor.gate.begin_send("a stranger")
        await trio.sleep(1.5)
        assert floor.gate.state_for(None, None) == "halted"
        assert "a stranger" in floor.events(TradingStateChanged)[0].cause


async def test_a_fill_beyond_its_orders_limit_halts_the_exchange(autojump_clock):
    async with Floor().open() as floor:
        answer = await floor.place("buy", "0.1", "39000")
        await floor.filled(answer.order_id, "39000.01")
        assert floor.gate.state_for("sim", BTC) == "halted"
        assert floor.gate.state_for(None, None) == "active"
        assert floor.events(TradingStateChanged)[0].exchange == "sim"


async def test_repeated_executions_stay_off_until_a_person_resumes(autojump_clock):
    async with Floor(max_repeated_executions=1).open() as floor:
        await floor.hold("buy", "0.01", "40000")
        assert (await floor.place("buy", "0.01")).code == "REPEATED_EXECUTION"
        await trio.sleep(120)
        floor.price(BTC, "40000")
        assert (await floor.place("buy", "0.01")).code == "TRADING_HALTED"
        resume = m.Resume(reason="checked", by="ann", correlation_id="")
        assert isinstance(await floor.system.ref("operator").ask(resume, timeout=5), m.Resumed)
        assert isinstance(await floor.place("buy", "0.01"), m.Admitted)


async def test_old_prices_and_skewed_clocks_can_lead_to_reducing(autojump_clock):
    limits = {"reduce_on_stale_price": True, "max_clock_skew_seconds": Decimal(1)}
    async with Floor(max_price_age_seconds=Decimal(10), **limits).open() as floor:
        await floor.hold("buy", "0.01", "40000")
        await trio.sleep(12)
        assert floor.gate.state_for("sim", BTC) == "reducing"
        floor.system.ref("risk").tell(m.ClockSkew(exchange="sim", skew_us=1_000_001))
        await trio.sleep(1.5)
        assert floor.gate.state_for("sim", None) == "reducing"


async def test_the_peak_outlives_a_restart(autojump_clock):
    first = Floor(max_drawdown_usd=Decimal(1000), max_pos_usd=None)
    async with first.open() as floor:
        await floor.hold("buy", "1", "40000")
        floor.price(BTC, "42000")
        await trio.sleep(1.5)
        floor.price(BTC, "41500")
        await floor.settle()
    second = Floor(first.disk, first.latch, "i2", max_drawdown_usd=Decimal(1000), max_pos_usd=None)
    async with second.open(trading=False) as floor:
        floor.report()
        floor.price(BTC, "41000")
        await floor.settle()
        assert not floor.gate.kills
        floor.price(BTC, "40999")
        await floor.settle()
        assert [event.reason for event in floor.events(KillEngaged)] == ["MAX_DRAWDOWN: 1001 is beyond 1000"]


async def test_loosening_a_limit_can_need_two_people(autojump_clock):
    floor = Floor()
    floor.second_person = True
    async with floor.open():

        async def ask(by, value):
            change = m.ChangeLimit(name="max_pos_usd", value=value, by=by, reason="r")
            return await floor.system.ref("risk").ask(change, timeout=1)

        assert isinstance(await ask("ann", "40000"), m.LimitSet)
        assert isinstance(await ask("ann", "60000"), m.Proposed)
        assert isinstance(await ask("ann", "60000"), m.Proposed)
        assert isinstance(await ask("ben", "70000"), m.Proposed)
        assert isinstance(await ask("ann", "70000"), m.LimitSet)
        await floor.settle()
        last = floor.events(LimitChanged)[-1]
        assert (last.new, last.by, last.approved_by) == ("70000", "ben", "ann")
