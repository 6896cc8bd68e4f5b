"""Balances that something else than trades moved: mended by the exchange's own statement, or not at all."""

from decimal import Decimal

from actors.broker.port import Unavailable
from actors.broker.timings import BrokerTimings
from actors.halt.balances import booked
from actors.model import messages as say
from actors.model.events import BalanceAdjusted
from actors.model.messages import BalanceMove
from tests.actors.broker.little_exchange import LittleExchange
from tests.actors.broker.world import TestClock, eventually, open_world

TIMINGS = BrokerTimings(submit=1.0, query=1.0, open_orders_every=2.0, accounts_every=3.0)


class Listing(LittleExchange):
    """An exchange with a statement."""

    def __init__(self):
        super().__init__(TestClock())
        self.lines = []
        self.refusal = None

    async def statement_since(self, since_us):
        await self._travel("statement")
        if self.refusal is not None:
            raise self.refusal
        return [line for line in self.lines if line.at_us >= since_us]

    def move(self, amount, asset="USDT", evidence="deposit:1", *, listed=True):
        self.drift[asset] = self.drift.get(asset, Decimal(0)) + Decimal(amount)
        if listed:
            self.lines.append(
                BalanceMove(
                    asset=asset,
                    amount=Decimal(amount),
                    cause="deposit",
                    evidence=evidence,
                    at_us=self.clock.now_us(),
                )
            )


def book_what_is_told(world):
    """Play the operator's actor: journal what statements bring."""
    told = world.operator.of(say.BookBalances)
    for message in told:
        for event in booked(world.log.book, message, {}):
            world.append(event)
    world.operator.heard = [each for each in world.operator.heard if each not in told]


async def follow(world, seconds):
    """Let time pass while the operator's actor does its work."""
    until = world.clock.monotonic() + seconds
    await eventually(lambda: book_what_is_told(world) or world.clock.monotonic() >= until, seconds + 1)


def adjustments(world):
    return [record.event for record in world.disk.records if isinstance(record.event, BalanceAdjusted)]


async def test_a_deposit_that_the_statement_lists_is_booked_once_and_trading_goes_on(autojump_clock):
    async with open_world(port=Listing(), timings=TIMINGS) as world:
        await follow(world, 1)
        world.port.move("250.5")
        await follow(world, 30)
        assert [(each.amount, each.evidence) for each in adjustments(world)] == [
            (Decimal("250.5"), "deposit:1")
        ]
        assert world.log.book.cash["sim", "USDT"] == Decimal("1000250.5")
        assert not world.operator.of(say.HaltExchange)
        assert world.state == "trading"


async def test_a_statement_that_explains_a_part_only_explains_nothing(autojump_clock):
    """The wrong cent does not pass with the deposit."""
    async with open_world(port=Listing(), timings=TIMINGS) as world:
        await follow(world, 1)
        world.port.move(250)
        world.port.move("-0.01", listed=False)
        await follow(world, 30)
        assert not adjustments(world)
        assert "explains 250 of 249.99" in world.operator.of(say.HaltExchange)[0].cause


async def test_a_line_that_the_balance_does_not_show_is_not_booked(autojump_clock):
    async with open_world(port=Listing(), timings=TIMINGS) as world:
        await follow(world, 1)
        world.port.move(250)
        world.port.drift.clear()
        await follow(world, 30)
        assert not adjustments(world)
        assert not world.operator.of(say.HaltExchange)


async def test_a_transfer_while_away_is_booked_before_the_first_order(autojump_clock):
    async with open_world(port=Listing(), timings=TIMINGS) as world:
        await follow(world, 1)
        await world._kill(world.broker)
        world.port.move("-400", evidence="withdrawal:7")
        await world.start_broker()
        await follow(world, 10)
        assert [each.evidence for each in adjustments(world)] == ["withdrawal:7"]
        assert not world.operator.of(say.HaltExchange)


async def test_a_line_of_long_ago_is_no_news_when_another_exchange_has_booked_many(
    autojump_clock, monkeypatch
):
    """A forgotten transfer would be booked twice, or stand beside the next deposit and halt the exchange."""
    monkeypatch.setattr("actors.model.folding.STATEMENT_KEPT", 5)
    async with open_world(port=Listing(), timings=TIMINGS) as world:
        await follow(world, 1)
        world.port.move(500, evidence="transfer:1")
        await follow(world, 10)
        for number in range(10):
            world.append(
                BalanceAdjusted(
                    exchange="other",
                    asset="USDT",
                    amount=Decimal("0.01"),
                    cause="funding_fee",
                    evidence=f"funding:{number}",
                    happened_us=world.clock.now_us(),
                )
            )
        world.port.move(250, evidence="deposit:2")
        await follow(world, 30)
        booked_here = [each.evidence for each in adjustments(world) if each.exchange == "sim"]
        assert booked_here == ["transfer:1", "deposit:2"]
        assert world.log.book.cash["sim", "USDT"] == Decimal(1000750)
        assert not world.operator.of(say.HaltExchange)


async def test_a_line_that_is_forgotten_while_the_statement_is_read_is_no_news(autojump_clock, monkeypatch):
    """Lines that are journaled meanwhile move the time up to which older ones are remembered."""
    monkeypatch.setattr("actors.model.folding.STATEMENT_KEPT", 2)
    async with open_world(port=Listing(), timings=TIMINGS) as world:
        await follow(world, 1)
        world.port.move(500, evidence="transfer:1")
        await follow(world, 10)
        listed = world.port.statement_since

        async def slowly(since_us):
            answer = await listed(since_us)
            world.port.statement_since = listed
            later_us = world.clock.now_us() + 3 * 86_400_000_000
            for number in range(3):
                world.append(
                    BalanceAdjusted(
                        exchange="sim",
                        asset="EUR",
                        amount=Decimal(1),
                        cause="deposit",
                        evidence=f"later:{number}",
                        happened_us=later_us,
                    )
                )
            await eventually(lambda: ("sim", "transfer:1") not in world.log.book.statement)
            return answer

        world.port.statement_since = slowly
        world.port.move(500, evidence="unlisted", listed=False)
        await follow(world, 5)
        assert [each.evidence for each in adjustments(world)].count("transfer:1") == 1


async def test_where_the_key_may_not_read_the_statement_a_difference_halts_and_says_so(autojump_clock):
    async with open_world(port=Listing(), timings=TIMINGS) as world:
        await follow(world, 1)
        world.port.refusal = Unavailable("exchange", "no permission")
        world.port.move(250)
        await follow(world, 30)
        assert "no permission" in world.operator.of(say.HaltExchange)[0].cause


async def test_what_was_there_before_the_account_was_opened_is_no_news(autojump_clock):
    port = Listing()
    port.lines.append(
        BalanceMove(asset="USDT", amount=Decimal(5), cause="deposit", evidence="old:1", at_us=1)
    )
    async with open_world(port=port, timings=TIMINGS) as world:
        await follow(world, 20)
        assert not adjustments(world)
