"""When lines leave: at the end of a turn, at once when it matters, and none of them twice."""

import io

import pytest
import trio

from config.log_output import Output


def tell_lost(lines: int) -> bytes:
    return b"lost %d" % lines


class Counted(io.BytesIO):
    """Counts how often it is written to."""

    writes = 0

    def write(self, data):
        self.writes += 1
        return super().write(data)


@pytest.fixture
def stream():
    return Counted()


@pytest.fixture
def output(stream):
    return Output(stream, tell_lost)


def test_without_a_loop_a_line_leaves_at_once(output, stream):
    output.hold(b"one")
    assert stream.getvalue() == b"one\n"


def test_lines_of_one_turn_leave_with_one_write(output, stream):
    async def main():
        for line in (b"one", b"two", b"three"):
            output.hold(line)
        before = stream.getvalue()
        await trio.lowlevel.checkpoint()
        return before, stream.getvalue(), stream.writes

    assert trio.run(main, instruments=[output]) == (b"", b"one\ntwo\nthree\n", 1)


def test_a_line_that_matters_leaves_at_once_and_takes_the_others_along(output, stream):
    async def main():
        output.hold(b"one")
        output.send(b"two")
        return stream.getvalue()

    assert trio.run(main, instruments=[output]) == b"one\ntwo\n"


def test_a_line_from_another_thread_leaves_with_the_next_turn(output, stream):
    async def main():
        await trio.to_thread.run_sync(output.hold, b"one")
        await trio.lowlevel.checkpoint()
        return stream.getvalue()

    assert trio.run(main, instruments=[output]) == b"one\n"


def test_what_is_held_leaves_when_the_loop_ends_even_by_an_error(output, stream):
    async def main():
        output.hold(b"one")
        raise ValueError("the end")

    with pytest.raises(ValueError, match="the end"):
        trio.run(main, instruments=[output])
    output.hold(b"two")
    assert stream.getvalue() == b"one\ntwo\n"


def test_a_stream_that_fails_raises_nothing_and_the_gap_is_told(output, stream, monkeypatch):
    def full(_data):
        raise OSError("no space left")

    with monkeypatch.context() as broken:
        broken.setattr(stream, "write", full)
        output.hold(b"one")
        output.send(b"two")
    output.hold(b"three")
    output.hold(b"four")
    assert stream.getvalue() == b"\nlost 2\nthree\nfour\n"


def test_any_error_of_a_stream_is_survived_and_the_loop_goes_on_writing(output, stream, monkeypatch):
    def closed(_data):
        raise ValueError("write to closed file")

    async def main():
        with monkeypatch.context() as broken:
            broken.setattr(stream, "write", closed)
            output.hold(b"one")
            await trio.lowlevel.checkpoint()
        output.hold(b"two")
        await trio.lowlevel.checkpoint()
        return stream.getvalue()

    assert trio.run(main, instruments=[output]) == b"\nlost 1\ntwo\n"


def test_a_line_that_comes_while_lines_are_written_follows_them(output, stream, monkeypatch):
    """The garbage collector may end something at any time that logs, in the middle of a write."""
    write = stream.write

    def collecting(data):
        if b"one" in data:
            output.send(b"from a finaliser")
        return write(data)

    monkeypatch.setattr(stream, "write", collecting)
    output.send(b"one")
    assert stream.getvalue() == b"one\nfrom a finaliser\n"
