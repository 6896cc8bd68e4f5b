"""RiskActor dies and lives again in the same process: what it must not forget with its life."""

import pytest
import trio

from actors.model import messages as m
from actors.model.events import AmendAsked, LimitBreached, OrderAmended, TradingStateChanged
from actors.model.journal import AppendFailed
from tests.actors.risk.desk import BTC, D
from tests.fixtures.floor import Floor


async def restart(floor: Floor, address: str = "risk") -> None:
    """The actor dies, and its next life begins."""
    await kill(floor, address)
    make = {"risk": floor.make_risk, "operator": floor.make_operator}[address]
    await floor.system.start(make(), address)
    await floor.settle()


async def kill(floor: Floor, address: str) -> None:
    """The actor dies."""
    cell = floor.system.ref(address).cell
    cell.kill()
    await cell.wait_ended()


async def amend(floor: Floor, order_id: str, price: str) -> None:
    """A new price of a working order leaves, and the exchange has it."""
    asked = AmendAsked(amend_id=f"to-{price}", quantity=D("0.1"), limit_price=D(price))
    message = m.AmendOrder(order_id=order_id, asked=asked, correlation_id="c")
    assert isinstance(await floor.system.ref("risk").ask(message, timeout=5), m.Admitted)
    await floor.settle()
    floor.gate.begin_send(order_id, asked.amend_id)
    floor.gate.end_send(order_id)
    place = {"exchange": "sim", "symbol": BTC, "order_id": order_id}
    await floor.write("position/sim/BTC-USDT", OrderAmended(amend_id=asked.amend_id, **place))


async def test_what_the_journal_accepted_may_have_left_though_its_book_forgot_it(autojump_clock):
    """The book knows only an order's newest amend: the one before is no reason to halt everything."""
    async with Floor().open() as floor:
        in_place = m.BrokerState(
            exchange="sim", state="trading", circuit="closed", detail="", amends_in_place=True
        )
        floor.system.ref("risk").tell(in_place)
        order = await floor.place("buy", "0.1", "39000")
        await floor.acknowledged(order.order_id)
        await trio.sleep(1.1)
        await amend(floor, order.order_id, "39100")
        await amend(floor, order.order_id, "39200")
        await restart(floor)
        await trio.sleep(2)
        assert floor.gate.restrictions == {}


async def test_what_the_journal_never_accepted_is_found_though_it_left_before_this_life(autojump_clock):
    """A new life must not take what left before it on trust."""
    async with Floor().open() as floor:
        floor.gate.begin_send("a stranger")
        await restart(floor)
        await trio.sleep(2)
        assert "a stranger" in floor.gate.restrictions["*"].cause


async def set_limit(floor: Floor, value: str) -> None:
    """Somebody changes the position limit."""
    change = m.ChangeLimit(name="max_pos_usd", value=value, by="ann", reason="")
    assert isinstance(await floor.system.ref("risk").ask(change, timeout=5), m.LimitSet)


async def halt_eth(floor: Floor) -> None:
    """A person pulls the kill switch for another symbol."""
    await floor.switch(
        level="halt", exchange=None, symbol="ETH/USDT", reason="a test", by="ann", correlation_id="c"
    )


async def reduced_by_a_price(floor: Floor) -> None:
    """What is held passes its limit because of a price."""
    await floor.hold("buy", "1.25", "40000")
    floor.price(BTC, "40100")
    await trio.sleep(1.5)
    assert floor.gate.state_for("sim", BTC) == "reducing"


async def test_reducing_that_a_lowered_limit_brought_waits_for_a_person_also_after_a_restart(autojump_clock):
    """The page on risk promises a person; a life that ended must not undo that."""
    async with Floor().open() as floor:
        await floor.hold("buy", "1", "40000")
        await set_limit(floor, "39000")
        await trio.sleep(1.5)
        await restart(floor)
        await trio.sleep(1.5)
        floor.price(BTC, "38000")
        await trio.sleep(5)
        assert floor.gate.state_for("sim", BTC) == "reducing"


async def test_reducing_that_prices_brought_ends_though_they_came_back_between_two_lives(autojump_clock):
    """Nobody should have to look at what ends by itself on every other day."""
    async with Floor().open() as floor:
        await reduced_by_a_price(floor)
        floor.price(BTC, "39000")
        await floor.settle()
        await restart(floor)
        await trio.sleep(1.5)
        assert floor.gate.state_for("sim", BTC) == "active"
        assert len(floor.events(LimitBreached)) == 1


async def test_reducing_ends_though_the_operators_actor_did_not_hear_of_it(autojump_clock):
    """A message to an actor that is just being restarted is lost."""
    async with Floor().open() as floor:
        await reduced_by_a_price(floor)
        await kill(floor, "operator")
        floor.price(BTC, "39000")
        await trio.sleep(2.5)
        await floor.system.start(floor.make_operator(), "operator")
        await trio.sleep(2.5)
        assert floor.gate.state_for("sim", BTC) == "active"


async def test_the_end_of_reducing_is_journaled_once_however_slow_the_journal_is(autojump_clock):
    """It is said again each second; what is on its way to the journal needs no second one."""
    async with Floor().open() as floor:
        await reduced_by_a_price(floor)
        floor.faults.latency_seconds = 3.3
        floor.price(BTC, "39000")
        await trio.sleep(20)
        assert [event.new for event in floor.events(TradingStateChanged)] == ["reducing", "active"]
        assert floor.gate.state_for("sim", BTC) == "active"


async def test_a_breach_that_begins_while_the_end_of_reducing_is_written_reduces_again(autojump_clock):
    """The end belongs to the breach before."""
    async with Floor().open() as floor:
        await reduced_by_a_price(floor)
        floor.faults.latency_seconds = 3.3
        floor.price(BTC, "39000")
        await trio.sleep(1.5)
        floor.price(BTC, "40200")
        await trio.sleep(20)
        assert floor.gate.state_for("sim", BTC) == "reducing"
        assert floor.log.book.trading_states == {f"*/{BTC}": "reducing"}
        assert [event.value for event in floor.events(LimitBreached)] == [50_125, 50_250]


async def test_the_end_of_a_reducing_that_is_heard_late_does_not_end_the_one_after_it(autojump_clock):
    """The operator's actor was being restarted behind a slow disk; a late fill came before it listened."""
    async with Floor().open() as floor:
        late = await floor.place("buy", "0.1", "39000")
        await floor.cancelled(late.order_id)
        await reduced_by_a_price(floor)
        await kill(floor, "operator")
        floor.price(BTC, "39000")
        floor.latch.seconds = 0.8
        async with trio.open_nursery() as nursery:
            nursery.start_soon(halt_eth, floor)
            await trio.sleep(0.1)
            nursery.start_soon(floor.system.start, floor.make_operator(), "operator")
            await trio.sleep(0.5)
            await floor.filled(late.order_id, "39000", "0.05")
        await trio.sleep(5)
        assert floor.log.book.position("sim", BTC).quantity == D("1.30")
        assert floor.gate.state_for("sim", BTC) == "reducing"
        assert floor.log.book.trading_states == {f"*/{BTC}": "reducing"}


async def test_a_guard_ends_only_what_it_brought(autojump_clock):
    """A scope can be restricted for more than one reason; the end of a breach is no word on the others."""
    async with Floor(resume_within_limits="always").open() as floor:
        await reduced_by_a_price(floor)
        floor.gate.restrict(None, BTC, "reducing", "a reason of somebody else")
        floor.price(BTC, "39000")
        await trio.sleep(3)
        assert floor.gate.state_for("sim", BTC) == "reducing"


async def test_a_new_process_leaves_what_it_finds_restricted_to_a_person(autojump_clock):
    """It can't tell any more what brought it, and a restriction that stays costs less than one that ends."""
    first = Floor()
    async with first.open() as floor:
        await reduced_by_a_price(floor)
    async with first.again().open() as floor:
        floor.price(BTC, "40200")
        await trio.sleep(1.5)
        floor.price(BTC, "39000")
        await trio.sleep(5)
        assert floor.gate.state_for("sim", BTC) == "reducing"


async def test_a_missing_stop_is_still_missing_in_the_next_life(autojump_clock):
    """A grace that is over is not granted again, one that is not begins anew."""
    async with Floor(max_seconds_without_stop=D(30)).open() as floor:
        await floor.hold("buy", "0.1", "40000")
        await trio.sleep(20)
        await restart(floor)
        await trio.sleep(28)
        assert floor.gate.state_for("sim", BTC) == "active"
        await trio.sleep(5)
        assert floor.gate.state_for("sim", BTC) == "reducing"
        await restart(floor)
        await trio.sleep(3)
        assert floor.gate.state_for("sim", BTC) == "reducing"
        stop = await floor.place(
            "sell", "0.1", type="stop", stop_price=D(35000), time_in_force="GTC", reduce_only=True
        )
        await floor.acknowledged(stop.order_id)
        await restart(floor)
        await trio.sleep(3)
        assert floor.gate.state_for("sim", BTC) == "active"


async def breach_behind(floor: Floor, client_order_id: str) -> None:
    """A loss passes its limit while an order waits for the journal, which is writing another."""
    await floor.hold("buy", "1", "40000")
    floor.faults.latency_seconds = 0.2
    await floor.ask_risk(floor.intent("buy", "0.01", "39000", client_order_id="same"))
    await floor.settle()
    await floor.ask_risk(floor.intent("buy", "0.01", "39000", client_order_id=client_order_id))
    floor.price(BTC, "34000")
    await floor.settle()
    assert floor.gate.state_for(None, None) == "halted"


async def test_a_breach_is_journaled_though_the_order_before_it_is_refused(autojump_clock):
    """What the journal refuses takes along what the same writer appended behind it."""
    async with Floor().open() as floor:
        await breach_behind(floor, client_order_id="same")
        await trio.sleep(5)
        assert [event.code for event in floor.events(LimitBreached)] == ["MAX_DAILY_LOSS"]


@pytest.mark.parametrize("seconds", [0.0, 0.3], ids=["before it is written", "while it is written"])
async def test_a_breach_is_journaled_once_though_the_life_that_found_it_ends(autojump_clock, seconds):
    """A new life does not find anew what goes on."""
    async with Floor().open() as floor:
        await breach_behind(floor, client_order_id="other")
        await trio.sleep(seconds)
        await restart(floor)
        await trio.sleep(5)
        assert [event.code for event in floor.events(LimitBreached)] == ["MAX_DAILY_LOSS"]


async def test_a_fill_that_comes_while_the_journal_is_read_is_held_against_its_order(autojump_clock):
    """A fence may take as long as a commit."""
    async with Floor().open() as floor:
        order = await floor.place("buy", "0.1", "39000")
        await floor.acknowledged(order.order_id)
        floor.faults.latency_seconds = 0.3
        async with trio.open_nursery() as nursery:
            nursery.start_soon(floor.filled, order.order_id, "39500")
            await trio.sleep(0.1)
            lost = AppendFailed(append_id="risk/another", code="JOURNAL_UNAVAILABLE", detail="it was lost")
            floor.system.ref("risk").tell(lost)
        await trio.sleep(2)
        assert floor.gate.state_for("sim", BTC) == "halted"


async def lose(floor: Floor) -> None:
    """What is held loses more in a day than it may."""
    await floor.hold("buy", "0.5", "40000")
    floor.price(BTC, "28000")
    await floor.settle()
    assert [each.kill.level for each in floor.gate.kills.values()] == ["flatten"]


async def resume(floor: Floor) -> None:
    """A person lets trading go on."""
    resumed = m.Resume(reason="I close it myself", by="ann", correlation_id="c")
    assert isinstance(await floor.system.ref("operator").ask(resumed, timeout=5), m.Resumed)


async def start_again(floor: Floor, price: str) -> None:
    """The next process, which hears this price first."""
    floor.report()
    floor.price(BTC, price)
    await trio.sleep(3)


async def test_a_loss_after_which_a_person_resumed_is_no_news_to_the_next_life(autojump_clock):
    """Once a day it halts, or closes everything; whoever resumed has seen it."""
    async with Floor(flatten_on_daily_loss=True).open() as floor:
        await lose(floor)
        await resume(floor)
        await restart(floor)
        await trio.sleep(3)
        assert floor.gate.kills == {}
        assert len(floor.events(LimitBreached)) == 1


async def test_a_loss_after_which_a_person_resumed_is_no_news_to_the_next_process(autojump_clock):
    """A restart of the service must not close what a person has kept."""
    async with Floor(flatten_on_daily_loss=True).open() as floor:
        await lose(floor)
        await resume(floor)
    async with floor.again().open(trading=False) as after:
        await start_again(after, "28000")
        assert after.gate.kills == {}
        assert len(after.events(LimitBreached)) == 1


async def test_a_loss_that_was_made_good_and_comes_again_after_a_restart_is_news(autojump_clock):
    """What a person has seen is one passing of the limit, not the day."""
    async with Floor(flatten_on_daily_loss=True).open() as floor:
        await lose(floor)
        await resume(floor)
    async with floor.again().open(trading=False) as after:
        await start_again(after, "39000")
        after.price(BTC, "28000")
        await after.settle()
        assert [each.kill.by for each in after.gate.kills.values()] == ["risk"]


async def test_a_loss_that_no_kill_followed_before_the_process_ended_is_found_by_the_next(autojump_clock):
    """The journal may have the breach alone: then nobody has resumed after it."""
    async with Floor(flatten_on_daily_loss=True).open() as floor:
        await lose(floor)
        breach = floor.events(LimitBreached)[0]
        await resume(floor)
        await floor.write("risk", breach)
    async with floor.again().open(trading=False) as after:
        await start_again(after, "28000")
        assert [each.kill.by for each in after.gate.kills.values()] == ["risk"]
