"""The tools of the crash tests do to a line, a disk and a process what they say."""

import os
import signal
import socket
import threading

import pytest

from ops.proof.crash.disk import SmallDisk
from ops.proof.crash.link import Link
from ops.proof.crash.points import PLACES, Trigger


@pytest.fixture
def link(tmp_path):
    """A line to a server that says everything back."""
    path = tmp_path / "server"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        threading.Thread(target=_echo, args=(server,), daemon=True).start()
        made = Link(path)
        made.start()
        yield made
        made.stop()
        server.shutdown(socket.SHUT_RDWR)


def _echo(server):
    while True:
        try:
            peer, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=_say_back, args=(peer,), daemon=True).start()


def _say_back(peer):
    with peer:
        while piece := peer.recv(1024):
            peer.sendall(piece)


def said(link, text=b"hello"):
    """A connected client that has had an answer."""
    client = socket.create_connection(("127.0.0.1", link.port), timeout=5.0)
    client.sendall(text)
    assert client.recv(1024) == text
    return client


def test_a_good_line_passes_everything_on(link):
    """In both directions."""
    with said(link):
        assert link.connections == 1


def test_a_cut_resets_who_is_connected_and_takes_nobody_until_it_is_healed(link):
    """Neither side is told how much arrived."""
    with said(link) as client:
        link.cut()
        with pytest.raises(ConnectionResetError):
            client.recv(1024)
    assert _takes_nobody(link)
    link.heal()
    said(link).close()


def _takes_nobody(link):
    try:
        client = socket.create_connection(("127.0.0.1", link.port), timeout=5.0)
    except ConnectionResetError:  # the reset was here before the connect had looked
        return True
    with client:
        return _is_over(client)


def _is_over(client):
    try:
        return client.recv(1024) == b""
    except ConnectionResetError:
        return True


def test_a_deaf_line_loses_answers_only(link):
    """What was asked arrives; healed, the connection that waits in vain is reset."""
    with said(link) as client:
        link.deaf = True
        client.sendall(b"are you there?")
        client.settimeout(0.05)
        with pytest.raises(TimeoutError):
            client.recv(1024)
        client.settimeout(5.0)
        link.heal()
        assert _is_over(client)


def test_a_process_dies_at_the_passing_that_it_was_told(tmp_path, monkeypatch):
    """And not before; without a file it never does."""
    killed = []
    monkeypatch.setattr(os, "kill", lambda *call: killed.append(call))
    trigger = Trigger(tmp_path / "point")
    trigger.passed("after commit")
    (tmp_path / "point").write_text("after commit:2")
    trigger.passed("after commit")
    trigger.passed("before commit")
    assert not killed
    trigger.passed("after commit")
    assert killed == [(os.getpid(), signal.SIGKILL)]


def test_every_point_stands_at_a_method_that_is_there():
    """A method that is renamed takes its point along."""
    assert all(callable(getattr(kind, method)) for _, kind, method in PLACES)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a file system needs root")
def test_a_small_disk_can_be_full_and_free_again(tmp_path):
    """Full means that not one more page can be had; what is there can still be overwritten."""
    disk = SmallDisk(tmp_path / "disk", size="1m")
    if not disk.mount():
        pytest.skip("this machine mounts nothing")
    try:
        kept = tmp_path / "disk" / "kept"
        kept.write_bytes(b"x" * 4096)
        disk.fill()
        with pytest.raises(OSError, match="No space left"):
            (tmp_path / "disk" / "more").write_bytes(b"y" * 4096)
        with kept.open("r+b") as file:
            file.write(b"z" * 4096)
        disk.free()
        (tmp_path / "disk" / "more").write_bytes(b"y" * 4096)
    finally:
        disk.unmount()
