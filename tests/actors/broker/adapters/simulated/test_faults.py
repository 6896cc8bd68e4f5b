"""What gets lost on the way: the runtime hears less, late or twice; the exchange itself stays right."""

from collections import deque
from collections.abc import Callable
from decimal import Decimal

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from actors.broker.adapters.simulated import CallFault, MemoryLedger, SimulatedExchange, build
from actors.broker.port import Confirmed, NotSent, Outcome, Rejected, StreamItem, Unavailable, Unresolved
from actors.model.fill import Fill
from actors.model.order import OrderIntent

D = Decimal
EPOCH_US = 1_700_000_000_000_000


class WallClock:
    """Both clocks follow the test's."""

    def now_us(self) -> int:
        return EPOCH_US + round(trio.current_time() * 1_000_000)

    def monotonic(self) -> float:
        return trio.current_time()


class Script:
    """Faults in the order in which they are to happen; when the script is over all goes well."""

    def __init__(self) -> None:
        self.calls: dict[str, deque[CallFault]] = {}
        self.streams: deque[tuple[float, ...]] = deque()
        self.cut: str | None = None

    def next(self, operation: str, **fault: object) -> None:
        """The next call of this operation meets this fault."""
        self.calls.setdefault(operation, deque()).append(CallFault(**fault))

    def call(self, operation: str, subject: str) -> CallFault:
        waiting = self.calls.get(operation)
        return waiting.popleft() if waiting else CallFault()

    def stream(self, item: StreamItem) -> tuple[float, ...]:
        return self.streams.popleft() if self.streams else (0.0,)

    def cuts(self, stream: str) -> bool:
        return self.cut == stream

    def clock_skew_us(self) -> int:
        return 0


@pytest.fixture
def script() -> Script:
    """What goes wrong."""
    return Script()


@pytest.fixture
def exchange(script: Script) -> SimulatedExchange:
    """An exchange behind that."""
    return build("sim", clock=WallClock(), ledger=MemoryLedger(), symbols=("BTC/USDT",), faults=script)


def intent(number: int = 1) -> OrderIntent:
    """A limit order that rests."""
    return OrderIntent(
        order_id=f"order-{number}",
        client_order_id=f"mine-{number}",
        exchange="sim",
        symbol="BTC/USDT",
        side="buy",
        type="limit",
        limit_price=D(30_000),
        quantity=D("0.1"),
        venue_id=f"venue-{number}",
    )


async def resting(exchange: SimulatedExchange) -> list[str]:
    """Our ids of what the exchange has."""
    return [report.venue_id for report in await exchange.open_orders()]


def is_unresolved(outcome: Outcome, signed_at_us: int) -> bool:
    """Whether nobody knows, with the time that the request was signed at."""
    return isinstance(outcome, Unresolved) and outcome.signed_at_us == signed_at_us


async def test_a_lost_request_never_arrives(
    autojump_clock: MockClock, exchange: SimulatedExchange, script: Script
) -> None:
    """The answer is waited for until the time-out; nobody knows."""
    await exchange.connect()
    script.next("submit", arrives=False)
    signed, began = WallClock().now_us(), trio.current_time()
    assert is_unresolved(await exchange.submit(intent()), signed)
    assert trio.current_time() - began == pytest.approx(10)
    assert await resting(exchange) == []


async def test_a_lost_answer_leaves_an_order_at_the_exchange(
    autojump_clock: MockClock, exchange: SimulatedExchange, script: Script
) -> None:
    """The same to us, the opposite there."""
    await exchange.connect()
    script.next("submit", answers=False)
    assert is_unresolved(await exchange.submit(intent()), WallClock().now_us() - 10_000_000)
    assert await resting(exchange) == ["venue-1"]


@pytest.mark.parametrize("arrives", [True, False])
async def test_a_broken_connection_is_noticed_at_once(
    autojump_clock: MockClock, exchange: SimulatedExchange, script: Script, arrives: bool
) -> None:
    """And says nothing of whether the request arrived."""
    await exchange.connect()
    script.next("submit", arrives=arrives, answers=False, silent=False)
    began = trio.current_time()
    assert isinstance(await exchange.submit(intent()), Unresolved)
    assert trio.current_time() == began
    assert await resting(exchange) == (["venue-1"] if arrives else [])


async def test_a_refused_connection_sends_nothing(
    autojump_clock: MockClock, exchange: SimulatedExchange, script: Script
) -> None:
    """That is certain."""
    await exchange.connect()
    script.next("submit", refused=True)
    script.next("cancel", refused=True)
    assert isinstance(await exchange.submit(intent()), NotSent)
    assert isinstance(await exchange.cancel("BTC/USDT", "venue-1", None), NotSent)
    assert await resting(exchange) == []


async def test_a_throttled_request_is_refused_for_certain(
    autojump_clock: MockClock, exchange: SimulatedExchange, script: Script
) -> None:
    """With the time to wait."""
    await exchange.connect()
    script.next("submit", throttled=True, retry_after_seconds=7.0)
    answer = await exchange.submit(intent())
    assert isinstance(answer, Rejected)
    assert (answer.throttled, answer.retry_after_seconds) == (True, 7.0)
    assert await resting(exchange) == []


async def test_a_delayed_request_is_taken_late(
    autojump_clock: MockClock, exchange: SimulatedExchange, script: Script
) -> None:
    """Within the receive window, and answered late too."""
    await exchange.connect()
    script.next("submit", delay_seconds=4.0)
    began = trio.current_time()
    assert isinstance(await exchange.submit(intent()), Confirmed)
    assert trio.current_time() - began == pytest.approx(4)


async def test_a_request_that_arrives_after_the_receive_window_is_not_taken(
    autojump_clock: MockClock, exchange: SimulatedExchange, script: Script
) -> None:
    """Refused for certain, if the answer still reaches us."""
    await exchange.connect()
    script.next("submit", delay_seconds=6.0)
    answer = await exchange.submit(intent())
    assert isinstance(answer, Rejected)
    assert answer.code == "TIMESTAMP"
    assert await resting(exchange) == []


async def test_a_request_under_way_arrives_though_nobody_waits_for_it_any_more(
    autojump_clock: MockClock, exchange: SimulatedExchange, script: Script
) -> None:
    """A lookup before that finds nothing, one after that finds the order: absence was not proven yet."""
    await exchange.connect()
    script.next("submit", delay_seconds=4.0)
    with trio.move_on_after(1):
        await exchange.submit(intent())
    assert await exchange.order("BTC/USDT", "venue-1") is None
    await trio.sleep(2)
    assert await exchange.order("BTC/USDT", "venue-1") is None
    await trio.sleep(2)
    assert await exchange.order("BTC/USDT", "venue-1") is not None


async def test_after_window_and_margin_a_request_under_way_never_becomes_an_order(
    autojump_clock: MockClock, exchange: SimulatedExchange, script: Script
) -> None:
    """Whatever the delay: the proof of absence holds."""
    await exchange.connect()
    window = exchange.capabilities.absence_window_seconds
    assert window is not None
    for number, delay in enumerate([5.001, 7.0, 60.0]):
        script.next("submit", delay_seconds=delay)
        with trio.move_on_after(0.5):
            await exchange.submit(intent(number))
    await trio.sleep(window)
    assert await resting(exchange) == []
    await trio.sleep(100)
    assert await resting(exchange) == []


async def test_a_cancel_whose_answer_is_lost_was_done(
    autojump_clock: MockClock, exchange: SimulatedExchange, script: Script
) -> None:
    """Unresolved to us; the order is off the book."""
    await exchange.connect()
    await exchange.submit(intent())
    script.next("cancel", answers=False, silent=False)
    assert isinstance(await exchange.cancel("BTC/USDT", "venue-1", "1"), Unresolved)
    assert await resting(exchange) == []


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"refused": True}, "network"),
        ({"arrives": False}, "timeout"),
        ({"answers": False, "silent": False}, "timeout"),
        ({"throttled": True, "retry_after_seconds": 3.0}, "throttled"),
        ({"delay_seconds": 6.0}, "exchange"),
    ],
)
async def test_a_question_that_fails_is_unavailable_and_never_an_empty_answer(
    autojump_clock: MockClock,
    exchange: SimulatedExchange,
    script: Script,
    fault: dict[str, object],
    kind: str,
) -> None:
    """An empty list would be taken for the truth."""
    await exchange.connect()
    questions: dict[str, Callable[[], object]] = {
        "open_orders": exchange.open_orders,
        "fills_since": lambda: exchange.fills_since("BTC/USDT", 0),
        "order": lambda: exchange.order("BTC/USDT", "venue-1"),
        "balances": exchange.balances,
        "positions": exchange.positions,
        "instruments": exchange.instruments,
    }
    for operation, ask in questions.items():
        script.next(operation, **fault)
        with pytest.raises(Unavailable) as caught:
            await ask()  # type: ignore[misc]
        assert caught.value.kind == kind
        assert caught.value.retry_after_seconds == fault.get("retry_after_seconds")


async def test_an_exchange_without_a_clock_can_not_be_connected(
    autojump_clock: MockClock, exchange: SimulatedExchange, script: Script
) -> None:
    """Nor hangs the attempt."""
    script.next("server_time_us", arrives=False)
    with pytest.raises(Unavailable):
        await exchange.connect()
    await exchange.connect()


async def test_items_of_the_stream_are_lost_repeated_and_reordered(
    autojump_clock: MockClock, exchange: SimulatedExchange, script: Script
) -> None:
    """Each as the script says; asking later tells the whole truth."""
    await exchange.connect()
    told: list[str] = []
    script.streams.extend([(), (0.0, 0.0), (2.0,), (0.0, 1.0)])
    with trio.move_on_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(
                exchange.follow_orders,
                lambda item: told.append(item.order_id if isinstance(item, Fill) else item.venue_id),
            )
            await trio.testing.wait_all_tasks_blocked()
            for number in range(1, 6):
                await exchange.submit(intent(number))
    assert told == ["venue-2", "venue-2", "venue-4", "venue-5", "venue-4", "venue-3"]
    assert len(await resting(exchange)) == 5


@pytest.mark.parametrize("stream", ["orders", "market"])
async def test_a_stream_that_breaks_says_so_and_can_be_followed_again(
    autojump_clock: MockClock, exchange: SimulatedExchange, script: Script, stream: str
) -> None:
    """What happened meanwhile is not told again."""
    await exchange.connect()
    told: list[object] = []

    async def follow() -> None:
        if stream == "orders":
            await exchange.follow_orders(told.append)
        else:
            await exchange.follow_market(["BTC/USDT"], told.append)

    script.cut = stream
    with pytest.raises(Unavailable, match="broke"):
        await follow()
    script.cut = None
    told.clear()
    await exchange.submit(intent(1))
    with trio.move_on_after(1):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow)
            await trio.testing.wait_all_tasks_blocked()
            await exchange.submit(intent(2))
    if stream == "orders":
        assert [item.venue_id for item in told] == ["venue-2"]
    else:
        assert told
