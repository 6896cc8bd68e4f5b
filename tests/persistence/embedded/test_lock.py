from pathlib import Path

import pytest

from persistence.embedded import FolderInUse, FolderLock
from persistence.embedded.lock import Users


def test_a_folder_has_one_owner_at_a_time(tmp_path: Path) -> None:
    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    first.acquire()
    with pytest.raises(FolderInUse):
        second.acquire()
    assert (first.held, second.held) == (True, False)
    first.release()
    second.acquire()
    assert (first.held, second.held) == (False, True)
    second.release()


def test_the_refusal_says_what_to_do(tmp_path: Path) -> None:
    owner = FolderLock(tmp_path)
    owner.acquire()
    with pytest.raises(FolderInUse) as caught:
        FolderLock(tmp_path).acquire()
    owner.release()
    assert caught.value.code == "DATA_FOLDER_IN_USE"
    assert str(tmp_path) in str(caught.value)
    assert "TRADEWARDEN_DATA_DIR" in caught.value.remedy


def test_an_old_lock_file_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("12345678\n and something longer than a number")
    lock = FolderLock(tmp_path)
    lock.acquire()
    assert (tmp_path / "lock").read_text().strip().isdigit()
    lock.release()


def test_a_full_disk_keeps_nobody_from_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's lock needs no room; the number in the file is for people."""

    def full(descriptor: int, content: bytes, offset: int) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.pwrite", full)
    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    first.acquire()
    assert first.held
    first.release()
    second.acquire()
    second.release()


def test_an_unreadable_holder_is_named_as_another_process(tmp_path: Path) -> None:
    owner = FolderLock(tmp_path)
    owner.acquire()
    (tmp_path / "lock").write_text("?")
    with pytest.raises(FolderInUse, match="another process") as caught:
        FolderLock(tmp_path).acquire()
    assert caught.value.holder is None
    owner.release()


def test_releasing_twice_is_harmless(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    lock.acquire()
    lock.release()
    lock.release()
    assert not lock.held


def test_the_last_user_is_alone_and_nobody_joins_until_it_has_left(tmp_path: Path) -> None:
    """Who comes while the server is being stopped waits for that, and starts one of its own."""
    first, second = Users(tmp_path), Users(tmp_path)
    assert first.join()
    assert second.join()
    assert not first.alone()
    first.leave()
    assert second.alone()
    assert not first.join()
    second.leave()
    assert first.join()
    first.leave()
