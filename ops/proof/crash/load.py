"""Clients over HTTP that trade as fast as they get answers, and write down what was acknowledged.

A request without an answer, or with one that says "not now", is tried again under the same key, also after
the crash: that is what clients do, and it must never make a second order.
"""

import random
import time
from decimal import Decimal

import httpx
import msgspec
import trio

WORKERS = 4
TAKEN = (200, 201, 202)


class Noted(msgspec.Struct, kw_only=True):
    """One request and all answers to it. Times in microseconds of the wall clock."""

    key: str
    body: dict[str, str]
    order_id: str = ""
    answers: list[tuple[int, int]] = []
    taken: bool = False
    unanswered: int = 0

    @property
    def only_refused(self) -> bool:
        """Whether every try was told that nothing was taken."""
        return not self.unanswered and bool(self.answers) and all(status == 503 for status, _ in self.answers)


class Load:
    """All clients together; `stop` ends a round."""

    def __init__(
        self, url: str, token: str, symbols: tuple[str, ...], rng: random.Random, notes: list[Noted]
    ) -> None:
        self.notes = notes
        self._url = url
        self._token = token
        self._symbols = symbols
        self._rng = rng
        self._again: list[Noted] = []
        self._mids: dict[str, Decimal] = {}

    async def run(self) -> None:
        """Trade until cancelled."""
        headers = {"authorization": f"Bearer {self._token}"}
        async with (
            httpx.AsyncClient(base_url=self._url, headers=headers, timeout=10.0) as client,
            trio.open_nursery() as nursery,
        ):
            for _ in range(WORKERS):
                nursery.start_soon(self._work, client)

    async def _work(self, client: httpx.AsyncClient) -> None:
        while True:
            if self._again and self._rng.random() < 0.5:
                note = self._again.pop(0)
            else:
                note = self._make()
                self.notes.append(note)
            await self._place(client, note)
            if note.taken and self._rng.random() < 0.2:
                await self._cancel(client, note)
            await trio.sleep(self._rng.uniform(0.0, 0.02))

    def _make(self) -> Noted:
        rng = self._rng
        symbol = rng.choice(self._symbols)
        start = Decimal(40_000) if symbol.startswith("BTC") else Decimal(2_500)
        price = (start * Decimal(str(round(1 + (rng.random() - 0.5) * 0.01, 5)))).quantize(Decimal("0.01"))
        body = {
            "symbol": symbol,
            "side": rng.choice(("buy", "sell")),
            "type": rng.choice(("limit", "limit", "market")),
            "qty": str((Decimal(rng.randint(10, 100)) / start).quantize(Decimal("0.000001"))),
            "clientOrderId": f"k{len(self.notes)}",
        }
        if body["type"] == "limit":
            body["limitPrice"] = str(price)
        return Noted(key=f"key-{len(self.notes)}", body=body, answers=[])

    async def _place(self, client: httpx.AsyncClient, note: Noted) -> None:
        note.unanswered += 1
        try:
            answer = await client.post("/orders", json=note.body, headers={"idempotency-key": note.key})
        except httpx.HTTPError:
            self._again.append(note)
            await trio.sleep(0.05)
            return
        note.unanswered -= 1
        note.answers.append((answer.status_code, now_us()))
        if answer.status_code in TAKEN:
            note.taken = True
            note.order_id = answer.json()["orderId"]
        elif answer.status_code in (409, 429, 503) and len(note.answers) < 3:
            self._again.append(note)

    async def _cancel(self, client: httpx.AsyncClient, note: Noted) -> None:
        try:
            await client.delete(f"/orders/{note.order_id}")
        except httpx.HTTPError:
            return


def now_us() -> int:
    """The wall clock."""
    return time.time_ns() // 1000
