"""A real process that is killed within moments of its kill switch: what was acknowledged stays in force.

Also with the database gone and with not a byte left on the disk, which are what a kill is least allowed to
depend on.
"""

import time
from pathlib import Path
from random import Random

import httpx
import msgspec
import trio

from ops.proof.crash.disk import SmallDisk
from ops.proof.crash.load import Load
from ops.proof.crash.service import Service

SYMBOLS = ("BTC/USDT", "ETH/USDT")
MOMENTS = 0.2
"""How long after the kill the process may be killed, in seconds."""

BEFORE = 0.25
"""The share of processes that are killed whether the kill is acknowledged by then or not."""

PATIENCE = 60.0


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the kill was answered; without a `kill_id` it was not acknowledged as being on disk, and `why`."""

    kill_id: str = ""
    seconds: float = 0.0
    why: str = "no answer came"


class Killed(msgspec.Struct, frozen=True, kw_only=True):
    """One kill and what was found of it. `promised`: it had the time to be acknowledged."""

    what: str
    promised: bool
    answer: Answer
    in_force: bool


class Site:
    """An installation whose database is kept by the proof, so that only the service dies."""

    def __init__(self, folder: Path, rng: Random, *, data: Path | None = None) -> None:
        self.rng = rng
        self.service = Service(folder, SYMBOLS, data=data)
        self._load = Load(self.service.url, self.service.token, SYMBOLS, rng, [])
        self._client = httpx.Client(
            base_url=self.service.url,
            headers={"Authorization": f"Bearer {self.service.token}"},
            timeout=20.0,
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    def begin(self) -> None:
        """The first start."""
        self.service.start_database()
        self.service.database_url = self.service.dsn
        self.service.start()
        self.service.wait_ready()

    def end(self) -> None:
        """Stop everything."""
        self._client.close()
        self.service.stop()
        self.service.stop_database()

    def crash(self) -> Killed:
        """Trade, pull the switch, and kill the process within moments."""
        patient = self.rng.random() > BEFORE
        answer = trio.run(self._pulled_and_killed, self.rng.uniform(0.0, MOMENTS), patient)
        self.service.start()
        self.service.wait_ready()
        return self._found("before kill -9", answer, promised=patient)

    async def _pulled_and_killed(self, after: float, patient: bool) -> Answer:
        answer = Answer()
        answered = trio.Event()

        async def pull() -> None:
            nonlocal answer
            answer = await self._pull()
            answered.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._load.run)
            await trio.sleep(self.rng.uniform(0.05, 0.4))
            nursery.start_soon(pull)
            if patient:
                await answered.wait()
            await trio.sleep(after)
            await trio.to_thread.run_sync(self.service.kill)
            await trio.sleep(0.05)
            nursery.cancel_scope.cancel()
        return answer

    def without_database(self) -> Killed:
        """The database is stopped, then the switch is pulled."""
        trio.run(self._traded, 0.5)
        self.service.stop_database()
        time.sleep(self.rng.uniform(0.0, 1.0))
        answer = trio.run(self._pull)
        self.service.kill()
        self.service.start_database()
        self.service.start()
        self.service.wait_ready()
        return self._found("without the database", answer)

    def without_space(self, disk: SmallDisk) -> Killed:
        """Not a byte is left on the disk of database and latch, then the switch is pulled."""
        trio.run(self._traded, 0.5)
        disk.fill()
        trio.run(self._traded, self.rng.uniform(0.0, 1.0))
        answer = trio.run(self._pull)
        self.service.kill()
        disk.free()
        self.service.start_database()
        self.service.start()
        self.service.wait_ready()
        return self._found("with a full disk", answer)

    async def _traded(self, seconds: float) -> None:
        with trio.move_on_after(seconds):
            await self._load.run()

    async def _pull(self) -> Answer:
        headers = {"Authorization": f"Bearer {self.service.token}"}
        async with httpx.AsyncClient(base_url=self.service.url, headers=headers, timeout=10.0) as client:
            began = time.monotonic()
            try:
                answer = await client.post("/operator/kill", json={"reason": "proof", "level": "halt"})
            except httpx.HTTPError as error:
                return Answer(why=repr(error))
        seconds = time.monotonic() - began
        if answer.status_code != 200:
            return Answer(seconds=seconds, why=f"{answer.status_code}: {answer.text[:200]}")
        return Answer(kill_id=answer.json()["killId"], seconds=seconds)

    def _found(self, what: str, answer: Answer, *, promised: bool = True) -> Killed:
        """What the next life says of it; then it resumes."""
        halted = self._client.get("/operator/kill").json()
        named = answer.kill_id in {kill["killId"] for kill in halted["kills"]}
        order = {"symbol": "BTC/USDT", "side": "buy", "type": "market", "qty": "0.001"}
        denied = self._client.post("/orders", json=order).json().get("code") == "TRADING_HALTED"
        self._resume()
        in_force = halted["tradingState"] == "halted" and named and denied
        return Killed(what=what, promised=promised, answer=answer, in_force=in_force)

    def _resume(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while self._client.get("/operator/kill").json()["tradingState"] != "active":
            self._client.post("/operator/resume", json={"reason": "proof"})
            if time.monotonic() > deadline:
                raise TimeoutError("trading was not resumed")
            time.sleep(0.05)
