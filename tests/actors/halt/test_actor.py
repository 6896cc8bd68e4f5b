"""The operator's actor with the real journal: kills and resumes through crashes, with brokers that only
listen.
"""

from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest
import trio

from actors.halt.duties import FlattenDuty, closing_intent
from actors.model import messages as m
from actors.model.events import (
    KillEngaged,
    OrderAccepted,
    OrderDenied,
    RuntimeStarted,
    TradingResumed,
    TradingStateChanged,
)
from actors.model.results import KillResult
from tests.fixtures.floor import BTC, Floor


async def pull(floor: Floor, **changes: object):
    """Pull the kill switch as the command port does."""
    fields = {"level": "cancel", "exchange": None, "symbol": None, "reason": "enough", "by": "ann"}
    result = await floor.switch(correlation_id="c-9", **{**fields, **changes})
    await floor.settle()
    return result


async def resume(floor: Floor, **changes: object):
    """Resume as the command port does."""
    message = m.Resume(**{"reason": "all is well", "by": "ben", "correlation_id": "c-8", **changes})
    return await floor.system.ref("operator").ask(message, timeout=10)


async def look(floor: Floor) -> m.HaltView:
    """What the operator's actor shows."""
    return await floor.system.ref("operator").ask(m.ReadHalt(), timeout=1)


def sweeps(floor: Floor, exchange: str = "sim") -> list[m.Sweep]:
    """The sweeps that the broker was asked for."""
    return [message for message in floor.heard[f"broker/{exchange}"] if isinstance(message, m.Sweep)]


def engaged_us(floor: Floor, result: KillResult) -> int:
    """When the kill was pulled."""
    return floor.gate.kills[result.kill_id].kill.at_us


def swept(floor: Floor, kill_id: str) -> None:
    """The broker confirms."""
    done = m.SweepProgress(sweep_id=kill_id, exchange="sim", cancelled=0, remaining=0, done=True)
    floor.system.ref("operator").tell(done)


async def test_the_start_of_a_process_is_journaled_once(autojump_clock):
    first = Floor()
    async with first.open() as floor:
        (started,) = floor.events(RuntimeStarted)
        assert (started.epoch, started.incarnation, started.version) == (1, "i1", "test")
        await floor.system.ref("operator").stop()
        await floor.system.start(floor.make_operator(), "operator")
        await floor.settle()
        assert len(floor.events(RuntimeStarted)) == 1
    async with first.again().open() as floor:
        assert [event.epoch for event in floor.events(RuntimeStarted)] == [1, 2]


async def test_a_kill_is_journaled_swept_and_refuses_new_orders(autojump_clock):
    async with Floor().open() as floor:
        result = await pull(floor)
        assert result.durable
        (engaged,) = floor.events(KillEngaged)
        assert (engaged.kill_id, engaged.reason, engaged.by) == (result.kill_id, "enough", "ann")
        assert sweeps(floor)[0] == m.Sweep(
            sweep_id=result.kill_id, symbol=None, exits_since_us=engaged_us(floor, result)
        )
        denied = await floor.place("buy", "0.1", "39000")
        assert isinstance(denied, m.Denied)
        assert denied.code == "TRADING_HALTED"


async def test_a_kill_passes_a_thousand_orders_that_wait_in_mailboxes(autojump_clock):
    async with Floor().open() as floor:
        answers = []

        async def client():
            intent = floor.intent("buy", "0.001", "39000")
            reply = floor.system.ref("risk").ask_soon(
                m.PlaceOrder(intent=intent, correlation_id="c"), timeout=5
            )
            answers.append((intent, await reply))

        async with trio.open_nursery() as nursery:
            for _ in range(1000):
                nursery.start_soon(client)
            result = await pull(floor)
            assert result.durable
            taken = [intent for intent, answer in answers if isinstance(answer, m.Admitted)]
        assert all(floor.gate.may_send(intent, reduces=False) for intent, _ in answers)
        assert len(answers) == 1000
        assert len(floor.events(OrderAccepted)) >= len(taken)


async def test_a_sweep_is_asked_for_until_the_exchange_confirms(autojump_clock):
    async with Floor().open() as floor:
        result = await pull(floor)
        await trio.sleep(3.5)
        assert len(sweeps(floor)) >= 3
        swept(floor, result.kill_id)
        await floor.settle()
        count = len(sweeps(floor))
        await trio.sleep(5)
        assert len(sweeps(floor)) == count
        view = await look(floor)
        assert (view.trading_state, view.durable) == ("halted", True)
        assert [(kill.kill_id, kill.by) for kill in view.kills] == [(result.kill_id, "ann")]
        assert [progress.done for progress in view.sweeps] == [True]


async def test_a_kill_at_one_exchange_leaves_the_others_alone(autojump_clock):
    floor = Floor()
    floor.exchanges = ("sim", "other")
    async with floor.open():
        floor.trade("other")
        await floor.settle()
        await pull(floor, exchange="sim")
        assert len(sweeps(floor, "sim")) == 1
        assert not sweeps(floor, "other")
        assert isinstance(await floor.place("buy", "0.1", "39000"), m.Denied)
        assert isinstance(await floor.place("buy", "0.1", "39000", exchange="other"), m.Admitted)


@pytest.mark.parametrize("level", ["halt", "cancel", "flatten"])
async def test_every_level_survives_a_crash_and_needs_a_resume(autojump_clock, level):
    first = Floor()
    async with first.open() as floor:
        result = await pull(floor, level=level)
    async with first.again().open() as floor:
        assert list(floor.gate.kills) == [result.kill_id]
        assert isinstance(await floor.place("buy", "0.1", "39000"), m.Denied)
        assert await resume(floor) == m.Resumed(kill_ids=(result.kill_id,))
        assert floor.latch.content is None
        assert isinstance(await floor.place("buy", "0.1", "39000"), m.Admitted)
        (event,) = floor.events(TradingResumed)
        assert (event.kill_ids, event.reason, event.by) == ((result.kill_id,), "all is well", "ben")
    async with first.again("i3").open() as floor:
        assert floor.gate.state_for(None, None) == "active"


async def test_a_kill_while_the_journal_is_away_is_in_force_after_a_crash_and_journaled_later(autojump_clock):
    first = Floor()
    async with first.open() as floor:
        floor.faults.available = False
        result = await pull(floor)
        assert result.durable
        assert not floor.events(KillEngaged)
        refused = await resume(floor)
        assert isinstance(refused, m.Refused) or refused is None
    async with first.again().open() as floor:
        assert list(floor.gate.kills) == [result.kill_id]
        assert [event.kill_id for event in floor.events(KillEngaged)] == [result.kill_id]


async def test_a_kill_that_the_journal_refuses_is_in_force_and_is_tried_again_at_leisure(autojump_clock):
    tries: list[float] = []

    def rule(batch):
        if any(isinstance(record.event, KillEngaged) for record in batch.records):
            tries.append(trio.current_time())
            return "not this one"
        return None

    async with Floor().open() as floor:
        floor.faults.refuse = rule
        result = await pull(floor)
        await trio.sleep(10)
        assert list(floor.gate.kills) == [result.kill_id]
        assert 5 <= len(tries) <= 15
        floor.faults.refuse = None
        await trio.sleep(2)
        assert [event.kill_id for event in floor.events(KillEngaged)] == [result.kill_id]
        assert await resume(floor) == m.Resumed(kill_ids=(result.kill_id,))


async def test_a_kill_with_a_full_disk_is_in_force_after_a_crash_through_the_journal(autojump_clock):
    first = Floor()
    async with first.open() as floor:
        floor.latch.fails = True
        result = await pull(floor)
        assert not result.durable
        assert [event.kill_id for event in floor.events(KillEngaged)] == [result.kill_id]
    first.latch.fails = False
    first.latch.content = None
    async with first.again().open() as floor:
        assert list(floor.gate.kills) == [result.kill_id]
        await trio.sleep(1.5)
        assert floor.latch.content is not None


async def test_a_latch_that_could_not_be_written_is_tried_until_it_is(autojump_clock):
    async with Floor().open() as floor:
        floor.latch.fails = True
        await pull(floor)
        await trio.sleep(3)
        floor.latch.fails = False
        await trio.sleep(2)
        assert floor.switch.secured
        assert floor.latch.content is not None


async def test_a_resume_that_can_not_clear_the_latch_leaves_it_halted(autojump_clock):
    async with Floor().open() as floor:
        result = await pull(floor)
        floor.latch.fails = True
        refused = await resume(floor)
        assert isinstance(refused, m.Refused)
        assert refused.code == "HALTED_NOT_DURABLE"
        assert list(floor.gate.kills) == [result.kill_id]
        floor.latch.fails = False
        await trio.sleep(2)
        assert list(floor.log.book.kills) == [result.kill_id]
        assert isinstance(await resume(floor), m.Resumed)
        assert floor.gate.state_for(None, None) == "active"


async def test_of_two_resumes_that_cross_the_one_that_fails_does_not_bring_the_kill_back(autojump_clock):
    """The journal used to end with the kill, and the gate without it: a restart would have halted again."""
    async with Floor().open() as floor:
        await pull(floor)
        floor.latch.seconds, floor.latch.fails = 0.4, True
        answers: dict[str, object] = {}

        async def ask(name: str) -> None:
            answers[name] = await resume(floor, by=name)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, "first")
            await trio.sleep(0.1)
            nursery.start_soon(ask, "second")
            await trio.sleep(0.35)
            floor.latch.fails = False
        assert isinstance(answers["first"], m.Refused)
        assert isinstance(answers["second"], m.Resumed)
        await trio.sleep(5)
        assert not floor.gate.kills
        assert not floor.log.book.kills


async def test_a_resume_lifts_only_the_kills_that_it_names(autojump_clock):
    async with Floor().open() as floor:
        one, two = await pull(floor), await pull(floor, exchange="sim")
        assert await resume(floor, kill_ids=(one.kill_id,)) == m.Resumed(kill_ids=(one.kill_id,))
        assert list(floor.gate.kills) == [two.kill_id] == list(floor.log.book.kills)
        unknown = await resume(floor, kill_ids=("no such",))
        assert isinstance(unknown, m.Refused)


async def test_a_resume_without_a_kill_changes_nothing(autojump_clock):
    async with Floor().open() as floor:
        head = floor.log.head
        assert await resume(floor) == m.Resumed(kill_ids=())
        assert floor.log.head == head


async def test_an_exchange_that_contradicts_the_journal_is_halted_until_a_person_resumes(autojump_clock):
    first = Floor()
    async with first.open() as floor:
        floor.system.ref("operator").tell(m.HaltExchange(exchange="sim", cause="a trade nobody placed"))
        await floor.settle()
        (changed,) = floor.events(TradingStateChanged)
        assert (changed.exchange, changed.old, changed.new) == ("sim", "active", "halted")
        assert changed.cause == "a trade nobody placed"
        assert (await floor.place("buy", "0.1", "39000")).code == "TRADING_HALTED"
    async with first.again().open() as floor:
        assert (await floor.place("buy", "0.1", "39000")).code == "TRADING_HALTED"
        assert isinstance(await resume(floor), m.Resumed)
        assert isinstance(await floor.place("buy", "0.1", "39000"), m.Admitted)
        assert [event.new for event in floor.events(TradingStateChanged)] == ["halted", "active"]


async def test_a_restriction_cancels_what_opens_and_nothing_else(autojump_clock):
    async with Floor().open() as floor:
        await floor.hold("buy", "0.5", "40000")
        await floor.place("sell", "0.5", "41000")
        floor.gate.restrict(None, BTC, "reducing", "a breach")
        floor.system.ref("operator").tell(m.GateChanged())
        await floor.settle()
        assert not floor.heard["position/sim/BTC-USDT"]
        floor.gate.restrict(None, BTC, "active", "")
        await floor.place("buy", "0.1", "39000")
        floor.gate.restrict(None, BTC, "reducing", "a breach")
        floor.system.ref("operator").tell(m.GateChanged())
        await floor.settle()
        told = floor.heard["position/sim/BTC-USDT"][-1]
        (opening,) = [each for each in floor.log.book.orders.values() if each.intent.side == "buy"]
        assert (told.all, told.patient, told.seen >= opening.accepted_seq) == (False, True, True)


async def test_flatten_closes_positions_after_the_sweep_and_not_before(autojump_clock):
    async with Floor().open() as floor:
        await floor.hold("buy", "0.5", "40000")
        result = await pull(floor, level="flatten")
        await trio.sleep(1)
        assert len(floor.events(OrderAccepted)) == 1
        swept(floor, result.kill_id)
        await floor.settle()
        closing = floor.events(OrderAccepted)[-1].intent
        assert (closing.side, closing.type, closing.quantity, closing.reduce_only) == (
            "sell",
            "market",
            floor.log.book.position("sim", BTC).quantity,
            True,
        )
        assert floor.gate.may_send(closing, reduces=True) is None
        await floor.filled(closing.order_id, "39000", "0.3")
        await floor.cancelled(closing.order_id)
        await trio.sleep(3)
        rest = floor.events(OrderAccepted)[-1].intent
        assert (rest.side, str(rest.quantity)) == ("sell", "0.2")
        await floor.filled(rest.order_id, "39000")
        await trio.sleep(5)
        assert len(floor.events(OrderAccepted)) == 3
        assert floor.log.book.position("sim", BTC).quantity == 0


async def test_a_position_whose_flatten_was_lifted_is_not_shown_as_being_closed(autojump_clock):
    """The answer to its last closing order comes after the resume; nobody tries again, and none must wait."""
    async with Floor().open() as floor:
        await floor.hold("buy", "0.5", "40000")
        result = await pull(floor, level="flatten")
        swept(floor, result.kill_id)
        await floor.settle()
        assert [each.symbol for each in (await look(floor)).closing] == [BTC]
        await floor.cancelled(floor.events(OrderAccepted)[-1].intent.order_id)
        await resume(floor)
        await trio.sleep(5)
        assert floor.log.book.position("sim", BTC).quantity > 0
        assert (await look(floor)).closing == ()


async def test_what_can_not_be_closed_is_denied_once_and_closed_when_it_can_be(autojump_clock):
    """It is tried every two seconds, for as long as the kill is in force: the journal needs no record of
    each.
    """
    async with Floor().open() as floor:
        await floor.hold("buy", "0.5", "40000")
        await floor.hold("sell", "0.4999", "40000")
        result = await pull(floor, level="flatten")
        swept(floor, result.kill_id)
        await trio.sleep(600)
        assert [event.code for event in floor.events(OrderDenied)] == ["MIN_NOTIONAL"]
        (closing,) = (await look(floor)).closing
        assert closing.detail.startswith("MIN_NOTIONAL")
        floor.price(BTC, "60000")
        await trio.sleep(5)
        assert str(floor.events(OrderAccepted)[-1].intent.quantity) == "0.0001"
        assert (await look(floor)).closing[0].detail == ""


async def test_a_flatten_that_is_being_lifted_closes_nothing_more(autojump_clock):
    """Who resumes wants to keep the position: also when the sweep is done before the latch is cleared."""
    async with Floor().open() as floor:
        await floor.hold("buy", "0.5", "40000")
        result = await pull(floor, level="flatten")
        floor.latch.seconds = 0.5
        async with trio.open_nursery() as nursery:
            nursery.start_soon(resume, floor)
            await trio.sleep(0.1)
            swept(floor, result.kill_id)
        assert floor.gate.state_for("sim", BTC) == "active"
        assert len(floor.events(OrderAccepted)) == 1


async def test_a_closing_order_that_comes_to_risk_after_the_resume_is_not_taken(autojump_clock):
    """It waited behind a thousand orders; the position is the person's again."""
    async with Floor().open() as floor:
        await floor.hold("buy", "0.5", "40000")
        result = await pull(floor, level="flatten")
        closing = closing_intent(FlattenDuty("sim", BTC, "sell", Decimal("0.5")), floor.ids.order_id())
        message = m.PlaceOrder(intent=closing, correlation_id="c", closing=True)
        await resume(floor, kill_ids=(result.kill_id,))
        reply = await floor.system.ref("risk").ask(message, timeout=5)
        await floor.settle()
        assert isinstance(reply, m.Refused)
        assert len(floor.events(OrderAccepted)) == 1


async def test_a_flatten_goes_on_when_its_resume_fails(autojump_clock):
    """It is still in force then."""
    async with Floor().open() as floor:
        await floor.hold("buy", "0.5", "40000")
        result = await pull(floor, level="flatten")
        floor.latch.fails = True
        assert isinstance(await resume(floor), m.Refused)
        swept(floor, result.kill_id)
        await floor.settle()
        assert floor.events(OrderAccepted)[-1].intent.reduce_only


async def test_what_still_stands_in_the_way_of_a_flatten_is_shown_while_another_kill_covers_it(
    autojump_clock,
):
    """A resume of one kill must not hide that a position of another one does not close."""
    async with Floor().open() as floor:
        await floor.hold("buy", "0.5", "40000")
        one, two = await pull(floor, level="flatten"), await pull(floor, level="flatten", symbol=BTC)
        swept(floor, one.kill_id)
        swept(floor, two.kill_id)
        await floor.settle()
        await resume(floor, kill_ids=(one.kill_id,))
        await trio.sleep(5)
        assert [each.symbol for each in (await look(floor)).closing] == [BTC]


async def test_flatten_closes_only_its_scope(autojump_clock):
    async with Floor().open() as floor:
        await floor.hold("buy", "0.5", "40000")
        result = await pull(floor, level="flatten", symbol="ETH/USDT")
        swept(floor, result.kill_id)
        await trio.sleep(3)
        assert len(floor.events(OrderAccepted)) == 1


async def test_what_turns_up_after_the_sweep_is_cancelled_but_not_a_persons_exit(autojump_clock):
    async with Floor().open() as floor:
        await floor.hold("buy", "0.5", "40000")
        late = await floor.place("buy", "0.1", "39000")
        result = await pull(floor)
        swept(floor, result.kill_id)
        await floor.settle()
        await trio.sleep(1.5)
        heard = floor.heard["position/sim/BTC-USDT"]
        (told, *_) = heard
        assert (told.all, told.patient) == (True, True)
        assert told.exits_since_us == engaged_us(floor, result)
        await floor.cancelled(late.order_id)
        await floor.place("sell", "0.5", "41000", reduce_only=True)
        heard.clear()
        await trio.sleep(3)
        assert not heard


async def test_a_kill_of_the_supervisors_ends_after_a_clean_reconciliation_of_the_next_process(
    autojump_clock,
):
    first = Floor()
    async with first.open() as floor:
        await pull(floor, by="supervisor", automatic=True)
        floor.report()
        await floor.settle()
        assert floor.gate.state_for(None, None) == "halted"
    async with first.again().open(trading=False) as floor:
        assert floor.gate.state_for(None, None) == "halted"
        floor.report(state="reconciling")
        await floor.settle()
        assert floor.gate.state_for(None, None) == "halted"
        floor.trade()
        await floor.settle()
        assert floor.gate.state_for(None, None) == "active"
        assert floor.events(TradingResumed)[-1].by == "supervisor"


async def test_a_kill_of_a_persons_never_ends_by_itself(autojump_clock):
    first = Floor()
    async with first.open() as floor:
        await pull(floor, by="ann")
    async with first.again().open() as floor:
        await trio.sleep(60)
        assert floor.gate.state_for(None, None) == "halted"


async def test_a_restarted_operator_goes_on_with_what_was_not_finished(autojump_clock):
    async with Floor().open() as floor:
        result = await pull(floor)
        await floor.system.ref("operator").stop()
        floor.heard["broker/sim"].clear()
        await floor.system.start(floor.make_operator(), "operator")
        await floor.settle()
        assert [sweep.sweep_id for sweep in sweeps(floor)] == [result.kill_id]
        assert len(floor.events(KillEngaged)) == 1


async def test_a_resume_can_need_two_people(autojump_clock):
    floor = Floor()
    floor.second_person = True
    async with floor.open():
        result = await pull(floor)
        assert isinstance(await resume(floor, by="ann"), m.Proposed)
        assert isinstance(await resume(floor, by="ann"), m.Proposed)
        await trio.sleep(3_700)
        proposed = await resume(floor, by="ben")
        assert (proposed.what, proposed.by) == (result.kill_id, "ben")
        assert (await look(floor)).proposed == proposed
        assert await resume(floor, by="ann") == m.Resumed(kill_ids=(result.kill_id,))
        (resumed,) = floor.events(TradingResumed)
        assert (resumed.by, resumed.approved_by) == ("ben", "ann")
        assert (await look(floor)).proposed is None


async def test_a_kill_pulled_after_the_first_person_asked_needs_both_again(autojump_clock):
    floor = Floor()
    floor.second_person = True
    async with floor.open():
        await pull(floor)
        assert isinstance(await resume(floor, by="ann"), m.Proposed)
        await pull(floor)
        assert isinstance(await resume(floor, by="ben"), m.Proposed)
        assert floor.gate.state_for(None, None) == "halted"


async def test_a_resume_of_one_scope_leaves_the_others_halted(autojump_clock):
    floor = Floor()
    floor.exchanges = ("sim", "other")
    async with floor.open():
        everything = await pull(floor)
        here = await pull(floor, exchange="sim")
        floor.system.ref("operator").tell(m.HaltExchange(exchange="sim", cause="it contradicts us"))
        await floor.settle()
        assert await resume(floor, exchange="sim") == m.Resumed(kill_ids=(here.kill_id,))
        view = await look(floor)
        assert [kill.kill_id for kill in view.kills] == [everything.kill_id]
        assert view.restrictions == ()
        assert await resume(floor, exchange="other") == m.Resumed(kill_ids=())
        assert floor.gate.state_for("sim", BTC) == "halted"


async def test_why_a_scope_is_restricted_is_known_after_a_restart(autojump_clock):
    first = Floor()
    async with first.open() as floor:
        floor.system.ref("operator").tell(m.HaltExchange(exchange="sim", cause="it contradicts us"))
        await floor.settle()
    async with first.again().open() as floor:
        (held,) = (await look(floor)).restrictions
        assert (held.exchange, held.state, held.cause) == ("sim", "halted", "it contradicts us")


async def among_many(floor: Floor, ask: Callable[[], Awaitable[object]]) -> object:
    """The answer to what is asked, when the journal takes it in one commit with more than the log keeps."""
    floor.log.capacity = 2
    floor.faults.latency_seconds = 0.1
    answers = []

    async def client() -> None:
        answers.append(await ask())

    await floor.ask_risk(floor.intent("buy", "0.1", "39000"))
    await floor.settle()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client)
        await floor.settle()
        for _ in range(8):
            await floor.ask_risk(floor.intent("buy", "0.1", "39000"))
    await trio.sleep(2)
    return answers[0]


async def test_a_resume_that_landed_is_carried_out_though_the_log_remembers_it_no_more(autojump_clock):
    """Else trading stays halted and the kill is journaled anew, though the journal says that it is over."""
    async with Floor().open() as floor:
        result = await pull(floor)
        answer = await among_many(floor, lambda: resume(floor))
        assert answer == m.Resumed(kill_ids=(result.kill_id,))
        assert floor.gate.state_for("sim", BTC) == "active"
        assert len(floor.events(KillEngaged)) == len(floor.events(TradingResumed)) == 1


async def test_the_end_of_a_halt_that_landed_is_carried_out_though_the_log_remembers_it_no_more(
    autojump_clock,
):
    async with Floor().open() as floor:
        floor.system.ref("operator").tell(m.HaltExchange(exchange="sim", cause="it contradicts us"))
        await floor.settle()
        assert await among_many(floor, lambda: resume(floor)) == m.Resumed(kill_ids=())
        assert [event.new for event in floor.events(TradingStateChanged)] == ["halted", "active"]


async def test_a_resume_that_is_lost_lifts_nothing(autojump_clock):
    """Whatever the log remembers."""
    async with Floor().open() as floor:
        result = await pull(floor)
        floor.faults.refuse = lambda batch: next(
            ("a rule" for record in batch.records if isinstance(record.event, TradingResumed)), None
        )
        answer = await among_many(floor, lambda: resume(floor))
        assert isinstance(answer, m.Refused)
        assert list(floor.gate.kills) == [result.kill_id]


async def test_a_contradiction_found_during_a_resume_halts_the_exchange_all_the_same(autojump_clock):
    """The person has not seen it. It was taken for the old one, and ended with it; the broker stayed halted
    with nothing left to resume.
    """
    async with Floor().open() as floor:
        operator = floor.system.ref("operator")
        operator.tell(m.HaltExchange(exchange="sim", cause="one"))
        await floor.settle()
        floor.latch.seconds = 0.5
        async with trio.open_nursery() as nursery:
            nursery.start_soon(resume, floor)
            await trio.sleep(0.1)
            assert [event.new for event in floor.events(TradingStateChanged)] == ["halted", "active"]
            operator.tell(m.HaltExchange(exchange="sim", cause="another"))
        await trio.sleep(2)
        assert floor.gate.state_for("sim", BTC) == "halted"
        last = floor.events(TradingStateChanged)[-1]
        assert (last.new, last.cause) == ("halted", "another")
        await resume(floor)
        assert floor.gate.state_for("sim", BTC) == "active"


async def test_what_risk_finds_during_a_resume_halts_all_the_same(autojump_clock):
    """It finds each once, and says it once."""
    async with Floor().open() as floor:
        floor.gate.begin_send("a stranger")
        await trio.sleep(1.5)
        assert floor.gate.state_for(None, None) == "halted"
        floor.latch.seconds = 0.9
        floor.gate.begin_send("another stranger")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(resume, floor)
        assert floor.gate.state_for(None, None) == "halted"
        await floor.settle()
        last = floor.events(TradingStateChanged)[-1]
        assert last.new == "halted"
        assert "another stranger" in last.cause
