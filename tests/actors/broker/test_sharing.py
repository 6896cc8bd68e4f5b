"""Breakers of several processes: cool-downs and counts are heard of; an outage of the board does no harm."""

from actors.broker.breaker import Breaker, BreakerSettings, Circuit
from actors.broker.sharing import BreakerSharing
from actors.model.shared import SharedAway
from persistence.memory.shared import MemoryBreakers

SETTINGS = BreakerSettings()


class HandClock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds

    def now_us(self) -> int:
        return 1_700_000_000_000_000 + round(self.seconds * 1_000_000)


class Processes:
    """Two processes with a breaker each for one exchange, and the board between them."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.board = MemoryBreakers(self.clock)
        self.breakers = {name: Breaker(SETTINGS) for name in ("a", "b")}
        self.sharings = [
            BreakerSharing(self.board, {"binance": breaker}, clock=self.clock, process=name)
            for name, breaker in self.breakers.items()
        ]

    async def talk(self) -> None:
        for _ in range(2):
            for sharing in self.sharings:
                await sharing.exchange_once()

    def call(self, name: str, *, good: bool) -> None:
        breaker, now = self.breakers[name], self.clock.monotonic()
        permit = breaker.permit(now)
        assert permit is not None
        breaker.done(permit, now, good)

    def circuit(self, name: str) -> Circuit:
        return self.breakers[name].circuit(self.clock.monotonic())


async def test_a_cool_down_of_one_process_is_that_of_the_other_and_ends_at_the_same_time():
    two = Processes()
    two.breakers["a"].trip(two.clock.monotonic())
    two.clock.seconds += 1
    await two.talk()
    assert two.circuit("b") is Circuit.OPEN
    two.clock.seconds += SETTINGS.open_for - 1.1
    await two.talk()
    assert (two.circuit("a"), two.circuit("b")) == (Circuit.OPEN, Circuit.OPEN)
    two.clock.seconds += 0.2
    await two.talk()
    assert (two.circuit("a"), two.circuit("b")) == (Circuit.HALF_OPEN, Circuit.HALF_OPEN)


async def test_a_process_that_has_just_started_goes_on_with_the_cool_down_of_its_former_life():
    two = Processes()
    two.breakers["a"].trip(two.clock.monotonic())
    await two.talk()
    reborn = Breaker(SETTINGS)
    await BreakerSharing(two.board, {"binance": reborn}, clock=two.clock, process="a again").exchange_once()
    assert reborn.circuit(two.clock.monotonic()) is Circuit.OPEN


async def test_failures_of_others_weigh_in_when_a_call_of_ones_own_fails_and_not_before():
    two = Processes()
    for _ in range(SETTINGS.minimum_calls - 1):
        two.call("a", good=False)
    await two.talk()
    assert two.circuit("b") is Circuit.CLOSED
    two.call("b", good=False)
    assert two.circuit("b") is Circuit.OPEN


async def test_without_the_board_each_goes_by_what_it_saw_itself():
    two = Processes()
    for _ in range(SETTINGS.minimum_calls - 1):
        two.call("a", good=False)
    await two.talk()
    two.board.away = SharedAway("lost")
    await two.talk()
    two.call("b", good=False)
    assert two.circuit("b") is Circuit.CLOSED


async def test_a_cool_down_that_is_told_is_never_longer_than_ones_own():
    """A clock that is wrong elsewhere must not keep an exchange shut."""
    two = Processes()
    two.breakers["a"].rest(two.clock.monotonic(), 3600.0)
    two.clock.seconds += SETTINGS.open_for
    assert two.circuit("a") is Circuit.HALF_OPEN
