"""Clients that follow the feed, through the same hub that serves the web's: some of them slowly.

A watcher survives its connection: it resumes at the sequence that it saw last, from memory or from the
journal. It writes down every sequence and hash that it was shown.
"""

from random import Random
from typing import TYPE_CHECKING

import trio

from actors.journal.port import StoreUnavailable
from web.feeds.hub import Hub

if TYPE_CHECKING:
    from ops.proof.world import Process, World

PAGE = 200
RING = 64


class Watcher:
    """`seen` is (sequence, hash) in the order shown; `gaps` how often it had fallen out of the ring."""

    def __init__(self, number: int, world: "World") -> None:
        self.number = number
        self.seen: list[tuple[int, bytes]] = []
        self.gaps = 0
        self.slow_until = 0.0
        self._world = world
        self._rng = Random(f"{world.plan.seed}/watcher {number}")
        self._news = trio.Event()

    def wake(self) -> None:
        """There is something new in the hub."""
        self._news.set()

    async def run(self) -> None:
        """Follow whichever process answers; never returns."""
        while True:
            process = self._world.process
            if process is None:
                await trio.sleep(0.2)
                continue
            with trio.CancelScope() as connection:
                process.life.connect(connection)
                try:
                    await self._follow(process)
                except StoreUnavailable:
                    await trio.sleep(0.5)
                finally:
                    process.life.disconnect(connection)

    async def _follow(self, process: "Process") -> None:
        hub = Hub(process.runtime.port, RING)
        unfollow = hub.follow(self)
        try:
            while True:
                await self._read(process, hub)
                self._news = trio.Event()
                if hub.head <= self._last:
                    await self._news.wait()
                pause = self._rng.uniform(2.0, 8.0) if trio.current_time() < self.slow_until else 0.02
                await trio.sleep(pause)
        finally:
            unfollow()
            hub.close()

    @property
    def _last(self) -> int:
        return self.seen[-1][0] if self.seen else 0

    async def _read(self, process: "Process", hub: Hub) -> None:
        items = hub.after(self._last)
        if items is None:
            self.gaps += 1
            while self._last < hub.tail:
                records = await process.runtime.port.events(after=self._last, limit=PAGE)
                if not records or not process.life.alive:
                    return
                self.seen.extend((record.seq, record.hash) for record in records)
            items = hub.after(self._last)
        if process.life.alive and items:
            self.seen.extend((item.record.seq, item.record.hash) for item in items)
