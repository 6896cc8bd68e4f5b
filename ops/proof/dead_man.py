"""The watchdog against real processes: service and watchdog run as they are installed, the exchange is the
local venue.

The service is frozen, killed, and stopped in order, each time with an order resting. Frozen or killed, its
order has to be cancelled within the time, and not at once; after a planned stop it has to rest on.

    python -m ops.proof.dead_man
"""

import argparse
import json
import os
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from subprocess import STDOUT

import httpx
import trio
import trio_asyncio

from ops.venue.running import Plan, Running, open_venue
from ops.venue.service import Limits

KEY, SECRET, TOKEN = "proof-api-key-0001", "proof-secret-0001", "dead-man-proof-token"
EXCHANGE = "binance-spot"
GUARD_SECONDS = 6
SLACK_SECONDS = 4.0
"""What a look, a request and a busy machine may add."""
READY_SECONDS = 90.0


class Installation:
    """One data folder: the service and its watchdog over one venue."""

    def __init__(self, folder: Path, running: Running) -> None:
        self._folder = folder
        self._running = running
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._address = f"127.0.0.1:{probe.getsockname()[1]}"
        self._placed = 0
        self.venue = running.venue.exchanges[EXCHANGE]

    def _environ(self) -> dict[str, str]:
        settings = {
            "DATA_DIR": str(self._folder / "data"),
            "BIND": self._address,
            "TOKEN": TOKEN,
            "EXCHANGES": "binance",
            "RISK__SYMBOL_WHITELIST": "BTC/USDT",
            "EXCHANGE__BINANCE__API_KEY": KEY,
            "EXCHANGE__BINANCE__API_SECRET": SECRET,
            "EXCHANGE__BINANCE__REDIRECT": f"{self._running.host}:{self._running.port}",
            "EXCHANGE__BINANCE__REDIRECT_CA": str(self._running.ca_file),
            "EXCHANGE__BINANCE__DEAD_MAN_SECONDS": str(GUARD_SECONDS),
        }
        clean = {name: value for name, value in os.environ.items() if not name.startswith("TRADEWARDEN_")}
        return clean | {f"TRADEWARDEN_{name}": value for name, value in settings.items()}

    @asynccontextmanager
    async def process(self, subcommand: str) -> AsyncIterator[trio.Process]:
        """A process of it; killed at the end of the block if it still runs."""
        with (self._folder / f"{subcommand}.log").open("ab") as log:
            process = await trio.lowlevel.open_process(
                [sys.executable, "-m", "ops.cli.main", subcommand],
                env=self._environ(),
                stdout=log,
                stderr=STDOUT,
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                await process.wait()

    async def ready(self) -> None:
        """Wait until the service takes orders; raise TooSlowError."""
        async with httpx.AsyncClient() as client:
            with trio.fail_after(READY_SECONDS):
                while not await _is_ready(client, self._address):  # noqa: ASYNC110 - it is another process
                    await trio.sleep(0.2)

    async def rest(self) -> str:
        """Place an order that rests, as soon as the switch is armed; its id at the venue."""
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=20) as client:
            with trio.fail_after(READY_SECONDS):
                while True:
                    self._placed += 1
                    order = {"symbol": "BTC/USDT", "side": "buy", "type": "limit", "qty": "0.001"}
                    price = str(38000 + self._placed)
                    answer = await client.post(
                        f"http://{self._address}/orders", json=order | {"limitPrice": price}
                    )
                    if answer.status_code == 201:
                        break
                    await trio.sleep(0.5)
        return next(each.order_id for each in reversed(self.venue.orders.values()) if each.is_open)

    async def cancelled_after(self, order_id: str, longest: float) -> float | None:
        """After how many seconds the order is off the venue; None when it still rests."""
        began = trio.current_time()
        with trio.move_on_after(longest):
            while self.venue.orders[order_id].is_open:  # noqa: ASYNC110 - the venue has no event for it
                await trio.sleep(0.02)
            return trio.current_time() - began
        return None


async def _is_ready(client: httpx.AsyncClient, address: str) -> bool:
    try:
        return (await client.get(f"http://{address}/readyz", timeout=2)).status_code == 200
    except httpx.HTTPError:
        return False


async def _frozen(here: Installation) -> dict[str, object]:
    """A loop that hangs says nothing, however alive its process looks."""
    async with here.process("run") as service:
        await here.ready()
        order_id = await here.rest()
        quiet = await here.cancelled_after(order_id, GUARD_SECONDS * 2)
        service.send_signal(signal.SIGSTOP)
        fired = await here.cancelled_after(order_id, GUARD_SECONDS + SLACK_SECONDS)
        service.send_signal(signal.SIGCONT)
        again = await here.rest()
        rests = await here.cancelled_after(again, GUARD_SECONDS * 2) is None
        service.terminate()
        await service.wait()
        stopped = await here.cancelled_after(again, GUARD_SECONDS * 3)
    return {
        "rests_while_alive": quiet is None,
        "frozen_fired_after": fired,
        "rests_once_it_goes_on": rests,
        "rests_after_a_planned_stop": stopped is None,
    }


async def _killed(here: Installation) -> dict[str, object]:
    """What a power cut leaves behind."""
    async with here.process("run") as service:
        await here.ready()
        order_id = await here.rest()
        service.kill()
        await service.wait()
        fired = await here.cancelled_after(order_id, GUARD_SECONDS + SLACK_SECONDS)
    return {"killed_fired_after": fired}


async def prove() -> dict[str, object]:
    """Run everything; `ok` when there is nothing to object to."""
    async with trio_asyncio.open_loop(), open_venue(Plan(limits=Limits.none(), speed=1.0)) as running:
        running.venue.open_account(EXCHANGE, KEY, SECRET, {"USDT": Decimal(100_000)})
        with tempfile.TemporaryDirectory(prefix="dead-man-") as folder:
            here = Installation(Path(folder), running)
            (Path(folder) / "data").mkdir(mode=0o700)
            async with here.process("watchdog"):
                found = {**await _frozen(here), **await _killed(here)}
    return {"ok": _is_right(found), "guard_seconds": GUARD_SECONDS, **found}


def _is_right(found: Mapping[str, object]) -> bool:
    fired = [found["frozen_fired_after"], found["killed_fired_after"]]
    in_time = all(isinstance(each, float) and each > GUARD_SECONDS * 0.5 for each in fired)
    return in_time and all(value for name, value in found.items() if name.startswith("rests_"))


def main(argv: list[str]) -> int:
    """0 when the watchdog did its duty and no more."""
    argparse.ArgumentParser(prog="python -m ops.proof.dead_man", description=__doc__).parse_args(argv)
    report = trio.run(prove)
    print(json.dumps(report), flush=True)
    return 0 if report["ok"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
