"""The orders that close positions, at an exchange that judges them."""

from decimal import Decimal

import pytest

from actors.halt.duties import closing_intent, flatten_duties
from actors.halt.gate import Engaged
from actors.model.closing import apart_at
from tests.actors.broker.venue_bench import open_venue_bench
from tests.actors.broker.world import open_world
from tests.actors.halt.test_gate import kill


@pytest.mark.parametrize("others", [False, True], ids=["alone", "others trade there too"])
async def test_a_flatten_closes_a_spot_position_whose_fee_was_taken_in_the_bought_asset(others):
    """The exchange refused to sell what the position says, and it was asked to for ever."""
    async with open_venue_bench("binance-spot") as bench:
        account = next(iter(bench.exchange.accounts.values()))
        account.free["BTC"] = bench.opening["BTC"] = Decimal(0)
        async with open_world(bench=bench) as world:
            await world.until(world.accept(quantity="0.1"), "filled")
            instruments = {(each.exchange, each.symbol): each for each in await bench.port.instruments()}
            if others:
                world.log.book.disturbed["sim"] = 1
            apart = apart_at(world.said)
            kills, swept = [Engaged(kill=kill(level="flatten"))], {("k1", "sim"): None}
            (duty,) = flatten_duties(kills, world.log.book, swept, instruments, apart)
            asked = closing_intent(duty, "unused")
            assert asked.quantity < world.held() == Decimal("0.1")
            closing = world.accept(side=asked.side, quantity=str(asked.quantity), reduce_only=True)
            await world.until(closing, "filled")
            assert world.held() > 0
            assert flatten_duties(kills, world.log.book, swept, instruments, apart) == ()
