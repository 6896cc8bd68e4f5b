"""What comes in at the kill socket and is no kill."""

from types import SimpleNamespace

import msgspec
import pytest
import trio.testing

from actors.model.results import KillResult
from supervisors.kill_socket import KillAnswer, _answer


@pytest.mark.parametrize("line", [b"halt\n", b"\xff\n", b'{"level": 1}\n'])
async def test_a_line_that_is_no_kill_is_answered_and_ends_nothing(line: bytes) -> None:
    """Whatever its bytes are: the service must not end by it."""
    ours, theirs = trio.testing.memory_stream_pair()
    await theirs.send_all(line)
    await _answer(SimpleNamespace(), ours)
    answered = msgspec.json.decode(await theirs.receive_some(), type=KillAnswer)
    assert answered.error.endswith("nothing was done")


async def test_no_byte_of_a_reason_keeps_a_kill_from_being_pulled() -> None:
    reasons = []

    async def kill(*, reason: str, **_others: object) -> KillResult:
        reasons.append(reason)
        return KillResult(kill_id="k", trading_state="halted", durable=True)

    ours, theirs = trio.testing.memory_stream_pair()
    await theirs.send_all(b'{"reason": "fire in the k\xfcche"}\n')
    await _answer(SimpleNamespace(port=SimpleNamespace(kill=kill)), ours)
    answered = msgspec.json.decode(await theirs.receive_some(), type=KillAnswer)
    assert (answered.kill_id, reasons) == ("k", ["fire in the k\ufffdche"])
