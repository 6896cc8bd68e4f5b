"""A journal, a shaky store and scripted receivers, all on simulated time; the sender can be killed."""

import json
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from random import Random

import trio

from actors.journal.chain import GENESIS
from actors.journal.tail import CommittedTail
from actors.kernel import System
from actors.model import events as ev
from actors.model.book import Change
from actors.model.fill import Fill
from actors.model.journal import Record
from actors.model.messages import BrokerState
from actors.model.shared import Standing
from actors.webhook.actor import WebhookActor
from actors.webhook.desk import WebhookDesk
from actors.webhook.events import told
from actors.webhook.port import Answer, Endpoint, RetrySchedule
from actors.webhook.roster import Roster
from actors.webhook.shell.channels import Channels
from actors.webhook.ssrf import Allowed
from persistence.memory.webhooks import MemoryWebhookStore, WebhookDisk
from tests.fixtures.journal import PLACE, accepted, denied, order_id
from tests.fixtures.runtime import CountingIds, SimulatedClock

PAUSES = (0.0, 0.1, 0.2, 0.4, 0.8)


class Away(Exception):
    """The store can't be reached."""


class Journal:
    """The committed journal: outlives every process; `changes` is what each record changed."""

    def __init__(self, clock: SimulatedClock) -> None:
        self.clock = clock
        self.records: list[Record] = []
        self.changes: list[Change] = []
        self._whole = CommittedTail()
        self._whole.watch(lambda _records, changes: self.changes.extend(changes))
        self.tails: list[CommittedTail] = []

    def tail(self) -> CommittedTail:
        """The log of a new process, folded."""
        made = CommittedTail(capacity=64)
        made.fold(self.records)
        self.tails = [made]
        return made

    def commit(self, *events: ev.AnyEvent) -> None:
        batch = []
        for event in events:
            seq = len(self.records) + 1
            record = Record(
                seq=seq,
                stream="test",
                type=ev.type_name(event),
                version=1,
                at_us=self.clock.now_us(),
                payload=ev.encode(event),
                correlation_id="c",
                causation_id="",
                previous_hash=GENESIS,
                hash=GENESIS,
                event=event,
            )
            self.records.append(record)
            batch.append(record)
        self._whole.publish(batch)
        for tail in self.tails:
            tail.publish(batch)

    async def events(self, after: int, limit: int, order_id: str | None = None) -> Sequence[Record]:
        await trio.sleep(0.001)
        found = [
            record
            for record in self.records[after:]
            if order_id is None or ev.order_id_of(record.event) == order_id
        ]
        return found[:limit]

    def trade(self, number: int, rng: Random) -> None:
        """The next thing that happens to an order; a new one if it does not exist."""
        place = {**PLACE, "order_id": order_id(number)}
        order = self._whole.book.order(order_id(number))
        if order is None:
            self.commit(denied(number) if rng.random() < 0.1 else accepted(number))
        elif not order.is_open:
            return
        elif order.exchange_order_id is None:
            self.commit(ev.OrderAcknowledged(**place, exchange_order_id=f"x{number}"))
        elif rng.random() < 0.3:
            self.commit(ev.OrderCanceled(**place, reason="asked"))
        else:
            quantity = min(order.remaining, Decimal(rng.choice(("0.1", "0.25", "0.5"))))
            trade = Fill(
                **PLACE,
                market_type="spot",
                exchange_order_id=f"x{number}",
                trade_id=f"t{len(self.records)}",
                order_id=order_id(number),
                side="buy" if number % 2 else "sell",
                quantity=quantity,
                price=Decimal(100 + number % 7),
                fee=Decimal("0.01"),
                fee_currency="USDT",
                at_us=self.clock.now_us(),
            )
            self.commit(ev.OrderFilled(**place, fill=trade))

    def expected(self, endpoint: Endpoint) -> dict[str, bytes]:
        """Id and body of everything that an endpoint is owed, worked out apart from the outbox."""
        return {
            f"msg_{record.seq}_{index}_{endpoint.endpoint_id}": message.body
            for record, change in zip(self.records, self.changes, strict=True)
            for index, message in enumerate(told(record, change))
            if endpoint.wants(message.event, record.seq)
        }


class ShakyStore:
    """A store that takes its time and is away now and then, before or after it has done what was asked."""

    def __init__(self, disk: WebhookDisk, rng: Random, away: float = 0.0) -> None:
        self._store = MemoryWebhookStore(disk)
        self._rng = rng
        self.away = away
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str):
        work = getattr(self._store, name)

        async def call(*arguments: object):
            self.calls[name] += 1
            await trio.sleep(self._rng.random() * 0.004)
            if self._rng.random() < self.away:
                raise Away("before")
            result = await work(*arguments)
            await trio.sleep(self._rng.random() * 0.004)
            if self._rng.random() < self.away:
                raise Away("after")
            return result

        return call


class Receivers:
    """Answers by host; `taken` and `seen` are (host, id, body) in the order of arrival."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.failing: dict[str, float] = {}
        self.hanging: dict[str, None] = {}
        self.answers: dict[str, Answer] = {}
        self.raising: dict[str, Exception] = {}
        self.seen: list[tuple[str, str, bytes]] = []
        self.taken: list[tuple[str, str, bytes]] = []
        self.times: list[float] = []

    def line(self) -> "Receivers":
        return self

    async def close(self) -> None:
        """Nothing is open."""

    async def send(self, url: str, headers: Sequence[tuple[str, str]], body: bytes) -> Answer:
        host = url.split("/")[2]
        message = (host, dict(headers)["webhook-id"], body)
        self.seen.append(message)
        self.times.append(trio.current_time())
        if host in self.hanging:
            await trio.sleep(15)
            return Answer(status=None, error="no answer within 15 s")
        await trio.sleep(self.rng.random() * 0.01)
        if host in self.raising:
            raise self.raising[host]
        if host in self.answers:
            return self.answers[host]
        if self.rng.random() < self.failing.get(host, 0.0):
            return Answer(status=500)
        self.taken.append(message)
        await trio.sleep(self.rng.random() * 0.01)
        return Answer(status=204)

    def bodies(self, host: str) -> list[dict]:
        return [json.loads(body) for where, _, body in self.taken if where == host]


class World:
    """What outlives a process, and one process at a time."""

    def __init__(self, seed: int = 1, *, away: float = 0.0) -> None:
        self.rng = Random(seed)
        self.clock = SimulatedClock()
        self.journal = Journal(self.clock)
        self.disk = WebhookDisk()
        self.receivers = Receivers(self.rng)
        self.brokers: dict[str, BrokerState] = {}
        self.store = ShakyStore(self.disk, self.rng, away)
        self.lives = 0
        self.pauses = PAUSES
        self.concurrency = 8
        self.retries: RetrySchedule | None = None
        self.standing: Standing | None = None
        self.channels = Channels()

    async def start(self, system: System) -> WebhookDesk:
        """A new process: everything in memory is new."""
        self.lives += 1
        log, roster = self.journal.tail(), Roster()
        actor = WebhookActor(
            store=self.store,
            away=Away,
            history=self.journal,
            log=log,
            roster=roster,
            carrier=self.receivers,
            clock=self.clock,
            rng=Random(self.rng.getrandbits(64)),
            incarnation=f"run{self.lives}x",
            pauses=self.pauses,
            concurrency=self.concurrency,
            brokers=self.brokers,
            retries=self.retries,
            standing=lambda: self.standing,
            channels=self.channels,
        )
        await system.start(actor, f"webhook{self.lives}")
        self.cell = actor.cell
        return WebhookDesk(
            store=MemoryWebhookStore(self.disk),
            roster=roster,
            log=log,
            clock=self.clock,
            ids=CountingIds(self.lives),
            entropy=self.rng.randbytes,
            allowed=Allowed(),
        )

    async def kill(self, system: System) -> None:
        """Nothing of the process runs afterwards."""
        await system.kill(self.cell)
        self.journal.tails = []

    async def until_quiet(self, seconds: float = 600.0) -> None:
        """Wait until nothing is pending, twice in a row."""
        quiet = 0
        with trio.fail_after(seconds):
            while quiet < 2:
                await trio.sleep(3.0)
                pending = self.disk.behind or any(
                    each.state == "pending" for each in self.disk.deliveries.values()
                )
                quiet = 0 if pending else quiet + 1
