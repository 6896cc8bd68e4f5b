"""Differences planted before a start: no order leaves before each is mended by evidence or halts the
exchange.

The first life trades; it ends; something happens at the exchange, or had happened unseen; the second life
has to find out by itself.
"""

from decimal import Decimal

import msgspec
import pytest
import trio

from actors.broker.timings import BrokerTimings
from actors.kernel import open_system
from actors.model import messages as say
from actors.model.events import PositionAdjusted
from tests.actors.broker.little_exchange import LittleExchange
from tests.actors.broker.world import TestClock, World, eventually, open_world

BTC = "BTC/USDT"
TIMINGS = BrokerTimings(submit=1.0, query=1.0, open_orders_every=2.0, accounts_every=3.0)
NEW_LIFE = Decimal("0.125")


def put(port, key, **changes):
    port.orders[key] = msgspec.structs.replace(port.orders[key], **changes)


async def resting(world, quantity="4"):
    order_id = world.accept(quantity=quantity, price="90")
    await world.until(order_id, "open")
    return order_id


class Case:
    """`before` runs in the first life, `away` between the lives, `after` checks the second."""

    halts = None

    async def before(self, world):
        """Trade."""

    def away(self, port):
        """While nobody looks."""

    async def after(self, world):
        """What must be true then."""


class FilledWhileAway(Case):
    async def before(self, world):
        self.order = await resting(world)

    def away(self, port):
        port.execute("tw-1", Decimal(4), Decimal(90))

    async def after(self, world):
        await world.until(self.order, "filled")


class PartlyFilledWhileAway(FilledWhileAway):
    def away(self, port):
        port.execute("tw-1", Decimal(1), Decimal(90))

    async def after(self, world):
        order = await world.until(self.order, "partially_filled")
        assert order.executed == 1


class PartlyFilledThenCanceledWhileAway(FilledWhileAway):
    def away(self, port):
        port.execute("tw-1", Decimal(1), Decimal(90))
        put(port, "tw-1", status="canceled")

    async def after(self, world):
        order = await world.until(self.order, "canceled")
        assert order.executed == 1


class CanceledByHand(FilledWhileAway):
    def away(self, port):
        put(port, "tw-1", status="canceled", reason="by hand")

    async def after(self, world):
        order = await world.until(self.order, "canceled")
        assert order.reason == "by hand"


class Expired(FilledWhileAway):
    def away(self, port):
        put(port, "tw-1", status="expired")

    async def after(self, world):
        await world.until(self.order, "expired")


class ForgottenByTheExchange(FilledWhileAway):
    def away(self, port):
        port.hide.add("tw-1")

    async def after(self, world):
        order = await world.until(self.order, "canceled")
        assert "does not have it any more" in order.reason


class RefusedAfterwards(FilledWhileAway):
    def away(self, port):
        put(port, "tw-1", status="rejected", reason="would take liquidity")

    async def after(self, world):
        await world.until(self.order, "canceled")


class NeverSent(Case):
    """The process died between the journal and the send."""

    async def before(self, world):
        world.port.reachable = False
        await trio.sleep(20)
        self.order = world.accept(age=60)
        await trio.sleep(1)
        assert not world.port.submits

    def away(self, port):
        port.reachable = True

    async def after(self, world):
        order = await world.until(self.order, "denied")
        assert order.code == "NOT_SENT"
        assert not [each for each in world.port.submits if each == "tw-1"]


class SentAndFilledUnseen(Case):
    """The answer was on its way when the process died."""

    async def before(self, world):
        world.port.latency = 0.5
        self.order = world.accept(quantity="2")
        await trio.sleep(0.1)

    def away(self, port):
        port.latency = 0.0
        port.take("tw-1", BTC, "buy", "market", Decimal(2), None)

    async def after(self, world):
        await world.until(self.order, "filled")


class SentAndRestingUnseen(SentAndFilledUnseen):
    async def before(self, world):
        world.port.latency = 0.5
        self.order = world.accept(quantity="2", price="90")
        await trio.sleep(0.1)

    def away(self, port):
        port.latency = 0.0
        port.take("tw-1", BTC, "buy", "limit", Decimal(2), Decimal(90))

    async def after(self, world):
        await world.until(self.order, "open")


class UnknownAndResting(Case):
    async def before(self, world):
        world.port.next_submits.append("lose")
        world.port.hide.add("tw-1")
        self.order = world.accept(quantity="2", price="90")
        await world.until(self.order, "unknown")

    def away(self, port):
        port.hide.clear()

    async def after(self, world):
        await world.until(self.order, "open")


class UnknownAndFilled(UnknownAndResting):
    def away(self, port):
        port.hide.clear()
        port.execute("tw-1", Decimal(2), Decimal(90))

    async def after(self, world):
        await world.until(self.order, "filled")


class UnknownAndAbsent(Case):
    async def before(self, world):
        world.port.next_submits.append("drop")
        self.order = world.accept()
        await world.until(self.order, "unknown")

    async def after(self, world):
        await world.until(self.order, "denied")


class CancelWantedAndStillOpen(Case):
    async def before(self, world):
        self.order = await resting(world)
        world.port.reachable = False
        wish = say.CancelOrder(order_id=self.order, by="me", correlation_id="c")
        await world.position().ask(wish, timeout=1)
        await world.until(self.order, "pending_cancel")

    def away(self, port):
        port.reachable = True

    async def after(self, world):
        await world.until(self.order, "canceled")
        assert world.port.orders["tw-1"].status == "canceled"


class CancelWantedAndFilled(CancelWantedAndStillOpen):
    def away(self, port):
        port.reachable = True
        port.execute("tw-1", Decimal(4), Decimal(90))

    async def after(self, world):
        await world.until(self.order, "filled")


class FillMissedBeforeItsCancel(Case):
    async def before(self, world):
        self.order = await resting(world)
        wish = say.CancelOrder(order_id=self.order, by="me", correlation_id="c")
        await world.position().ask(wish, timeout=1)
        await world.until(self.order, "canceled")

    def away(self, port):
        put(port, "tw-1", status="open")
        port.execute("tw-1", Decimal(1), Decimal(90))
        put(port, "tw-1", status="canceled")

    async def after(self, world):
        await eventually(lambda: world.order(self.order).executed == 1)
        assert world.order(self.order).status == "canceled"


class FillOfAnOrderThatLeftMemory(FillMissedBeforeItsCancel):
    """So many closed orders later that only the store knows it."""

    async def before(self, world):
        await super().before(world)
        for _ in range(1100):
            last = world.accept(quantity="0.001")
        await world.until(last, "filled")
        await world.closed()

    async def after(self, world):
        assert world.log.book.order("order-1") is None or world.order("order-1").executed == 1
        await eventually(lambda: world.order(self.order).executed == 1)


class RestsThoughTheJournalHasItCanceled(FillMissedBeforeItsCancel):
    def away(self, port):
        put(port, "tw-1", status="open")

    async def after(self, world):
        await eventually(lambda: world.port.orders["tw-1"].status == "canceled")
        assert world.order(self.order).status == "canceled"


class RestsThoughItWasProvenAbsent(Case):
    halts = "was judged denied, yet lives"

    async def before(self, world):
        world.port.next_submits.append("drop")
        self.order = world.accept(quantity="2", price="90")
        await world.until(self.order, "denied")

    def away(self, port):
        port.take("tw-1", BTC, "buy", "limit", Decimal(2), Decimal(90))

    async def after(self, world):
        await eventually(lambda: world.port.orders["tw-1"].status == "canceled")
        await world.until(self.order, "canceled")


class AnothersRestingOrder(Case):
    """It belongs to a person; it stays."""

    def away(self, port):
        port.take("", BTC, "buy", "limit", Decimal(1), Decimal(80))

    async def after(self, world):
        assert world.port.orders["foreign-1"].status == "open"


class AnothersTrade(Case):
    async def before(self, world):
        await world.until(world.accept(quantity="1"), "filled")

    def away(self, port):
        port.take("", BTC, "sell", "market", Decimal("0.5"), None)

    async def after(self, world):
        assert "PositionAdjusted" in world.types()


class PositionWithoutHistory(Case):
    """The account held something before it was ever connected."""

    def away(self, port):
        port.positions_offset[BTC] = Decimal(3)

    async def after(self, world):
        assert "PositionAdjusted" in world.types()
        assert world.log.book.position("sim", BTC).average_price == 100


class PositionThatNothingExplains(Case):
    halts = "no trade of the last 3600 s explains"

    async def before(self, world):
        await world.until(world.accept(quantity="1"), "filled")

    def away(self, port):
        port.positions_offset[BTC] = Decimal(3)


class OrderOfOursThatTheJournalNeverHad(Case):
    """As after the restore of a backup that is older than the order."""

    halts = "1 open at the exchange with our name that the journal does not know: tw-lost (BTC/USDT)"

    def away(self, port):
        port.take("tw-lost", BTC, "sell", "limit", Decimal(1), Decimal(200))

    async def after(self, world):
        await eventually(lambda: world.state == "halted")
        assert world.port.orders["tw-lost"].status == "open", "nobody asked for its end"
        world.broker.tell(say.Sweep(sweep_id="k1", symbol=None))
        await eventually(lambda: world.port.orders["tw-lost"].status == "canceled")


class BalanceThatNothingExplains(Case):
    halts = "USDT: the exchange holds"

    async def before(self, world):
        await world.until(world.accept(quantity="1"), "filled")

    def away(self, port):
        port.drift["USDT"] = Decimal("-0.01")


class BalanceThatNothingExplainsBesideAnothersTradeElsewhere(BalanceThatNothingExplains):
    """What others do at one exchange says nothing of the balances at another."""

    async def before(self, world):
        await super().before(world)
        world.append(
            PositionAdjusted(
                exchange="elsewhere",
                symbol=BTC,
                quantity=Decimal(1),
                price=Decimal(100),
                cause="trade of another on the account",
                evidence="somebody's trade",
            )
        )
        await eventually(lambda: "PositionAdjusted" in world.types())


class MoreExecutedThanAskedFor(Case):
    halts = "executes 1 more"

    async def before(self, world):
        self.order = world.accept(quantity="1")
        await world.until(self.order, "filled")

    def away(self, port):
        put(port, "tw-1", quantity=Decimal(2))
        port.execute("tw-1", Decimal(1))


class TradeOlderThanTheWatermark(Case):
    """It is listed late: the newest known trade is younger, and far."""

    async def before(self, world):
        self.order = await resting(world)
        self.fill = world.port.execute("tw-1", Decimal(1), Decimal(90))
        world.port.fills.remove(self.fill)
        put(world.port, "tw-1", executed=Decimal(0))
        await trio.sleep(100)
        await world.until(world.accept(quantity="1"), "filled")

    def away(self, port):
        port.fills.insert(0, self.fill)
        put(port, "tw-1", executed=Decimal(1))

    async def after(self, world):
        order = await world.until(self.order, "partially_filled")
        assert order.executed == 1


CASES = list(Case.__subclasses__())
CASES += [case for parent in list(CASES) for case in parent.__subclasses__()]


@pytest.mark.parametrize("kind", CASES, ids=lambda kind: kind.__name__)
async def test_a_planted_difference_is_mended_or_halts_the_exchange(autojump_clock, kind):
    """Nothing is sent before; then a new order leaves, or the reason for the halt is told."""
    case = kind()
    clock = TestClock()
    port = LittleExchange(clock)
    async with open_world(port=port, timings=TIMINGS) as first:
        await case.before(first)
        disk, count = first.disk, first.count
    case.away(port)
    port.calls.clear()
    sent_before = len(port.submits)
    async with open_system() as system:
        world = World(system, port=port, timings=TIMINGS, disk=disk)
        world.count = count
        await world.start()
        new = world.accept(quantity=str(NEW_LIFE), age=60.0)
        await eventually(lambda: world.state in ("trading", "halted"))
        names = [name for name, _ in port.calls]
        if "submit" in names:
            assert {"open_orders", "fills", "positions", "balances"} <= set(names[: names.index("submit")])
        await case.after(world)
        if case.halts is None:
            await world.until(new, "filled")
            assert len(port.submits) == sent_before + 1
            assert world.held() == port.position(BTC)
        else:
            await eventually(lambda: world.operator.of(say.HaltExchange))
            assert case.halts in world.operator.of(say.HaltExchange)[0].cause
            await eventually(lambda: world.state == "halted")
            refused = world.accept(quantity="1")
            assert case.halts in (await world.until(refused, "denied")).reason
        world.check_lives()


def test_there_are_more_than_twenty_kinds():
    """Each is told by its name."""
    assert len(CASES) >= 20
