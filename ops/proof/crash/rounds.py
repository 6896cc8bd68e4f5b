"""Rounds of load, damage, recovery and comparison; what they came to is kept, so that a longer run can go on.

One installation keeps its own database; another reaches its database through a line that can be cut, with all
its files on a small disk that can be full. The rounds alternate between them.
"""

import os
import time
from pathlib import Path
from random import Random

import msgspec
import psycopg
import trio

from ops.proof.checks.found import Violation
from ops.proof.crash.compare import compare, unsettled
from ops.proof.crash.damage import AT_HOME, KILL_SWITCH, KILL_SWITCH_DISK, LINKED, Site, resume
from ops.proof.crash.disk import SmallDisk
from ops.proof.crash.link import Link
from ops.proof.crash.load import Load, Noted, now_us
from ops.proof.crash.service import NotReady, Service
from persistence.embedded.cluster import USER
from persistence.embedded.server import DATABASE

SYMBOLS = ("BTC/USDT", "ETH/USDT")
SETTLE_SECONDS = 60.0
SAVED = "disk.saved"
"""Where a small disk's content waits for the next run."""


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One crash and what was found after it. `seconds` from the end of the damage until orders are taken."""

    number: int
    where: str
    kind: str
    note: str
    seconds: float
    violations: tuple[str, ...]


class Notes(msgspec.Struct, kw_only=True):
    """What an installation's clients and its operator wrote down. Kills are (acknowledged, resume asked)."""

    requests: list[Noted] = []
    kills: list[tuple[int, int]] = []


class Kept(msgspec.Struct, kw_only=True):
    """All of a run; written after each round."""

    seed: int
    rounds: list[Round] = []
    notes: dict[str, Notes] = {}


class Installation:
    """A site, its clients, and the notes of both."""

    def __init__(self, name: str, site: Site, notes: Notes) -> None:
        self.name = name
        self.site = site
        self.notes = notes
        service = site.service
        self.load = Load(service.url, service.token, SYMBOLS, site.rng, notes.requests)
        self.kinds = (*(LINKED if site.link else AT_HOME), KILL_SWITCH)
        if site.disk is not None:
            self.kinds = (*self.kinds, KILL_SWITCH_DISK)
        else:
            self.kinds = tuple(kind for kind in self.kinds if site.link is None or "disk" not in kind)

    def begin(self) -> None:
        """The first start of this run."""
        self.site.service.start()
        self.site.service.wait_ready()
        resume(self.site)

    def one(self, kind: str) -> tuple[float, list[Violation]]:
        """One crash: how long it took to take orders again, and what was wrong then."""
        self.site.note = ""
        killed_at = trio.run(self._under_load, kind)
        began = time.monotonic()
        service = self.site.service
        if service.wait_dead(0.0):
            service.start()
        service.wait_ready()
        seconds = time.monotonic() - began
        if killed_at is not None:
            trio.run(self._try_in_vain)
            self.notes.kills.append((killed_at, now_us()))
        self._resume()
        return seconds, self._compare()

    async def _under_load(self, kind: str) -> int | None:
        """Trade for a while, then do the damage in the middle of it."""
        killed_at: int | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.load.run)
            await trio.sleep(self.site.rng.uniform(0.5, 3.0))
            if kind in (KILL_SWITCH, KILL_SWITCH_DISK):
                killed_at = await trio.to_thread.run_sync(self._pull_and_kill, kind)
            else:
                damage = (LINKED if self.site.link else AT_HOME)[kind]
                await trio.to_thread.run_sync(damage, self.site)
            await trio.sleep(0.1)
            nursery.cancel_scope.cancel()
        return killed_at

    def _pull_and_kill(self, kind: str) -> int | None:
        site = self.site
        if kind == KILL_SWITCH_DISK and site.disk is not None:
            site.disk.fill()
            time.sleep(site.rng.uniform(0.0, 2.0))
        killed_at = now_us() if site.pull() else None
        if killed_at is None:
            site.note = "the kill was not acknowledged"
        time.sleep(site.rng.uniform(0.0, 0.3))
        site.service.kill()
        if kind == KILL_SWITCH_DISK and site.disk is not None:
            site.disk.free()
            site.service.start_database()
        return killed_at

    async def _try_in_vain(self) -> None:
        """Trade against the halted service for a moment."""
        with trio.move_on_after(1.0):
            await self.load.run()

    def _resume(self) -> None:
        deadline = time.monotonic() + SETTLE_SECONDS
        while not resume(self.site):
            if time.monotonic() > deadline:
                raise NotReady("a resume was not answered")
            if self.site.service.wait_dead(0.5):
                self.site.service.start()

    def _compare(self) -> list[Violation]:
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            try:
                found = compare(self.site.service.dsn, self.notes.requests, self.notes.kills)
            except psycopg.OperationalError:
                found = [Violation("live", "the database can't be asked")]
            if not found or not unsettled(found) or time.monotonic() > deadline:
                return found
            time.sleep(0.5)

    def end(self, *, keep: bool) -> int:
        """Stop everything in order; the exit code of the service. `keep`: another run may go on here."""
        site = self.site
        code = site.service.stop()
        if site.link is not None:
            site.link.stop()
            site.service.stop_database()
        if site.disk is not None:
            site.disk.unmount(site.service.folder / SAVED if keep else None)
        return code


def home(folder: Path, rng: Random, notes: Notes) -> Installation:
    """The installation that keeps its own database."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    return Installation("home", Site(service=Service(folder, SYMBOLS), rng=rng), notes)


def linked(folder: Path, rng: Random, notes: Notes) -> Installation:
    """The installation behind a line; on a small disk where this machine lets us mount one."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    small = SmallDisk(folder / "disk")
    disk = small if os.geteuid() == 0 and small.mount(folder / SAVED) else None
    data = folder / "disk" / "data"
    data.mkdir(parents=True, exist_ok=True)
    service = Service(folder, SYMBOLS, data=data)
    service.start_database()
    link = Link(service.database_socket)
    link.start()
    service.database_url = f"postgresql://{USER}@127.0.0.1:{link.port}/{DATABASE}"
    return Installation("linked", Site(service=service, rng=rng, link=link, disk=disk), notes)
