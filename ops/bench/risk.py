"""What one risk decision costs: every rule that is on by default, and the reservation; 10,000 orders work.

The journal and the actors around it are left out. The same is measured again after 100,000 orders have been
closed, since the cost must not grow with what is over.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from decimal import Decimal
from random import Random

from actors.model.instrument import Instrument
from actors.model.messages import BrokerState, Mark
from actors.model.order import OrderIntent
from actors.risk.decide import Decider, Passed
from actors.risk.limits import RiskLimits
from actors.risk.state import RiskState

Finding = dict[str, str | float]

WORKING = 10_000
MEASURED = 10_000
CLOSED = 100_000
NOW_US = 1_792_800_000_000_000
PRICES = {"BTC/USDT": Decimal(40_000), "ETH/USDT": Decimal(2_000)}


class Room:
    """The core of the risk room with room for everything."""

    def __init__(self) -> None:
        self._rng = Random(1)
        self._decider = Decider()
        self._number = 0
        self._working: deque[str] = deque()
        self.state = RiskState(RiskLimits(max_pos_usd=Decimal(10**12)))
        instruments = tuple(
            Instrument(
                exchange="dummy",
                symbol=symbol,
                base=symbol[:3],
                quote="USDT",
                tick=Decimal("0.01"),
                lot=Decimal("0.000001"),
                min_notional=Decimal(5),
            )
            for symbol in PRICES
        )
        self.state.set_broker(
            BrokerState(
                exchange="dummy", state="trading", circuit="closed", detail="", instruments=instruments
            )
        )
        self.state.valuation.set_cash("dummy", "USDT", Decimal(10**12))
        for symbol, price in PRICES.items():
            self.state.set_mark(
                Mark(
                    exchange="dummy",
                    symbol=symbol,
                    bid=price,
                    ask=price,
                    last=price,
                    mark=price,
                    at_us=NOW_US,
                )
            )
        day = self.state.next_day(NOW_US)
        if day is not None:
            self.state.open_day(day)

    def intent(self) -> OrderIntent:
        """The next order."""
        self._number += 1
        rng, symbol = self._rng, "BTC/USDT"
        return OrderIntent(
            order_id=str(self._number),
            client_order_id=str(self._number),
            exchange="dummy",
            symbol=symbol,
            side=rng.choice(("buy", "sell")),
            type="limit",
            quantity=Decimal(rng.randrange(1_000, 100_000)).scaleb(-6),
            limit_price=Decimal(rng.randrange(3_900_000, 4_100_000)).scaleb(-2),
        )

    def decide(self, intent: OrderIntent) -> None:
        """One order is judged and reserved for."""
        verdict = self._decider.decide(self.state, intent, "active", False, NOW_US)
        if not isinstance(verdict, Passed):
            raise TypeError(f"the benchmark's order was denied: {verdict}")
        self.state.admit(intent, verdict.price, NOW_US)
        self._working.append(intent.order_id)

    def close_oldest(self) -> None:
        """The oldest order is over."""
        self.state.release(self._working.popleft())


def _times(room: Room) -> list[float]:
    """Microseconds of each decision, sorted; as many work after as before."""
    clock: Callable[[], int] = time.perf_counter_ns
    took = []
    for _ in range(MEASURED):
        intent = room.intent()
        began = clock()
        room.decide(intent)
        took.append((clock() - began) / 1_000)
        room.close_oldest()
    return sorted(took)


def measure() -> Iterator[Finding]:
    """The rows of the risk room; about five seconds."""
    room = Room()
    for _ in range(WORKING):
        room.decide(room.intent())
    took = _times(room)
    yield {"name": "risk_decision_p50_us", "value": round(took[len(took) // 2], 1), "unit": "us"}
    yield {"name": "risk_decision_p99_us", "value": round(took[len(took) * 99 // 100], 1), "unit": "us"}
    for _ in range(CLOSED):
        room.decide(room.intent())
        room.close_oldest()
    took = _times(room)
    yield {
        "name": "risk_decision_p50_us_100k_closed",
        "value": round(took[len(took) // 2], 1),
        "unit": "us",
    }
