"""One life of a writer, as the journal's log sees it."""

import pytest

from tests.fixtures.floor import Floor


async def killed(cell):
    cell.kill()
    await cell.wait_ended()


async def failed(cell):
    cell.fail(RuntimeError("planted"))
    await cell.wait_ended()


async def stopped(cell):
    cell.request_stop()
    await cell.wait_ended()


@pytest.mark.parametrize("end", [killed, failed, stopped])
async def test_a_life_that_has_ended_follows_the_log_no_more(autojump_clock, end):
    """Else each life that is killed for its deadline would be called with every batch, for ever."""
    async with Floor().open() as floor:
        before = len(floor.log._watches)
        for _ in range(3):
            await end(floor.system.ref("risk").cell)
            await floor.system.start(floor.make_risk(), "risk")
            await floor.settle()
        assert len(floor.log._watches) == before
