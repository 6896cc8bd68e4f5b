"""WebhookActor: keeps an outbox behind the journal and a courier in front of each endpoint.

It is asked by nobody and asks nobody: it reads the committed journal and its own store, and tells the world.
So it may be as slow as its receivers, and trading does not notice.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from typing import ClassVar

import msgspec
import structlog
import trio

from actors.kernel import MailboxSpec, TrioActor
from actors.model.clock import Clock
from actors.model.journal import CommittedLog
from actors.model.messages import BrokerState
from actors.model.shared import Standing
from actors.webhook.events import notice
from actors.webhook.port import (
    INDEXES,
    WEBHOOK,
    Carrier,
    Delivery,
    Endpoint,
    RetrySchedule,
    Settlement,
    WebhookStore,
)
from actors.webhook.rebuild import History
from actors.webhook.roster import Roster
from actors.webhook.schedule import SECOND_US
from actors.webhook.shell.arrears import Arrears
from actors.webhook.shell.channels import Channels, keep_channels
from actors.webhook.shell.courier import CONCURRENCY, Courier
from actors.webhook.shell.herald import Herald
from actors.webhook.shell.outbox import OutboxFollower
from actors.webhook.shell.timetable import Timetable

LOOK_SECONDS = 1.0
REFRESH_SECONDS = 30.0

_log = structlog.get_logger(room="webhook")


class RosterChanged(msgspec.Struct, frozen=True):
    """To itself: endpoints came, went or changed."""


class Look(msgspec.Struct, frozen=True):
    """To itself: a second has passed."""


class WebhookActor(TrioActor):
    """Unranked. `away` is what store and history raise while they can't be reached; `brokers` is what the
    exchanges last said of themselves; `incarnation` names this process in the ids of what the journal does
    not have. `retries` is the schedule that processes share, if they do, and `standing` how that is;
    `channels` are those by which persons are told.
    """

    rank: ClassVar[int | None] = None
    mailbox: ClassVar[MailboxSpec] = MailboxSpec(capacity=64, policy="refuse")

    def __init__(
        self,
        *,
        store: WebhookStore,
        away: type[Exception],
        history: History,
        log: CommittedLog,
        roster: Roster,
        carrier: Carrier,
        clock: Clock,
        rng: Random,
        incarnation: str,
        pauses: Sequence[float],
        concurrency: int = CONCURRENCY,
        brokers: Mapping[str, BrokerState],
        on_attempt: Callable[[Settlement], None] = lambda _settlement: None,
        retries: RetrySchedule | None = None,
        standing: Callable[[], Standing | None] = lambda: None,
        channels: Channels = Channels(),  # noqa: B008 - it is frozen
    ) -> None:
        super().__init__()
        self._store = store
        self._away = away
        self._log = log
        self._roster = roster
        self._carrier = carrier
        self._clock = clock
        self._rng = rng
        self._incarnation = incarnation
        self._pauses = pauses
        self._concurrency = concurrency
        self._brokers = brokers
        self._on_attempt = on_attempt
        self._channels = channels
        self._couriers: dict[str, Courier | Herald] = {}
        self._circuits: dict[str, str] = {}
        self._standing = standing
        self._was_there: bool | None = None
        self._notices: list[tuple[str, bytes]] = []
        self._notice_wake = trio.Event()
        self._noticed = 0
        self._end: Callable[[], None] | None = None
        self._outbox = OutboxFollower(
            store=store,
            away=away,
            history=history,
            log=log,
            roster=roster,
            clock=clock,
            first_pause_us=int(pauses[0] * SECOND_US),
            is_stuck=self._is_stuck,
            on_deliveries=self._wake_some,
        )
        self._arrears = Arrears(
            store=store,
            history=history,
            roster=roster,
            clock=clock,
            first_pause_us=int(pauses[0] * SECOND_US),
        )
        self._timetable = None
        if retries is not None:
            self._timetable = Timetable(
                retries, store=store, away=away, roster=roster, clock=clock, wake=self._wake_courier
            )

    @property
    def cursor(self) -> int:
        """Up to which record everything has become deliveries."""
        return self._outbox.cursor

    async def on_start(self) -> None:
        """Ready at once: the store is waited for in the background."""
        self._end = self._roster.on_change(lambda: self.actor_ref.tell(RosterChanged(), key="roster changed"))
        self.start_task(self._outbox.run, name="outbox")
        self.start_task(self._keep_channels, name="channels")
        self.start_task(self._keep_notices, name="notices")
        self.start_task(self._refresh, name="refresh")
        if self._timetable is not None:
            self.start_task(self._timetable.run, name="timetable")
        self.timers.every("look", LOOK_SECONDS, Look())
        self._take_roster()

    async def on_stop(self) -> None:
        """Follow the roster no more."""
        self._close()

    async def on_failure(self, error: BaseException) -> None:
        """Follow the roster no more."""
        self._close()

    def _close(self) -> None:
        if self._end is not None:
            self._end()

    def on_receive(self, message: object) -> None:
        """Handle what it tells itself."""
        if isinstance(message, RosterChanged):
            self._take_roster()
        elif isinstance(message, Look):
            self._look_at_circuits()
            self._look_at_shared_state()
        else:
            super().on_receive(message)

    def _take_roster(self) -> None:
        """Give each endpoint its courier; the courier of one that is gone ends by itself."""
        endpoints = self._roster.endpoints
        self._couriers = {key: each for key, each in self._couriers.items() if key in endpoints}
        for endpoint_id, endpoint in endpoints.items():
            if endpoint_id not in self._couriers:
                courier = self._sender(endpoint)
                if courier is not None:
                    self._couriers[endpoint_id] = courier
                    self.start_task(courier.run, name=f"courier {endpoint_id}")
        self._wake_couriers()

    def _sender(self, endpoint: Endpoint) -> Courier | Herald | None:
        """Who brings what this endpoint is owed; nobody for a channel that the settings don't have."""
        if endpoint.kind == WEBHOOK:
            return self._courier(endpoint.endpoint_id)
        channel = self._channels.of(endpoint.endpoint_id)
        if channel is None or self._channels.messenger is None:
            return None
        return Herald(
            channel,
            store=self._store,
            away=self._away,
            messenger=self._channels.messenger(channel),
            roster=self._roster,
            clock=self._clock,
            rng=Random(self._rng.getrandbits(64)),
            pauses=self._pauses,
            on_attempt=self._on_attempt,
            on_written=self._written,
        )

    async def _keep_channels(self) -> None:
        await keep_channels(
            self._channels,
            store=self._store,
            away=self._away,
            roster=self._roster,
            clock=self._clock,
            since_seq=self._log.head,
        )

    def _courier(self, endpoint_id: str) -> Courier:
        return Courier(
            endpoint_id,
            store=self._store,
            make_up=self._arrears.make_page,
            away=self._away,
            line=self._carrier.line(),
            roster=self._roster,
            clock=self._clock,
            rng=Random(self._rng.getrandbits(64)),
            pauses=self._pauses,
            concurrency=self._concurrency,
            on_attempt=self._on_attempt,
            on_written=self._written,
        )

    def _written(self, endpoint_id: str, settlements: Sequence[Settlement]) -> None:
        if self._timetable is not None:
            self._timetable.note(endpoint_id, settlements)

    def _is_stuck(self, endpoint_id: str) -> bool:
        courier = self._couriers.get(endpoint_id)
        return courier is not None and courier.is_stuck

    def _wake_some(self, endpoint_ids: Iterable[str]) -> None:
        for endpoint_id in endpoint_ids:
            self._wake_courier(endpoint_id)

    def _wake_courier(self, endpoint_id: str) -> None:
        if endpoint_id in self._couriers:
            self._couriers[endpoint_id].wake()

    def _wake_couriers(self) -> None:
        for courier in self._couriers.values():
            courier.wake()

    async def _refresh(self) -> None:
        """Hear of endpoints that others changed in the store."""
        while True:
            await trio.sleep(REFRESH_SECONDS)
            try:
                self._roster.replace(await self._store.endpoints())
            except self._away as error:
                _log.warning("endpoints_not_refreshed", why=str(error))

    # What the journal does not have.

    def _look_at_circuits(self) -> None:
        for exchange, state in self._brokers.items():
            before = self._circuits.get(exchange)
            self._circuits[exchange] = state.circuit
            if before is not None and before != state.circuit:
                self._notice(
                    "breaker_changed",
                    exchange=exchange,
                    circuit=state.circuit,
                    previousCircuit=before,
                    detail=state.detail,
                )

    def _look_at_shared_state(self) -> None:
        standing = self._standing()
        if standing is None:
            return
        if self._was_there not in (None, standing.there):
            self._notice("redis_changed", available=standing.there, detail=standing.why)
        self._was_there = standing.there

    def _notice(self, event: str, **fields: object) -> None:
        self._notices.append((event, notice(event, self._clock.now_us(), **fields)))
        self._notice_wake.set()

    async def _keep_notices(self) -> None:
        """Put what the journal does not have into the store; it is kept in memory until that works."""
        while True:
            await self._notice_wake.wait()
            self._notice_wake = trio.Event()
            while self._notices:
                event, body = self._notices[0]
                try:
                    await self._put_notice(event, body)
                except self._away as error:
                    _log.warning("notice_waits_for_the_store", notice=event, why=str(error))
                    await trio.sleep(LOOK_SECONDS)
                else:
                    del self._notices[0]
                    self._noticed += 1
                    self._wake_couriers()

    async def _put_notice(self, event: str, body: bytes) -> None:
        now_us, seq = self._clock.now_us(), self._log.head
        for endpoint in tuple(self._roster.endpoints.values()):
            if endpoint.wants(event, seq + 1):
                life = f"{self._incarnation}{self.generation}"
                await self._store.put(
                    Delivery(
                        delivery_id=f"msg_{life}_{self._noticed}_{endpoint.endpoint_id}",
                        endpoint_id=endpoint.endpoint_id,
                        number=seq * INDEXES + INDEXES - 1,
                        event=event,
                        subject="operator",
                        body=body,
                        created_us=now_us,
                        due_us=now_us,
                    )
                )
