"""Every position has a live stop of its size, or somebody is told: by reducing, or by closing it."""

from decimal import Decimal

import msgspec
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from actors.model import messages as m
from actors.model.book import Book
from actors.model.events import CancelRequested, KillEngaged, LimitBreached, PositionAdjusted
from actors.model.order import Order, OrderIntent, Submission
from actors.model.position import Position
from actors.risk.protection import Protection, unprotected
from actors.risk.watch import Watch
from tests.actors.risk.desk import BTC, Desk
from tests.fixtures.floor import Floor

GRACE = Decimal(30)
PLACE = ("sim", BTC)


def order(number: int, side: str, quantity: Decimal, **changes: object) -> Order:
    intent = OrderIntent(
        order_id=str(number),
        client_order_id=str(number),
        exchange="sim",
        symbol=BTC,
        side=side,
        type="stop",
        quantity=quantity,
        limit_price=None,
        stop_price=Decimal(100),
        venue_id=str(number),
    )
    made = Order(intent=intent, submission=Submission.WORKING, reserve_price=Decimal(100))
    return msgspec.structs.replace(made, **changes)


def book(held: Decimal, *orders: Order) -> Book:
    position = Position(exchange="sim", symbol=BTC, quantity=held)
    return Book(positions={PLACE: position}, orders={each.order_id: each for each in orders})


SIDES = st.sampled_from(("buy", "sell"))
SIZES = st.integers(1, 30).map(Decimal)
STATES = st.sampled_from(
    (
        {},
        {"cancel_requested": True},
        {"submission": Submission.UNKNOWN},
        {"submission": Submission.ACCEPTED},
        {"executed": Decimal(1)},
    )
)


@given(st.integers(-60, 60).map(Decimal), st.lists(st.tuples(SIDES, SIZES, STATES), max_size=5))
def test_a_position_is_protected_exactly_by_what_live_stops_on_its_closing_side_still_sell(held, asked):
    orders = [order(number, side, size, **state) for number, (side, size, state) in enumerate(asked)]
    covered = sum(
        size - state.get("executed", 0)
        for side, size, state in asked
        if side == ("sell" if held > 0 else "buy") and state in ({}, {"executed": Decimal(1)})
    )
    expected = (PLACE,) if held and covered < abs(held) else ()
    assert unprotected(book(held, *orders), {}, {}, {}) == expected


def test_a_stop_limit_protects_nothing():
    """Once triggered it can be left behind unfilled."""
    stop = order(1, "sell", Decimal(1))
    resting = msgspec.structs.replace(
        stop, intent=msgspec.structs.replace(stop.intent, type="stop_limit", limit_price=Decimal(99))
    )
    assert unprotected(book(Decimal(1), stop), {}, {}, {}) == ()
    assert unprotected(book(Decimal(1), resting), {}, {}, {}) == (PLACE,)


def test_the_time_without_a_stop_begins_anew_after_one_was_there():
    protection, bare, safe = Protection(), book(Decimal(1)), book(Decimal(1), order(1, "sell", Decimal(1)))
    for held, now_us in (
        (bare, 0),
        (bare, 5_000_000),
        (safe, 6_000_000),
        (bare, 7_000_000),
        (bare, 9_500_000),
    ):
        protection.look(held, {}, {}, {}, now_us)
    assert protection.seconds == {PLACE: Decimal("2.5")}


def test_a_position_that_changed_its_side_has_the_whole_grace():
    protection = Protection()
    for held, second in ((Decimal(1), 0), (Decimal(-1), 25), (Decimal(-1), 28)):
        protection.look(book(held), {}, {}, {}, second * 1_000_000)
    assert protection.seconds == {PLACE: Decimal(3)}


@pytest.mark.parametrize(("takes_stops", "leads_to"), [(True, "halted"), (False, "reducing")])
def test_nothing_is_closed_where_nobody_can_place_a_stop(takes_stops, leads_to):
    desk = Desk(max_seconds_without_stop=GRACE, flatten_without_stop=True)
    desk.broker(takes_stops=takes_stops)
    turn = Watch().look(desk.state, desk.now_us, without_stop={PLACE: Decimal(31)})
    assert [(found.code, found.leads_to) for found in turn.began] == [("NO_LIVE_STOP", leads_to)]


def test_what_a_missing_stop_leads_to_can_be_changed_while_it_is_missing():
    desk, watch = Desk(max_seconds_without_stop=GRACE), Watch()
    desk.broker(takes_stops=True)
    bare = {PLACE: Decimal(31)}
    (first,) = watch.look(desk.state, desk.now_us, without_stop=bare).began
    desk.state.set_limits(msgspec.structs.replace(desk.state.limits, flatten_without_stop=True))
    turn = watch.look(desk.state, desk.now_us, without_stop=bare)
    assert first.leads_to == "reducing"
    assert [each.leads_to for each in turn.began] == ["halted"]
    assert turn.ended == (first,)


async def protect(floor: Floor, quantity: str, side: str = "sell") -> str:
    """Place a stop that the exchange then has."""
    price = "35000" if side == "sell" else "45000"
    answer = await floor.place(
        side, quantity, type="stop", stop_price=Decimal(price), time_in_force="GTC", reduce_only=True
    )
    assert isinstance(answer, m.Admitted), answer
    await floor.acknowledged(answer.order_id)
    return answer.order_id


def breaches(floor: Floor) -> list[str]:
    return [event.code for event in floor.events(LimitBreached)]


@pytest.mark.parametrize(("rest", "codes"), [("0.0001", []), ("0.0002", ["NO_LIVE_STOP"])])
async def test_what_is_worth_less_than_an_order_needs_no_stop(autojump_clock, rest, codes):
    """Nobody can sell it, nor place a stop for it: what a round trip left restricted trading there."""
    async with Floor(max_seconds_without_stop=GRACE).open() as floor:
        await floor.hold("buy", "0.1", "40000")
        await floor.hold("sell", str(Decimal("0.1") - Decimal(rest)), "40000")
        await trio.sleep(60)
        assert breaches(floor) == codes


async def test_a_spot_position_is_protected_by_a_stop_for_all_that_the_account_has(autojump_clock):
    """A fee was taken in the bought asset: no exchange holds a stop for the whole position, and it was closed
    for that.
    """
    async with Floor(max_seconds_without_stop=GRACE, flatten_without_stop=True).open() as floor:
        bought = await floor.place("buy", "0.1")
        await floor.filled(bought.order_id, "40000", fee="0.0001", asset="BTC")
        stop = await protect(floor, "0.0999")
        await trio.sleep(60)
        assert breaches(floor) == []
        await floor.filled(stop, "35000")
        assert floor.log.book.position(*PLACE).quantity == Decimal("0.0001")
        await trio.sleep(60)
        assert breaches(floor) == []


async def test_a_spot_position_where_others_trade_too_is_protected_by_a_stop_for_all_there_is(autojump_clock):
    """The journal alone can't tell what the account holds; the exchange has."""
    async with Floor(max_seconds_without_stop=GRACE, flatten_without_stop=True).open() as floor:
        for quantity in (Decimal(1), Decimal(-1)):
            trade = PositionAdjusted(
                exchange="sim",
                symbol="ETH/USDT",
                quantity=quantity,
                price=Decimal(2000),
                cause="trade of another on the account",
                evidence=str(quantity),
            )
            await floor.write("position/sim/ETH-USDT", trade)
        floor.report(apart=(("BTC", Decimal(0)),))
        bought = await floor.place("buy", "0.1")
        await floor.filled(bought.order_id, "40000", fee="0.0001", asset="BTC")
        await protect(floor, "0.0999")
        await trio.sleep(60)
        assert breaches(floor) == []


async def test_a_position_without_a_stop_opens_no_more_after_the_grace(autojump_clock):
    """It is told once; a stop of its size ends it."""
    async with Floor(max_seconds_without_stop=GRACE).open() as floor:
        await floor.hold("buy", "0.1", "40000")
        await trio.sleep(29)
        assert floor.gate.state_for(*PLACE) == "active"
        await trio.sleep(6)
        assert floor.gate.state_for(*PLACE) == "reducing"
        assert floor.gate.state_for("sim", "ETH/USDT") == "active"
        await trio.sleep(100)
        (breach,) = floor.events(LimitBreached)
        assert (breach.code, breach.limit) == ("NO_LIVE_STOP", GRACE)
        assert breach.cause == "a stop is missing, or smaller than the position"
        await protect(floor, "0.1")
        await trio.sleep(2)
        assert floor.gate.state_for(*PLACE) == "active"


@pytest.mark.parametrize("closes", [False, True])
async def test_a_resume_grants_the_grace_anew(autojump_clock, closes):
    """Nobody who resumes gives the control up for as long as the position lasts."""
    async with Floor(max_seconds_without_stop=GRACE, flatten_without_stop=closes).open() as floor:
        await floor.hold("buy", "0.1", "40000")
        await trio.sleep(35)
        assert floor.gate.state_for(*PLACE) == ("halted" if closes else "reducing")
        resume = m.Resume(reason="a stop follows", by="ann", correlation_id="")
        assert isinstance(await floor.system.ref("operator").ask(resume, timeout=5), m.Resumed)
        await trio.sleep(29)
        assert floor.gate.state_for(*PLACE) == "active"
        await trio.sleep(6)
        assert floor.gate.state_for(*PLACE) == ("halted" if closes else "reducing")
        assert breaches(floor) == ["NO_LIVE_STOP"] * 2


async def test_a_stop_of_its_size_leaves_a_position_alone(autojump_clock):
    async with Floor(max_seconds_without_stop=GRACE).open() as floor:
        await floor.hold("buy", "0.1", "40000")
        await protect(floor, "0.06")
        await protect(floor, "0.04")
        await trio.sleep(300)
        assert breaches(floor) == []


async def test_nothing_is_asked_for_by_default(autojump_clock):
    async with Floor().open() as floor:
        await floor.hold("buy", "0.1", "40000")
        await trio.sleep(300)
        assert breaches(floor) == []


@pytest.mark.parametrize("how", ["cancelled", "about to be", "position grew", "position flipped"])
async def test_a_stop_that_protects_no_more_is_noticed(autojump_clock, how):
    async with Floor(max_seconds_without_stop=GRACE).open() as floor:
        await floor.hold("buy", "0.1", "40000")
        stop = await protect(floor, "0.1")
        await trio.sleep(100)
        place = {"exchange": "sim", "symbol": BTC, "order_id": stop}
        if how == "cancelled":
            await floor.cancelled(stop)
        elif how == "about to be":
            await floor.write("position/sim/BTC-USDT", CancelRequested(**place, by="ann"))
        elif how == "position grew":
            await floor.hold("buy", "0.001", "40000")
        else:
            await floor.hold("sell", "0.15", "40000")
        await trio.sleep(28)
        assert breaches(floor) == []
        await trio.sleep(6)
        assert breaches(floor) == ["NO_LIVE_STOP"]


async def test_a_missing_stop_is_told_and_kept_to_also_where_something_else_reduces_already(autojump_clock):
    """The end of one breach doesn't end what another one asks for."""
    limits = {"max_price_age_seconds": Decimal(10), "reduce_on_stale_price": True}
    async with Floor(max_seconds_without_stop=GRACE, **limits).open() as floor:
        await floor.hold("buy", "0.1", "40000")
        await trio.sleep(15)
        assert floor.gate.state_for(*PLACE) == "reducing"
        await trio.sleep(20)
        assert breaches(floor) == ["STALE_PRICE", "NO_LIVE_STOP"]
        floor.price(BTC, "40000")
        await trio.sleep(3)
        assert floor.gate.state_for(*PLACE) == "reducing"
        await protect(floor, "0.1")
        await trio.sleep(2)
        assert floor.gate.state_for(*PLACE) == "active"


async def test_a_position_without_a_stop_can_be_closed_instead(autojump_clock):
    """The symbol stays halted until a person resumes; others go on, and restarts close nothing twice."""
    limits = {"max_seconds_without_stop": GRACE, "flatten_without_stop": True}
    first = Floor(**limits)
    async with first.open() as floor:
        await floor.hold("buy", "0.1", "40000")
        await trio.sleep(32)
        floor.price(BTC, "40001")
        await trio.sleep(20)
        (engaged,) = floor.events(KillEngaged)
        assert (engaged.level, engaged.exchange, engaged.symbol) == ("flatten", "sim", BTC)
        assert (engaged.by, engaged.automatic) == ("risk", True)
        assert breaches(floor) == ["NO_LIVE_STOP"]
        assert floor.gate.state_for("sim", "ETH/USDT") == "active"
        floor.system.ref("operator").tell(
            m.SweepProgress(sweep_id=engaged.kill_id, exchange="sim", cancelled=0, remaining=0, done=True)
        )
        await floor.settle()
        (closing,) = floor.log.book.orders.values()
        assert (closing.intent.side, closing.intent.reduce_only) == ("sell", True)
        await floor.filled(closing.order_id, "40000")
        await trio.sleep(100)
    async with Floor(first.disk, first.latch, "i2", **limits).open() as floor:
        await trio.sleep(100)
        assert len(floor.events(KillEngaged)) == 1
        assert (await floor.place("buy", "0.01")).code == "TRADING_HALTED"
