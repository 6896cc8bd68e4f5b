"""What the data folder has seen of the journal, and what follows when the journal lacks it."""

from types import SimpleNamespace

import trio

from supervisors import seen as module
from supervisors.seen import Seen, keep_seen, missing, read_seen, write_seen

SEEN = Seen(seq=7, hash="ab" * 32)


def test_a_journal_that_has_the_record_is_the_same_one():
    assert missing(SEEN, bytes.fromhex("ab" * 32)) is None
    assert missing(None, None) is None


def test_a_journal_that_is_shorter_or_another_one_is_said():
    assert "does not reach 7" in missing(SEEN, None)
    assert "has another record at 7" in missing(SEEN, bytes(32))


def test_what_was_written_is_read_and_rubbish_is_nothing(tmp_path):
    path = tmp_path / "journal-seen"
    assert read_seen(path) is None
    write_seen(path, SEEN)
    assert read_seen(path) == SEEN
    for rubbish in (b"{", b'{"seq": 7, "hash": "\xff"}'):
        path.write_bytes(rubbish)
        assert read_seen(path) is None
    write_seen(tmp_path / "nowhere" / "journal-seen", SEEN)  # said in the log, and no reason to stop


async def test_it_is_kept_as_the_journal_grows(tmp_path, monkeypatch, autojump_clock):
    async def at_once(work, *arguments):
        # A mock clock would not wait for a thread.
        await trio.lowlevel.checkpoint()
        return work(*arguments)

    monkeypatch.setattr(module.trio.to_thread, "run_sync", at_once)
    log = SimpleNamespace(head=7, head_hash=bytes.fromhex("ab" * 32))
    path = tmp_path / "journal-seen"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_seen, path, log)
        await trio.sleep(module.WRITE_SECONDS + 1)
        assert read_seen(path) == SEEN
        log.head, log.head_hash = 9, bytes(32)
        await trio.sleep(module.WRITE_SECONDS)
        assert read_seen(path) == Seen(seq=9, hash="00" * 32)
        nursery.cancel_scope.cancel()
