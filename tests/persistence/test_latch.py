"""What the latch promises, on disk and in memory, and what only the file can show."""

import os
import time
from pathlib import Path
from threading import Event

import pytest
import trio
import trio.testing

from actors.halt.port import LatchFailed, LatchFile
from persistence.latch import FILE_BYTES, FileLatch
from persistence.memory import MemoryLatch


@pytest.fixture(params=["file", "memory"])
def latch(request: pytest.FixtureRequest, tmp_path: Path) -> LatchFile:
    """A latch that nobody has written to."""
    return FileLatch(tmp_path / "latch") if request.param == "file" else MemoryLatch()


async def test_a_latch_remembers_what_was_written_until_it_is_cleared(latch: LatchFile) -> None:
    """Also when a shorter content follows a longer one."""
    assert await latch.read() is None
    await latch.write(b"a long reason")
    assert await latch.read() == b"a long reason"
    await latch.write(b"short")
    assert await latch.read() == b"short"
    await latch.clear()
    assert await latch.read() is None


async def test_a_latch_takes_its_capacity_and_no_more(latch: LatchFile) -> None:
    """What does not fit is refused, the old content stays."""
    assert latch.capacity >= 2048
    full = b"x" * latch.capacity
    await latch.write(full)
    for content in (full + b"x", b""):
        with pytest.raises(LatchFailed):
            await latch.write(content)
    assert await latch.read() == full


async def test_the_content_outlives_the_process(tmp_path: Path) -> None:
    """Another object, the same file."""
    await FileLatch(tmp_path / "latch").write(b"killed")
    assert await FileLatch(tmp_path / "latch").read() == b"killed"


async def test_overwriting_needs_no_space_and_makes_no_new_file(tmp_path: Path) -> None:
    """The same file of the same size, whatever is written."""
    latch = FileLatch(tmp_path / "latch")
    await latch.read()
    before = os.stat(tmp_path / "latch")
    await latch.write(b"x" * 5000)
    after = os.stat(tmp_path / "latch")
    assert (after.st_ino, after.st_size, after.st_blocks) == (before.st_ino, FILE_BYTES, before.st_blocks)
    assert os.listdir(tmp_path) == ["latch"]


@pytest.mark.parametrize("place", [0, 25, 40, 130, 135])
async def test_a_torn_file_is_an_error_and_never_an_empty_latch(tmp_path: Path, place: int) -> None:
    """One byte that changed anywhere in header or content."""
    latch = FileLatch(tmp_path / "latch")
    await latch.write(b"killed for a reason")
    image = bytearray((tmp_path / "latch").read_bytes())
    image[place] ^= 0x01
    (tmp_path / "latch").write_bytes(image)
    with pytest.raises(LatchFailed):
        await latch.read()
    await latch.write(b"again")
    assert await latch.read() == b"again"


@pytest.mark.parametrize("image", [b"", b"\0" * FILE_BYTES, b"tradewarden latch 1 0"])
async def test_a_file_that_was_cut_or_blanked_is_an_error(tmp_path: Path, image: bytes) -> None:
    """Nothing that is not a whole latch reads as clear."""
    (tmp_path / "latch").write_bytes(image)
    with pytest.raises(LatchFailed):
        await FileLatch(tmp_path / "latch").read()


async def test_a_folder_that_is_not_there_fails_and_says_which(tmp_path: Path) -> None:
    """The caller stays halted and can tell why."""
    latch = FileLatch(tmp_path / "missing" / "latch")
    with pytest.raises(LatchFailed, match="missing"):
        await latch.write(b"killed")


async def test_a_call_that_was_given_up_does_not_undo_a_later_one(tmp_path: Path) -> None:
    """The slow write comes to its turn after the next one was made: it is too late then."""
    latch = FileLatch(tmp_path / "latch")
    with latch._order:
        with trio.move_on_after(0.05):
            await latch.write(b"old")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(latch.write, b"new")
            await trio.testing.wait_all_tasks_blocked()
            latch._order.release()
        latch._order.acquire()
    assert await latch.read() == b"new"


async def test_nothing_gets_between_a_kill_and_its_place_on_the_disk(tmp_path: Path) -> None:
    """However much is ready to run, it runs after the write."""
    latch = FileLatch(tmp_path / "latch")
    await latch.read()
    ran: list[str] = []

    async def other() -> None:
        ran.append("other")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        await latch.write(b"kill")
        ran.append("written")
    assert ran == ["written", "other"]
    assert await latch.read() == b"kill"


async def test_a_disk_that_hangs_holds_up_the_loop_for_a_moment_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After it others run, and a second write does not hold them up again."""
    monkeypatch.setattr("persistence.latch.PROMPT_SECONDS", 0.01)
    latch = FileLatch(tmp_path / "latch")
    await latch.read()
    works, fsync = Event(), os.fsync

    def hanging(descriptor: int) -> None:
        works.wait(10)
        fsync(descriptor)

    monkeypatch.setattr("persistence.latch.os.fsync", hanging)
    written: list[bytes] = []

    async def write(content: bytes) -> None:
        await latch.write(content)
        written.append(content)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write, b"one")
        await trio.testing.wait_all_tasks_blocked()
        began = time.monotonic()
        nursery.start_soon(write, b"two")
        await trio.testing.wait_all_tasks_blocked()
        assert time.monotonic() - began < 5
        assert written == []
        works.set()
    assert sorted(written) == [b"one", b"two"]
    assert await latch.read() == b"two"


async def test_a_write_that_fails_says_why(tmp_path: Path) -> None:
    """The loop's wait hides no error."""
    latch = FileLatch(tmp_path / "no" / "such" / "latch")
    with pytest.raises(LatchFailed):
        await latch.write(b"kill")


async def test_a_latch_for_which_there_is_half_the_room_is_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk may take the first of two blocks: a torn latch would halt even when there is room again."""
    real = os.pwrite
    latch = FileLatch(tmp_path / "latch")
    monkeypatch.setattr(os, "pwrite", lambda file, image, offset: real(file, image[:4096], offset))
    with pytest.raises(LatchFailed, match="No space left"):
        await latch.read()
    monkeypatch.setattr(os, "pwrite", real)
    assert await latch.read() is None
