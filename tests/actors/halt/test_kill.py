"""The kill switch against a disk that fails or hangs, and kills that cross a resume."""

import trio
import trio.testing

from actors.halt.latch import UNREADABLE_ID, decode
from actors.halt.port import LatchFailed
from tests.fixtures.floor import Floor, Latch

KILL = {
    "level": "cancel",
    "exchange": None,
    "symbol": None,
    "reason": "enough",
    "by": "ann",
    "correlation_id": "c",
}


class Switch:
    """A kill switch and what it announced."""

    def __init__(self, latch: Latch | None = None, halted_because: str | None = None) -> None:
        self.floor = Floor(latch=latch)
        self.floor.gate.finish_start()
        self.floor.halted_because = halted_because
        self.latch, self.gate = self.floor.latch, self.floor.gate
        self.told = []
        self.switch = self.floor.make_switch()
        self.switch._announce = self.told.append

    def ids(self) -> list[str]:
        """The kills in the file."""
        return [kill.kill_id for kill in decode(self.latch.content)]


async def test_a_kill_closes_the_gate_writes_the_latch_and_tells_the_operator(autojump_clock):
    desk = Switch()
    result = await desk.switch(**KILL)
    assert (result.trading_state, result.durable, result.in_flight) == ("halted", True, ())
    assert desk.gate.state_for("sim", "BTC/USDT") == "halted"
    assert desk.ids() == [result.kill_id]
    assert [told.kill_id for told in desk.told] == [result.kill_id]


async def test_a_kill_is_taken_whatever_its_reason_is(autojump_clock):
    """Not every door can ask for another one; the latch and the journal must be able to keep it."""
    desk = Switch()
    for said, kept in (("", "no reason was given"), ("a\udcff" * 600, "a\ufffd" * 250)):
        result = await desk.switch(**{**KILL, "reason": said})
        assert result.durable
        assert desk.gate.kills[result.kill_id].kill.reason == desk.told[-1].reason == kept


async def test_the_gate_is_closed_before_anything_is_waited_for(autojump_clock):
    desk = Switch()
    desk.latch.hangs = True
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: desk.switch(**KILL))
        await trio.testing.wait_all_tasks_blocked()
        assert desk.gate.state_for("sim", "BTC/USDT") == "halted"


async def test_a_full_disk_leaves_it_halted_and_says_so(autojump_clock):
    desk = Switch()
    desk.latch.fails = True
    result = await desk.switch(**KILL)
    assert not result.durable
    assert desk.gate.state_for("sim", "BTC/USDT") == "halted"
    assert desk.switch.problem == "no space left on device"
    desk.latch.fails = False
    await desk.switch.secure()
    assert desk.switch.secured
    assert result.kill_id in desk.ids()


async def test_a_disk_that_hangs_does_not_hang_the_answer(autojump_clock):
    desk = Switch()
    desk.latch.hangs = True
    began = trio.current_time()
    result = await desk.switch(**KILL)
    assert not result.durable
    assert trio.current_time() - began <= 1.01


async def test_cancelling_the_caller_does_not_interrupt_a_kill(autojump_clock):
    desk = Switch()
    with trio.CancelScope() as scope:
        scope.cancel()
        await desk.switch(**KILL)
    assert desk.switch.secured
    assert len(desk.ids()) == 1


async def test_every_write_carries_all_kills_in_force(autojump_clock):
    desk = Switch()
    results = []

    async def pull(symbol):
        results.append(await desk.switch(**{**KILL, "symbol": symbol}))

    async with trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(pull, f"S{number}/USDT")
    assert sorted(desk.ids()) == sorted(result.kill_id for result in results)


async def test_a_kill_that_crosses_a_resume_is_not_lost(autojump_clock):
    desk = Switch()
    first = await desk.switch(**KILL)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.switch.lift, (first.kill_id,))
        nursery.start_soon(lambda: desk.switch(**KILL))
    assert len(desk.gate.kills) == 1
    assert first.kill_id not in desk.gate.kills
    assert desk.ids() == list(desk.gate.kills)


async def test_a_resume_whose_latch_can_not_be_written_leaves_all_in_force(autojump_clock):
    desk = Switch()
    result = await desk.switch(**KILL)
    desk.latch.fails = True
    assert not await desk.switch.lift((result.kill_id,))
    assert desk.gate.state_for("sim", "BTC/USDT") == "halted"
    desk.latch.fails = False
    assert await desk.switch.lift((result.kill_id,))
    assert desk.latch.content is None
    assert desk.gate.state_for("sim", "BTC/USDT") == "active"


async def test_the_next_process_is_halted_before_it_does_anything(autojump_clock):
    first = Switch()
    result = await first.switch(**KILL)
    second = Switch(latch=first.latch)
    await second.switch.load()
    assert list(second.gate.kills) == [result.kill_id]
    assert second.switch.inherited == {result.kill_id}
    assert second.switch.secured


async def test_a_kill_before_the_latch_was_read_keeps_what_is_in_it(autojump_clock):
    first = Switch()
    one = await first.switch(**KILL)
    second = Switch(latch=first.latch)
    two = await second.switch(**KILL)
    assert set(second.ids()) == {one.kill_id, two.kill_id} == set(second.gate.kills)


async def test_a_latch_that_can_not_be_read_is_a_kill(autojump_clock):
    desk = Switch()
    desk.latch.fails = True
    await desk.switch.load()
    assert list(desk.gate.kills) == [UNREADABLE_ID]
    hanging = Switch()
    hanging.latch.hangs = True
    await hanging.switch.load()
    assert list(hanging.gate.kills) == [UNREADABLE_ID]


async def test_a_torn_latch_is_a_kill(autojump_clock):
    latch = Latch()
    latch.content = b'[{"kill_id": "x", "lev'
    desk = Switch(latch=latch)
    await desk.switch.load()
    assert list(desk.gate.kills) == [UNREADABLE_ID]


async def test_a_restored_backup_starts_halted_until_a_person_resumes(autojump_clock):
    desk = Switch(halted_because="restored from a backup")
    await desk.switch.load()
    await desk.switch.load()
    (engaged,) = desk.gate.kills.values()
    assert engaged.kill.by == "restore"
    assert not engaged.kill.automatic
    await desk.switch.secure()
    assert desk.ids() == [engaged.kill.kill_id]


def test_a_failed_latch_says_why():
    assert LatchFailed("no space").detail == "no space"
