"""RiskActor with the real journal over the store in memory."""

from decimal import Decimal

import pytest
import trio

from actors.model import messages as m
from actors.model.events import AccountOpened, DayOpened, LimitChanged, OrderAccepted, OrderDenied
from actors.model.journal import AppendFailed
from persistence.memory import Unknown
from tests.fixtures.floor import Floor

POSITION = Decimal(50_000)


async def test_an_order_that_passes_is_admitted_and_its_intent_is_journaled(autojump_clock):
    async with Floor().open() as floor:
        answer = await floor.place("buy", "0.1", "39000")
        assert isinstance(answer, m.Admitted)
        (accepted,) = floor.events(OrderAccepted)
        assert accepted.intent.order_id == answer.order_id
        assert accepted.intent.venue_id.startswith("i1-")
        assert (accepted.reserve_price, accepted.mark) == (Decimal(39000), Decimal(40000))
        assert accepted.send_before_us == floor.clock.now_us() + 2_000_000


async def test_a_denial_names_its_limit_and_is_journaled(autojump_clock):
    async with Floor().open() as floor:
        answer = await floor.place("buy", "2", "39000")
        assert isinstance(answer, m.Denied)
        assert (answer.code, answer.limit, answer.value) == ("MAX_POSITION", "50000", "80000")
        (denied,) = floor.events(OrderDenied)
        assert denied.intent.order_id == answer.order_id
        assert denied.code == "MAX_POSITION"


async def test_two_hundred_orders_at_once_never_pass_the_limit_together(autojump_clock):
    async with Floor().open() as floor:
        answers = []

        async def client():
            answers.append(await floor.place("buy", "0.01", "39000"))

        async with trio.open_nursery() as nursery:
            for _ in range(200):
                nursery.start_soon(client)
        await floor.settle()
        accepted = floor.events(OrderAccepted)
        assert len(accepted) == 125
        assert sum(event.intent.quantity * event.mark for event in accepted) == POSITION
        assert {answer.code for answer in answers if isinstance(answer, m.Denied)} == {"MAX_POSITION"}


async def test_a_dry_run_says_the_same_and_leaves_no_trace(autojump_clock):
    async with Floor().open() as floor:
        head = floor.log.head
        assert isinstance(await floor.ask_risk(floor.intent("buy", "1.25"), dry_run=True), m.Admitted)
        assert isinstance(await floor.ask_risk(floor.intent("buy", "1.25"), dry_run=True), m.Admitted)
        denied = await floor.ask_risk(floor.intent("buy", "1.3"), dry_run=True)
        assert isinstance(denied, m.Denied)
        await floor.settle()
        assert floor.log.head == head


async def test_while_the_journal_is_away_nothing_is_taken(autojump_clock):
    async with Floor().open() as floor:
        floor.faults.available = False
        first = floor.intent("buy", "1", "39000")
        await floor.ask_risk(first)
        await trio.sleep(1)
        assert floor.board.failed[first.order_id][0] == "JOURNAL_UNAVAILABLE"
        refused = await floor.ask_risk(floor.intent("buy", "0.1", "39000"))
        assert isinstance(refused, m.Refused)
        assert refused.code == "JOURNAL_UNAVAILABLE"
        floor.faults.available = True
        await trio.sleep(2)
        floor.price("BTC/USDT", "40000")
        answer = await floor.place("buy", "1.25", "39000")
        assert isinstance(answer, m.Admitted)
        assert [event.intent.order_id for event in floor.events(OrderAccepted)] == [answer.order_id]


async def test_what_waits_for_an_unknown_commit_keeps_its_room(autojump_clock):
    """Nobody can say whether it is in the journal, so nobody may use its room."""
    async with Floor().open() as floor:
        floor.faults.next_commits.append(Unknown(lands_after_seconds=3, silence_seconds=0.2))
        first = floor.intent("buy", "1.25", "39000")
        await floor.ask_risk(first)
        second = await floor.ask_risk(floor.intent("buy", "0.01", "39000"))
        assert isinstance(second, m.Denied)
        await trio.sleep(5)
        floor.price("BTC/USDT", "40000")
        third = await floor.place("buy", "0.01", "39000")
        landed = floor.log.book.order(first.order_id) is not None
        assert isinstance(third, m.Denied if landed else m.Admitted)


async def test_one_refused_intent_releases_its_room_and_the_next_order_passes(autojump_clock):
    async with Floor().open() as floor:
        first = await floor.place("buy", "0.5", "39000", client_order_id="same")
        again = floor.intent("buy", "0.5", "39000", client_order_id="same")
        assert isinstance(await floor.ask_risk(again), m.Admitted)
        await trio.sleep(1)
        assert again.order_id in floor.board.failed
        last = await floor.place("buy", "0.75", "39000")
        assert isinstance(last, m.Admitted)
        assert list(floor.log.book.orders) == [first.order_id, last.order_id]


async def test_a_restarted_risk_actor_knows_what_works(autojump_clock):
    async with Floor().open() as floor:
        await floor.place("buy", "1", "39000")
        before = await floor.system.ref("risk").ask(m.ReadRisk(), timeout=1)
        await floor.system.ref("risk").stop()
        await floor.system.start(floor.make_risk(), "risk")
        assert await floor.system.ref("risk").ask(m.ReadRisk(), timeout=1) == before
        assert isinstance(await floor.place("buy", "0.25", "39000"), m.Admitted)
        assert isinstance(await floor.place("buy", "0.01", "39000"), m.Denied)


async def test_a_new_process_knows_what_works_and_does_not_open_the_account_again(autojump_clock):
    first = Floor()
    async with first.open() as floor:
        answer = await floor.place("buy", "1", "39000")
    async with first.again().open() as floor:
        assert list(floor.log.book.orders) == [answer.order_id]
        assert isinstance(await floor.place("buy", "0.26", "39000"), m.Denied)
        assert len(floor.events(AccountOpened)) == 1
        assert len(floor.events(DayOpened)) == 1


async def test_the_day_opens_with_the_equity_of_its_first_moment(autojump_clock):
    async with Floor().open() as floor:
        await floor.place("buy", "0.1", "39000")
        (opened,) = floor.events(DayOpened)
        assert (opened.day, opened.equity) == ("2026-10-24", Decimal(1_000_000))
        await floor.hold("buy", "1", "40000")
        floor.price("BTC/USDT", "41000")
        floor.clock.ahead_us += 86_400_000_000
        await trio.sleep(1.1)
        await floor.settle()
        assert [event.day for event in floor.events(DayOpened)] == ["2026-10-24", "2026-10-25"]
        assert floor.events(DayOpened)[-1].result == 1000


async def test_settings_are_journaled_once_and_a_change_at_run_time_outlives_them(autojump_clock):
    first = Floor()
    async with first.open() as floor:
        names = [event.name for event in floor.events(LimitChanged)]
        assert {"max_pos_usd", "symbol_whitelist", "max_daily_loss_usd"} <= set(names)
        assert len(names) == len(set(names))
        change = m.ChangeLimit(name="max_pos_usd", value="60000", by="ann", reason="more room")
        answer = await floor.system.ref("risk").ask(change, timeout=1)
        assert answer == m.LimitSet(name="max_pos_usd", old="50000", new="60000", by="ann")
        assert isinstance(await floor.place("buy", "1.5"), m.Admitted)
        count = len(floor.events(LimitChanged))
    async with first.again().open() as floor:
        assert len(floor.events(LimitChanged)) == count
        assert floor.log.book.limits["max_pos_usd"] == "60000"
    lowered = Floor(first.disk, first.latch, "i3", max_pos_usd=Decimal(10_000))
    async with lowered.open() as floor:
        assert floor.log.book.limits["max_pos_usd"] == "10000"
        assert floor.events(LimitChanged)[-1].by == "settings"


async def test_a_limit_that_is_none_is_refused_and_says_what_would_do(autojump_clock):
    async with Floor().open() as floor:
        for name, value in (("max_pos_usd", "-1"), ("max_pos_usd", "NaN"), ("no_such", "1")):
            change = m.ChangeLimit(name=name, value=value, by="ann", reason="")
            answer = await floor.system.ref("risk").ask(change, timeout=1)
            assert isinstance(answer, m.Refused)
            assert answer.code == "VALIDATION"


async def test_a_change_that_the_journal_refuses_is_answered_so_and_undone(autojump_clock):
    async with Floor().open() as floor:
        floor.faults.refuse = lambda batch: next(
            ("a constraint" for record in batch.records if isinstance(record.event, LimitChanged)), None
        )
        change = m.ChangeLimit(name="max_pos_usd", value="60000", by="ann", reason="more room")
        answer = await floor.system.ref("risk").ask(change, timeout=2)
        assert isinstance(answer, m.Refused)
        assert answer.code == "JOURNAL_UNAVAILABLE"
        await trio.sleep(1)
        view = await floor.system.ref("risk").ask(m.ReadLimits(), timeout=1)
        assert {each.name: each.value for each in view.limits}["max_pos_usd"] == "50000"
        assert isinstance(await floor.place("buy", "1.3", "39000"), m.Denied)


async def test_a_change_whose_commit_is_not_known_is_answered_when_it_is(autojump_clock):
    async with Floor().open() as floor:
        floor.faults.next_commits.append(Unknown(lands_after_seconds=1, silence_seconds=0.2))
        change = m.ChangeLimit(name="max_pos_usd", value="60000", by="ann", reason="more room")
        answer = await floor.system.ref("risk").ask(change, timeout=10)
        landed = bool([event for event in floor.events(LimitChanged) if event.new == "60000"])
        assert isinstance(answer, m.LimitSet if landed else m.Refused)
        view = await floor.system.ref("risk").ask(m.ReadLimits(), timeout=1)
        in_force = {each.name: each.value for each in view.limits}["max_pos_usd"]
        assert in_force == ("60000" if landed else "50000")


async def test_a_change_that_lands_leaves_a_newer_one_of_the_same_limit_in_force(autojump_clock):
    """Somebody who lowers a limit after raising it must not see an order pass at the higher one between."""
    async with Floor().open() as floor:
        floor.faults.latency_seconds = 0.2

        async def change(value):
            message = m.ChangeLimit(name="max_pos_usd", value=value, by="ann", reason="")
            await floor.system.ref("risk").ask(message, timeout=5)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(change, "100000")
            await trio.sleep(0.05)
            nursery.start_soon(change, "10000")
            await trio.sleep(0.2)
            landed = [event.new for event in floor.events(LimitChanged) if event.by == "ann"]
            denied = await floor.ask_risk(floor.intent("buy", "1.5", "39000"))
        assert landed == ["100000"]
        assert isinstance(denied, m.Denied)
        assert (denied.code, denied.limit) == ("MAX_POSITION", "10000")
        assert not floor.events(OrderAccepted)
        assert floor.log.book.limits["max_pos_usd"] == "10000"


async def test_changes_that_land_while_the_risk_check_reads_the_journal_are_answered_so(autojump_clock):
    """Each by what is in the journal: the newest value says nothing of the changes before it."""
    async with Floor().open() as floor:
        floor.faults.latency_seconds = 0.5
        answers = {}

        async def change(value):
            message = m.ChangeLimit(name="max_pos_usd", value=value, by="ann", reason="")
            answers[value] = await floor.system.ref("risk").ask(message, timeout=5)

        async with trio.open_nursery() as nursery:
            for value in ("60000", "70000", "50000"):
                nursery.start_soon(change, value)
                await floor.settle()
            lost = AppendFailed(append_id="risk/another", code="JOURNAL_UNAVAILABLE", detail="it was lost")
            await trio.sleep(0.6)
            floor.system.ref("risk").tell(lost)
        landed = [event.new for event in floor.events(LimitChanged) if event.by == "ann"]
        assert landed == ["60000", "70000", "50000"]
        assert [type(answer) for answer in answers.values()] == [m.LimitSet] * 3


async def test_the_view_tells_used_and_left(autojump_clock):
    async with Floor().open() as floor:
        answer = await floor.place("buy", "0.5", "39000")
        view = await floor.system.ref("risk").ask(m.ReadRisk(reservations=True), timeout=1)
        assert view.trading_state == "active"
        use = next(use for use in view.limits if (use.code, use.symbol) == ("MAX_POSITION", "BTC/USDT"))
        assert (use.limit, use.used, use.headroom) == (POSITION, Decimal(20_000), Decimal(30_000))
        (reserved,) = view.reservations
        assert (reserved.order_id, reserved.side) == (answer.order_id, "buy")
        assert (reserved.quantity, reserved.value_usd) == (Decimal("0.5"), Decimal(19_500))
        assert {use.exchange for use in view.limits if use.code == "INSUFFICIENT_MARGIN"} == {"sim"}
        without = await floor.system.ref("risk").ask(m.ReadRisk(), timeout=1)
        assert without.reservations == ()
        assert view.equity == Decimal(1_000_000)


async def test_an_exit_under_reducing_may_be_sent_and_an_opening_order_may_not(autojump_clock):
    async with Floor().open() as floor:
        await floor.hold("buy", "1", "40000")
        opening = floor.intent("buy", "0.1", "39000")
        assert isinstance(await floor.ask_risk(opening), m.Admitted)
        floor.gate.restrict(None, "BTC/USDT", "reducing", "a test")
        closing = floor.intent("sell", "1", "41000")
        assert isinstance(await floor.ask_risk(closing), m.Admitted)
        assert floor.gate.may_send(closing, False) is None
        assert floor.gate.may_send(opening, False) is not None


async def test_an_account_whose_opening_the_journal_refused_is_opened_again(autojump_clock):
    floor = Floor()
    async with floor.open(trading=False):
        refused = []

        def refuse_once(batch):
            if not refused and any(isinstance(record.event, AccountOpened) for record in batch.records):
                refused.append(batch)
                return "a constraint"
            return None

        floor.faults.refuse = refuse_once
        floor.trade()
        await trio.sleep(1)
        assert refused
        assert len(floor.events(AccountOpened)) == 1
        assert isinstance(await floor.place("buy", "0.1", "39000"), m.Admitted)


async def test_a_second_exchange_moves_the_days_equity_by_what_it_holds(autojump_clock):
    floor = Floor()
    floor.exchanges = ("sim", "other")
    async with floor.open():
        floor.trade("other")
        await floor.settle()
        assert [event.equity for event in floor.events(DayOpened)] == [Decimal(1_000_000), Decimal(2_000_000)]
        view = await floor.system.ref("risk").ask(m.ReadRisk(), timeout=1)
        assert (view.equity, view.day_pnl) == (Decimal(2_000_000), 0)


@pytest.mark.parametrize("margin", [True, False], ids=["with margin", "without"])
async def test_an_account_is_opened_before_its_first_order_though_the_journal_was_away(
    autojump_clock, margin
):
    """Else its fills would move balances of which the journal does not know where they began."""
    async with Floor(margin=margin).open(trading=False) as floor:
        floor.log.available = False
        floor.trade()
        await floor.settle()
        floor.log.available = True
        await floor.hold("buy", "0.1", "40000")
        types = [type(record.event) for record in floor.disk.records]
        assert types.index(AccountOpened) < types.index(OrderAccepted)
        assert floor.log.book.cash["sim", "USDT"] == 996_000


async def test_an_account_that_held_nothing_is_opened_when_it_does_whatever_was_traded_before(autojump_clock):
    """Without margin its orders pass; what they moved is no balance that somebody told."""
    async with Floor(margin=False).open(trading=False) as floor:
        floor.report(usdt=0)
        floor.price("BTC/USDT", "40000")
        await floor.hold("buy", "0.1", "40000")
        assert not floor.events(AccountOpened)
        floor.report(usdt=16_000)
        await floor.settle()
        (opened,) = floor.events(AccountOpened)
        assert opened.balances == (("USDT", Decimal(16_000)),)
        assert floor.log.book.cash["sim", "USDT"] == 16_000
