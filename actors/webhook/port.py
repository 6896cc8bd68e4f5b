"""What the room needs from outside: where deliveries are kept, and how one is sent.

The store is the truth. A delivery exists from the moment in which the cursor passed its event (one
transaction) until it was taken by its receiver or its endpoint was deleted; so killing the process at any
time loses nothing, and what was sent but not yet written down as sent goes out again under the same id.

An endpoint whose receiver takes nothing is passed over: the place is kept with it from which on the journal
has to be made into its deliveries later. Until then the journal is its queue.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from actors.model.position import Position

WEBHOOK = "webhook"
ACTIVE, PAUSED, DISABLED = "active", "paused", "disabled"
PENDING, DEAD = "pending", "dead"
DELIVERED, RETRY, BURIED = "delivered", "retry", "buried"

INDEXES = 16
"""How many deliveries one journal record may have to one endpoint: `number` is seq * INDEXES + index."""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Who is told. `kind`: a webhook, or a channel for notifications, which has no secret here; the settings
    hold what it needs. `events` empty means all. `state`: active; paused (deliveries are kept and wait);
    disabled (its receiver said that it is gone: nothing is kept). `since_seq`: only later journal records
    concern it. `behind_seq`: it was passed over, and later records have not been made into deliveries yet;
    None when it is up to date.

    Until `previous_until_us` deliveries are signed with both secrets. Its repr shows no secret.
    """

    endpoint_id: str
    url: str
    secret: str
    kind: str = WEBHOOK
    events: tuple[str, ...] = ()
    note: str = ""
    state: str = ACTIVE
    reason: str = ""
    previous_secret: str | None = None
    previous_until_us: int = 0
    since_seq: int = 0
    behind_seq: int | None = None
    created_us: int = 0
    updated_us: int = 0

    def __repr__(self) -> str:
        return f"Endpoint({self.endpoint_id!r}, {self.kind!r}, {self.state!r})"

    def wants(self, event: str, seq: int) -> bool:
        """Whether an event at this place of the journal is for this endpoint."""
        if self.state == DISABLED or seq <= self.since_seq:
            return False
        return not self.events or event in self.events


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One message to one endpoint. Deliveries of one `subject` go out one after the other, by `number`.

    `body` is exactly what is signed and sent. `attempts` counts those that have failed; `due_us` is when the
    next may begin.
    """

    delivery_id: str
    endpoint_id: str
    number: int
    event: str
    subject: str
    body: bytes
    created_us: int
    due_us: int
    attempts: int = 0
    state: str = PENDING
    last_status: int | None = None
    last_error: str = ""
    dead_us: int = 0


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an attempt: `outcome` delivered (it leaves the store), retry at `due_us`, or buried
    (it becomes a dead letter).
    """

    delivery_id: str
    outcome: str
    at_us: int
    due_us: int = 0
    status: int | None = None
    error: str = ""


class Outbox(msgspec.Struct, frozen=True, kw_only=True):
    """How far the journal has been made into deliveries, of all endpoints or of one that is behind, and the
    positions as they were there.
    """

    seq: int = 0
    positions: tuple[Position, ...] = ()


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """What an endpoint's deliveries came to since it was made; times are 0 for never.

    `resting` is its circuit as this process has it: it failed again and again and is tried seldom.
    """

    endpoint_id: str
    pending: int = 0
    dead: int = 0
    delivered: int = 0
    failed_attempts: int = 0
    last_delivered_us: int = 0
    last_failed_us: int = 0
    last_error: str = ""
    resting: bool = False


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery that failed, and when it is tried again."""

    endpoint_id: str
    delivery_id: str
    due_us: int


class RetrySchedule(Protocol):
    """When failed deliveries are tried again, where every process can see it; the store stays the truth.

    Times are kept to the millisecond. Every call raises SharedAway; then it may have been done or not.
    """

    async def change(self, plan: Sequence[Retry], drop: Sequence[Retry]) -> None:
        """Plan some retries, again or anew, and drop others."""
        ...

    async def replace(self, plan: Sequence[Retry]) -> None:
        """Hold exactly these."""
        ...

    async def due(self, now_us: int, limit: int) -> Sequence[Retry]:
        """The soonest that are due, soonest first."""
        ...

    async def count(self) -> int:
        """How many are planned."""
        ...


class WebhookStore(Protocol):
    """Endpoints, the outbox's cursor, deliveries and dead letters.

    Every call raises the implementation's StoreUnavailable while the store is away; a write whose outcome
    nobody knows is reported like that too, and can be repeated without harm.
    """

    async def endpoints(self) -> Sequence[Endpoint]:
        """All, oldest first."""
        ...

    async def statistics(self) -> Sequence[Statistics]:
        """One for each endpoint."""
        ...

    async def add(self, endpoint: Endpoint) -> None: ...

    async def set_state(self, endpoint_id: str, state: str, reason: str, at_us: int) -> bool:
        """False when there is no such endpoint. Disabling makes what it has pending dead letters."""
        ...

    async def set_secret(self, endpoint_id: str, secret: str, previous_until_us: int, at_us: int) -> bool:
        """Take a new secret; the present one becomes the previous one. False when there is none such."""
        ...

    async def set_place(
        self, endpoint_id: str, kind: str, url: str, events: Sequence[str], at_us: int
    ) -> bool:
        """Lead elsewhere, or tell of other events from now on; what is pending stays. False: none such."""
        ...

    async def delete(self, endpoint_id: str) -> bool:
        """Forget an endpoint with all its deliveries."""
        ...

    async def outbox(self) -> Outbox: ...

    async def move(
        self, before: int, after: Outbox, deliveries: Sequence[Delivery], passed_over: Sequence[str] = ()
    ) -> bool:
        """Move the cursor from `before` and keep the deliveries, in one transaction; False, and nothing done,
        when the cursor is elsewhere. Deliveries that are there already, or whose endpoint is gone or behind,
        are left out. Endpoints that are passed over are behind from `before` on, or from where they were
        behind already.
        """
        ...

    async def behind(self, endpoint_id: str) -> Outbox | None:
        """From where on an endpoint is behind; None when it is not."""
        ...

    async def catch_up(
        self, endpoint_id: str, before: int, after: Outbox, deliveries: Sequence[Delivery]
    ) -> bool:
        """Keep deliveries of an endpoint that was behind from `before` on, in one transaction: it is behind
        from `after` on then, or up to date if that is where the cursor is. False, and nothing done, when it
        is not behind from `before` on. `after` must not be beyond the cursor.
        """
        ...

    async def put(self, delivery: Delivery) -> None:
        """Keep a delivery that comes from outside the journal."""
        ...

    async def line_up(self, endpoint_id: str, limit: int) -> Sequence[Delivery]:
        """What is pending for an endpoint, oldest first, whatever its subject and whenever it is due."""
        ...

    async def heads(self, endpoint_id: str, limit: int, without: Sequence[str]) -> Sequence[Delivery]:
        """The first pending delivery of each subject, soonest due first, but for those named."""
        ...

    async def in_line(self, endpoint_id: str, subjects: Sequence[str], limit: int) -> Sequence[Delivery]:
        """What is pending for each of these subjects, the first `limit` of each, in the order in which they
        go out.
        """
        ...

    async def retries(self, limit: int) -> Sequence[Retry]:
        """What has failed and is tried again, soonest first."""
        ...

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Write down what became of attempts, all in one transaction. Repeating it changes nothing more."""
        ...

    async def dead_letters(
        self, endpoint_id: str | None, limit: int, before: tuple[int, str] | None
    ) -> Sequence[Delivery]:
        """Newest first; `before` is (dead_us, delivery_id)."""
        ...

    async def dead_letter(self, delivery_id: str) -> Delivery | None: ...

    async def replay(self, delivery_id: str | None, endpoint_id: str | None, at_us: int) -> int:
        """Make dead letters pending again, with all attempts before them: one, those of an endpoint, or all.

        How many there were.
        """
        ...


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of sending: a status, or None with the error that kept one from coming.

    `retry_after` is the header's text, `body` the beginning of what was said.
    """

    status: int | None
    error: str = ""
    retry_after: str | None = None
    body: bytes = b""


class Line(Protocol):
    """The way to one endpoint."""

    async def send(self, url: str, headers: Sequence[tuple[str, str]], body: bytes) -> Answer:
        """POST once, follow no redirect. Returns whatever goes wrong as data; takes a bounded time."""
        ...

    async def close(self) -> None: ...


class Carrier(Protocol):
    """Opens lines; lines share nothing, so that one which hangs holds up no other."""

    def line(self) -> Line: ...
