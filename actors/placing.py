"""Orders from their request to their answer, without a task of their own.

A request under way moves by what RiskActor says, by what is committed, and by time. Each of these is a plain
call, so fifty orders of a batch or a thousand in flight on one socket are small objects, and nobody is woken
before they are answered. What is answered with a refusal is withdrawn first, synchronously, so that an intent
whose commit was still on its way can never be sent after its caller was told no.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import msgspec
import trio

from actors.admission import Admissions, Expected
from actors.decisions import UNREACHABLE
from actors.journal.port import StoreUnavailable
from actors.kernel import Courtesy, System
from actors.model import messages as m
from actors.model import results as r
from actors.model.book import denied_order
from actors.model.clock import Clock, Ids
from actors.model.journal import CommittedLog
from actors.model.order import Order, OrderIntent, Submission, Terminal
from actors.model.stages import Stages
from actors.queries import Archive
from actors.router import UnknownExchange, route

UNANSWERED = "OVERLOADED"
"""The refusal of an order of which RiskActor said nothing: its intent may yet reach the journal,
withdrawn.
"""

FEW = 8
"""So many orders at once are judged in a time that nobody notices."""

TOGETHER = 32
"""So many orders of different callers go to RiskActor with one message, at most."""

Claim = tuple[str, str]
Reply = m.Admitted | m.Denied | m.Refused
Give = Callable[[r.PlaceResult], None]


class Halts(Protocol):
    """What the door needs of the halt room."""

    def withdraw(self, order_id: str) -> None: ...


class PortTimings(msgspec.Struct, frozen=True, kw_only=True):
    """`answer_seconds`: how long an intent may take to become durable before its caller is told no."""

    answer_seconds: float = 0.8
    read_seconds: float = 0.8


class Placing(Expected):
    """One order under way. `give` gets its one answer, in the very call that decides it, and must not wait.

    Its ids are free again when it is answered and settled: when it is known that the intent is, or never will
    be, in the journal. That can be later than its answer.
    """

    def __init__(
        self,
        placings: "Placings",
        intent: OrderIntent,
        claims: tuple[Claim, ...],
        placement: r.Placement,
        give: Give,
    ) -> None:
        super().__init__(intent.order_id)
        self.intent = intent
        self.claims = claims
        self.correlation_id = placement.correlation_id
        self._placings = placings
        self._wait_seconds = placement.wait_seconds
        self._give = give
        self._reply: Reply | None = None
        self._began_us = 0
        self._answer_by = 0.0
        self._answered = False
        self._reminded = False

    def begin(self, now: float) -> None:
        """The order goes to RiskActor: from here on time counts."""
        self._began_us = self._placings.now_us()
        self._answer_by = now + self._wait_seconds
        self._remind(now + self._placings.timings.answer_seconds)

    def replied(self, reply: Reply) -> None:
        """RiskActor has judged."""
        self._reply = reply
        if not isinstance(reply, m.Refused):
            self._look()
            return
        if not self._answered:
            self._placings.halts.withdraw(self.order_id)
            self.answer(reply)
        if reply.code != UNANSWERED:
            self.fail(reply.code, reply.detail)

    def answer(self, result: r.PlaceResult) -> None:
        """Give the answer."""
        self._answered = True
        if self._reminded:
            self._reminded = False
            self._placings.agenda.settled()
        if self._began_us:
            ended_us, kind = self._placings.now_us(), type(result).__name__.lower()
            self._placings.stages.stage(
                "request", self.correlation_id, self.order_id, self._began_us, ended_us, kind
            )
        self._give(result)
        self._end_if_over()

    # Moved by the committed log.

    def _wake(self) -> None:
        super()._wake()
        self._look()
        self._end_if_over()

    def _end_if_over(self) -> None:
        if self._answered and self.settled:
            self._placings.forget(self)

    def _look(self) -> None:
        """Answer if what is known by now is an answer."""
        order, reply = self.order, self._reply
        if self._answered or reply is None:
            return
        if order is None:
            if self.failure is not None:
                self._not_durable()
        elif isinstance(reply, m.Denied):
            self.answer(self._denied(reply))
        elif is_answered(order):
            self.answer(outcome(order))
        elif self._placings.now() >= self._answer_by:
            self.answer(r.Pending(order=order))

    # Moved by time: `actors.kernel.agenda.Due`.

    @property
    def wanted(self) -> bool:
        """Whether its deadlines still matter."""
        return not self._answered

    def expire(self, now: float) -> None:
        """The intent had to be durable by now, or the answer to be there."""
        self._reminded = False
        order = self.order
        if order is None:
            self._not_durable()
        elif is_answered(order):
            self.answer(outcome(order))
        elif now < self._answer_by:
            self._remind(self._answer_by)
        else:
            self.answer(r.Pending(order=order))

    def _remind(self, at: float) -> None:
        self._reminded = True
        self._placings.agenda.add(at, self)

    def _not_durable(self) -> None:
        if isinstance(self._reply, m.Denied):
            self.answer(self._denied(self._reply))
            return
        self._placings.halts.withdraw(self.order_id)
        code, detail = self.failure or (
            "JOURNAL_UNAVAILABLE",
            "the order could not be made durable in time; it will not be sent",
        )
        self.answer(r.Refused(code=code, detail=detail, retry_after_seconds=1.0))

    def _denied(self, reply: m.Denied) -> r.Denied:
        return self._placings.denied(self.intent, reply, self.order)


class Placings:
    """Makes placings and brings them to RiskActor, many with one message."""

    def __init__(
        self,
        *,
        system: System,
        log: CommittedLog,
        admissions: Admissions,
        archive: Archive,
        halts: Halts,
        exchanges: Sequence[str],
        ids: Ids,
        clock: Clock,
        timings: PortTimings,
        stages: Stages,
    ) -> None:
        self.halts = halts
        self.timings = timings
        self.stages = stages
        self.now_us = clock.now_us
        self.agenda = system.agenda
        self.now = system.now
        self._risk = system.ref("risk")
        self._log = log
        self._admissions = admissions
        self._archive = archive
        self._exchanges = tuple(exchanges)
        self._ids = ids
        self._clock = clock
        self._claims: dict[Claim, str] = {}
        self._turn = trio.Lock()
        self._courtesy = system.courtesy
        self._gathered: list[Placing] = []

    async def place_all(
        self, placements: Sequence[r.Placement], answer: Callable[[int, r.PlaceResult], None]
    ) -> None:
        """Place orders; `answer(index, result)` is called for each when its outcome is known, and must
        neither wait nor raise. Return when all are answered.

        Cancelled, it takes nothing back: what was handed over goes on and is answered all the same.
        """
        answers = _Answers(len(placements), answer, self._courtesy)
        for index, placement in enumerate(placements):
            if placement.dry_run:
                answers.give(index, await self._preview(placement))
        opened = [
            self._open(placement, partial(answers.give, index))
            for index, placement in enumerate(placements)
            if not placement.dry_run
        ]
        under_way = [each for each in opened if each is not None]
        if any(each.claims for each in under_way):
            under_way = await self._without_earlier(under_way)
        if len(under_way) > FEW:
            # One batch in each turn of the loop: a kill must not find twenty of them before it.
            async with self._turn:
                await self._to_risk(under_way)
        elif under_way:
            await self._gather(under_way)
        await answers.all()

    def _open(self, placement: r.Placement, give: Give) -> Placing | None:
        """A placing that has its ids and claims; None when there is an answer already."""
        try:
            intent = route(placement.intent, self._exchanges, self._ids.order_id())
        except UnknownExchange as error:
            give(r.Refused(code="EXCHANGE_NOT_FOUND", detail=str(error)))
            return None
        claims = _claims_of(intent, named=bool(placement.intent.client_order_id))
        if any(claim in self._claims for claim in claims):
            give(r.Conflict(code="IN_PROGRESS", detail="the same request is being answered right now"))
            return None
        for claim in claims:
            self._claims[claim] = intent.order_id
        placing = Placing(self, intent, claims, placement, give)
        self._admissions.watch(placing)
        return placing

    async def _gather(self, placings: Sequence[Placing]) -> None:
        """Let these orders go to RiskActor with those of others that come in the same turn of the loop.

        Who comes first takes all of them along, and is not torn away from it.
        """
        gathered = self._gathered
        first = not gathered
        gathered.extend(placings)
        if len(gathered) >= TOGETHER:
            self._gathered = []
        if not first:
            return
        with trio.CancelScope(shield=True):
            await trio.lowlevel.checkpoint()
            if self._gathered is gathered:
                self._gathered = []
            await self._to_risk(gathered)

    async def _to_risk(self, placings: Sequence[Placing]) -> None:
        now = self.now()
        for placing in placings:
            placing.begin(now)
        orders = tuple(
            m.PlaceOrder(intent=each.intent, correlation_id=each.correlation_id) for each in placings
        )
        for placing, reply in zip(placings, await self._ask_risk(orders), strict=True):
            placing.replied(reply)

    async def _preview(self, placement: r.Placement) -> r.PlaceResult:
        try:
            intent = route(placement.intent, self._exchanges, self._ids.order_id())
        except UnknownExchange as error:
            return r.Refused(code="EXCHANGE_NOT_FOUND", detail=str(error))
        asked = m.PlaceOrder(intent=intent, correlation_id=placement.correlation_id, dry_run=True)
        (reply,) = await self._ask_risk((asked,))
        if isinstance(reply, m.Denied):
            return self.denied(intent, reply, None)
        if isinstance(reply, m.Refused):
            return reply
        now = self._clock.now_us()
        return r.Previewed(order=Order(intent=intent, created_us=now, updated_us=now))

    async def _ask_risk(self, orders: tuple[m.PlaceOrder, ...]) -> Sequence[Reply]:
        try:
            replies = await self._risk.ask(m.PlaceOrders(orders=orders), timeout=self.timings.answer_seconds)
        except UNREACHABLE as error:
            refused = m.Refused(
                code=UNANSWERED,
                detail=f"the risk check did not answer: {type(error).__name__}; nothing will be sent",
                retry_after_seconds=1.0,
            )
            return (refused,) * len(orders)
        if not isinstance(replies, tuple):
            raise TypeError(f"RiskActor answered {type(replies).__name__}")
        return replies

    def denied(self, intent: OrderIntent, reply: m.Denied, recorded: Order | None) -> r.Denied:
        """The answer of an order that a rule denied; not `recorded` when the journal has not got it (yet)."""
        order = recorded or denied_order(intent, reply.code, reply.detail, self._clock.now_us())
        return r.Denied(
            order=order,
            code=reply.code,
            detail=reply.detail,
            limit=reply.limit,
            value=reply.value,
            headroom=reply.headroom,
        )

    def forget(self, placing: Placing) -> None:
        """The order is answered, and settled or never began: its ids may be looked up or used again."""
        self._admissions.forget(placing)
        for claim in placing.claims:
            self._claims.pop(claim, None)

    # What was asked before.

    async def _without_earlier(self, placings: Sequence[Placing]) -> list[Placing]:
        """Answer those whose request was made before; the others. Cancelled, all of them are forgotten."""
        claimed = [each for each in placings if each.claims]
        try:
            if len(claimed) == 1:
                await self._answer_earlier(claimed[0])
            else:
                async with trio.open_nursery() as nursery:
                    for placing in claimed:
                        nursery.start_soon(self._answer_earlier, placing)
        except BaseException:
            for placing in placings:
                self.forget(placing)
            raise
        for placing in claimed:
            if not placing.wanted:
                self.forget(placing)
        return [each for each in placings if each.wanted]

    async def _answer_earlier(self, placing: Placing) -> None:
        found = await self._earlier(placing.intent, placing.claims)
        if found is not None:
            placing.answer(found)

    async def _earlier(self, intent: OrderIntent, claims: Sequence[Claim]) -> r.PlaceResult | None:
        found = None
        try:
            with trio.fail_after(self.timings.read_seconds):
                if intent.idempotency_key is not None:
                    found = await self._archive.order_by_key(intent.token_id, intent.idempotency_key)
                if found is None and any(kind.startswith(_CLIENT) for kind, _ in claims):
                    found = await self._archive.order_by_client_id(intent.exchange, intent.client_order_id)
        except (StoreUnavailable, trio.TooSlowError):
            return r.Refused(
                code="JOURNAL_UNAVAILABLE",
                detail="earlier requests can't be looked up now; nothing was done",
                retry_after_seconds=1.0,
            )
        if found is None:
            return None
        if found.intent.fingerprint != intent.fingerprint:
            return r.Conflict(
                code="IDEMPOTENCY_MISMATCH",
                detail=f"another request made order {found.order_id} under this id",
            )
        return r.Replayed(order=self._log.book.order(found.order_id) or found)


class _Answers:
    """Passes answers on and wakes whoever waits for the last one, after what the journal has to do."""

    def __init__(self, count: int, answer: Callable[[int, r.PlaceResult], None], courtesy: Courtesy) -> None:
        self._missing = count
        self._answer = answer
        self._courtesy = courtesy
        self._complete: trio.Event | None = None

    def give(self, index: int, result: r.PlaceResult) -> None:
        self._answer(index, result)
        self._missing -= 1
        if not self._missing and self._complete is not None:
            self._courtesy.set_later(self._complete)

    async def all(self) -> None:
        """Return when every answer was given."""
        if not self._missing:
            await trio.lowlevel.checkpoint()
        else:
            self._complete = trio.Event()
            await self._complete.wait()


_CLIENT, _KEY = "client/", "key/"


def _claims_of(intent: OrderIntent, *, named: bool) -> tuple[Claim, ...]:
    claims: tuple[Claim, ...] = ((_CLIENT + intent.exchange, intent.client_order_id),) if named else ()
    if intent.idempotency_key is not None:
        claims = (*claims, (_KEY + intent.token_id, intent.idempotency_key))
    return claims


_UNTAKEN = (Terminal.DENIED, Terminal.REFUSED, Terminal.NOT_SENT, Terminal.ABSENT)


def is_answered(order: Order) -> bool:
    """Whether the exchange has said what became of the order."""
    return order.terminal is not None or order.submission is Submission.WORKING


def outcome(order: Order) -> r.PlaceResult:
    """What is said of an order that is answered."""
    if order.terminal in _UNTAKEN:
        return r.Denied(order=order, code=order.code or "EXCHANGE_REJECTED", detail=order.reason or "")
    return r.Placed(order=order)
