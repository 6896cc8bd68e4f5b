"""The kill switch's own door: a Unix socket in the data folder, for whoever may write there.

It passes neither the web server nor its tokens, so it works when that is overloaded. One line of JSON in,
one out: `{"reason": "...", "level": "halt|cancel|flatten", "exchange": null, "symbol": null}`; all but the
reason may be left out. A reason that is longer than others may be is cut, and never a cause for refusing.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec
import structlog
import trio

from actors.model.results import Refused

if TYPE_CHECKING:
    from supervisors.tree import Runtime

SOCKET = "kill.sock"
MAX_BYTES = 65_536
"""Of a line; more than any reason needs."""
READ_SECONDS = 5.0

_log = structlog.get_logger(room="kill_socket")


class KillLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the socket takes."""

    reason: str
    level: Literal["halt", "cancel", "flatten"] = "cancel"
    exchange: str | None = None
    symbol: str | None = None


class KillAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """What it answers; `error` is set when the line could not be read, and nothing was done then."""

    trading_state: str | None = None
    kill_id: str | None = None
    durable: bool | None = None
    error: str | None = None


async def serve_kill_socket(
    runtime: "Runtime", path: Path, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Serve until cancelled. A socket that a killed process left behind is replaced.

    Raises OSError when the socket can't be made.
    """
    with suppress(FileNotFoundError):
        if stat.S_ISSOCK((await trio.Path(path).stat()).st_mode):
            await trio.Path(path).unlink()
    socket = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        await socket.bind(str(path))
    finally:
        os.umask(before)
    socket.listen(16)

    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            await _answer(runtime, stream)

    try:
        async with trio.open_nursery() as nursery:
            task_status.started()
            await trio.serve_listeners(handle, [trio.SocketListener(socket)], handler_nursery=nursery)
    finally:
        with trio.CancelScope(shield=True), suppress(OSError):
            await trio.Path(path).unlink()


async def _answer(runtime: "Runtime", stream: trio.SocketStream) -> None:
    try:
        with trio.fail_after(READ_SECONDS):
            # A byte of a reason that is no UTF-8 keeps no kill from being pulled.
            text = (await _read_line(stream)).decode(errors="replace")
            line = msgspec.json.decode(text, type=KillLine)
    except (msgspec.MsgspecError, trio.TooSlowError, trio.BrokenResourceError) as error:
        answer = KillAnswer(error=f"{type(error).__name__}: {error}; nothing was done")
    else:
        result = await runtime.port.kill(
            level=line.level,
            exchange=line.exchange,
            symbol=line.symbol,
            reason=line.reason,
            by="kill socket",
            correlation_id="kill-socket",
        )
        if isinstance(result, Refused):
            answer = KillAnswer(error=f"{result.detail}; nothing was stopped")
        else:
            answer = KillAnswer(
                trading_state=result.trading_state, kill_id=result.kill_id, durable=result.durable
            )
    with suppress(trio.BrokenResourceError):
        await stream.send_all(msgspec.json.encode(answer) + b"\n")


async def _read_line(stream: trio.SocketStream) -> bytes:
    received = b""
    while b"\n" not in received and len(received) <= MAX_BYTES:
        part = await stream.receive_some(MAX_BYTES)
        if not part:
            break
        received += part
    return received.partition(b"\n")[0]
