"""What comes in at the kill socket and is no kill."""

from types import SimpleNamespace

import msgspec
import pytest
import trio.testing

from supervisors.kill_socket import KillAnswer, _answer


@pytest.mark.parametrize("line", [b"halt\n", b'{"level": "halt", "reason": "\xff"}\n', b'{"level": 1}\n'])
async def test_a_line_that_is_no_kill_is_answered_and_ends_nothing(line: bytes) -> None:
    """Whatever its bytes are: the service must not end by it."""
    ours, theirs = trio.testing.memory_stream_pair()
    await theirs.send_all(line)
    await _answer(SimpleNamespace(), ours)
    answered = msgspec.json.decode(await theirs.receive_some(), type=KillAnswer)
    assert answered.error.endswith("nothing was done")
