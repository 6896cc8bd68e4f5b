"""The runtime's end: one line of JSON to the watchdog's socket, one back.

Each request has a connection of its own, so that nothing has to be healed when the watchdog was restarted.
"""

from pathlib import Path

import msgspec
import trio

from actors.broker.port import Unavailable

SOCKET = "watchdog.sock"
MAX_BYTES = 4096
ANSWER_SECONDS = 8.0
"""Long enough for the watchdog to ask the exchange whether its key works, once."""


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Guard an exchange for this long from now; 0: no more."""

    exchange: str
    seconds: float


class Answered(msgspec.Struct, frozen=True):
    """`error` says why it is not guarded; empty when it is."""

    error: str = ""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Answered).decode


class WatchdogSwitch:
    """See `actors.broker.port.DeadMansSwitch`."""

    def __init__(self, socket: Path, exchange: str) -> None:
        self._socket = socket
        self._exchange = exchange

    async def arm(self, seconds: float) -> None:
        """Have the watchdog cancel our orders unless renewed within this time; raise Unavailable."""
        await self._ask(seconds)

    async def disarm(self) -> None:
        """Before a planned stop; raise Unavailable."""
        await self._ask(0.0)

    async def _ask(self, seconds: float) -> None:
        try:
            with trio.fail_after(ANSWER_SECONDS):
                answered = await self._exchange_lines(Asked(exchange=self._exchange, seconds=seconds))
        except trio.TooSlowError:
            raise Unavailable("timeout", f"the watchdog does not answer at {self._socket}") from None
        except (OSError, trio.BrokenResourceError, msgspec.DecodeError) as error:
            what = f"there is no watchdog at {self._socket} ({error}); start one with `tradewarden watchdog`"
            raise Unavailable("network", what) from error
        if answered.error:
            raise Unavailable("exchange", f"the watchdog: {answered.error}")

    async def _exchange_lines(self, asked: Asked) -> Answered:
        async with await trio.open_unix_socket(str(self._socket)) as stream:
            await stream.send_all(_encode(asked) + b"\n")
            received = b""
            while b"\n" not in received and len(received) < MAX_BYTES:
                part = await stream.receive_some(MAX_BYTES)
                if not part:
                    break
                received += part
            return _decode(received)
