"""One order from its request to its answer, without a task of its own.

It moves by what RiskActor says, by what is committed, and by time. Each of these is a plain call, so fifty
orders of a batch or a thousand in flight on one socket are small objects, and nobody is woken before they are
answered. What is answered with a refusal is withdrawn first, synchronously, so that an intent whose commit
was still on its way can never be sent after its caller was told no.
"""

from collections.abc import Callable
from typing import Protocol

import msgspec

from actors.admission import Expected
from actors.kernel import Agenda
from actors.model import messages as m
from actors.model import results as r
from actors.model.book import denied_order
from actors.model.order import Order, OrderIntent, Submission, Terminal
from actors.model.stages import Stages

DOUBT_SECONDS = 10.0
"""How long an intent of which RiskActor says nothing more may still come into the journal, while that takes
appends: longer than an append waits for its turn and a commit for its answer.
"""

Claim = tuple[str, str]
Reply = m.Admitted | m.Denied | m.Refused
Give = Callable[[r.PlaceResult], None]


class Unanswered(m.Refused, frozen=True, kw_only=True):
    """RiskActor failed while it judged: the intent may yet reach the journal, withdrawn."""


class Halts(Protocol):
    """What the door needs of the halt room."""

    def withdraw(self, order_id: str) -> None: ...


class PortTimings(msgspec.Struct, frozen=True, kw_only=True):
    """`answer_seconds`: how long an intent may take to become durable before its caller is told no."""

    answer_seconds: float = 0.8
    read_seconds: float = 0.8


class Placer(Protocol):
    """What an order under way needs of whoever places it. `now` is the loop's clock, `now_us` the wall's."""

    halts: Halts
    timings: PortTimings
    stages: Stages
    agenda: Agenda
    now: Callable[[], float]
    now_us: Callable[[], int]
    can_append: Callable[[], bool]

    def forget(self, placing: "Placing") -> None:
        """The order is answered, and settled or never began: its ids may be looked up or used again."""
        ...


class Placing(Expected):
    """One order under way. `give` gets its one answer, in the very call that decides it, and must not wait.

    Its ids are free again when it is answered and settled: when it is known that the intent is, or never will
    be, in the journal. That can be later than its answer.
    """

    def __init__(
        self,
        placer: Placer,
        intent: OrderIntent,
        claims: tuple[Claim, ...],
        placement: r.Placement,
        give: Give,
    ) -> None:
        super().__init__(intent.order_id)
        self.intent = intent
        self.claims = claims
        self.correlation_id = placement.correlation_id
        self.group = placement.group
        self._placer = placer
        self._wait_seconds = placement.wait_seconds
        self._give = give
        self._reply: Reply | None = None
        self._began_us = 0
        self._answer_by = 0.0
        self._answered = False
        self._reminded = False

    def begin(self, now: float) -> None:
        """The order goes to RiskActor: from here on time counts."""
        self._began_us = self._placer.now_us()
        self._answer_by = now + self._wait_seconds
        self._remind(now + self._placer.timings.answer_seconds)

    def replied(self, reply: Reply) -> None:
        """RiskActor has judged."""
        self._reply = reply
        if not isinstance(reply, m.Refused):
            self._look()
            return
        if not self._answered:
            self._placer.halts.withdraw(self.order_id)
            self.answer(reply)
        if isinstance(reply, Unanswered):
            Doubt(self, self._placer).begin()
        else:
            self.fail(reply.code, reply.detail)

    def answer(self, result: r.PlaceResult) -> None:
        """Give the answer."""
        self._answered = True
        if self._reminded:
            self._reminded = False
            self._placer.agenda.settled()
        if self._began_us:
            ended_us, kind = self._placer.now_us(), type(result).__name__.lower()
            self._placer.stages.stage(
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
            self._placer.forget(self)

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
        elif self._placer.now() >= self._answer_by:
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
            if self._reply is not None:
                # Whoever is told that it never came in may just be dying.
                Doubt(self, self._placer).begin()
        elif is_answered(order):
            self.answer(outcome(order))
        elif now < self._answer_by:
            self._remind(self._answer_by)
        else:
            self.answer(r.Pending(order=order))

    def _remind(self, at: float) -> None:
        self._reminded = True
        self._placer.agenda.add(at, self)

    def _not_durable(self) -> None:
        if isinstance(self._reply, m.Denied):
            self.answer(self._denied(self._reply))
            return
        self._placer.halts.withdraw(self.order_id)
        code, detail = self.failure or (
            "JOURNAL_UNAVAILABLE",
            "the order could not be made durable in time; it will not be sent",
        )
        self.answer(r.Refused(code=code, detail=detail, retry_after_seconds=1.0))

    def _denied(self, reply: m.Denied) -> r.Denied:
        return denied(self.intent, reply, self.order, self._placer.now_us())


class Doubt:
    """Ends when it is known that an answered order's intent is, or can't any more get, in the journal."""

    def __init__(self, placing: Placing, placer: Placer) -> None:
        self._placing = placing
        self._placer = placer

    def begin(self) -> None:
        """Look again after a while."""
        self._placer.agenda.add(self._placer.now() + DOUBT_SECONDS, self)

    # `actors.kernel.agenda.Due`.

    @property
    def wanted(self) -> bool:
        """Whether nothing is known yet."""
        return not self._placing.settled

    def expire(self, now: float) -> None:
        """It never came."""
        if self._placer.can_append():
            self._placing.fail("JOURNAL_UNAVAILABLE", "the order did not get into the journal")
        else:
            self.begin()


def denied(intent: OrderIntent, reply: m.Denied, recorded: Order | None, now_us: int) -> r.Denied:
    """The answer of an order that a rule denied; not `recorded` when the journal has not got it (yet)."""
    order = recorded or denied_order(intent, reply.code, reply.detail, now_us)
    return r.Denied(
        order=order,
        code=reply.code,
        detail=reply.detail,
        limit=reply.limit,
        value=reply.value,
        headroom=reply.headroom,
    )


_UNTAKEN = (Terminal.DENIED, Terminal.REFUSED, Terminal.NOT_SENT, Terminal.ABSENT)


def is_answered(order: Order) -> bool:
    """Whether the exchange has said what became of the order."""
    return order.terminal is not None or order.submission is Submission.WORKING


def outcome(order: Order) -> r.PlaceResult:
    """What is said of an order that is answered."""
    if order.terminal in _UNTAKEN:
        return r.Denied(order=order, code=order.code or "EXCHANGE_REJECTED", detail=order.reason or "")
    return r.Placed(order=order)
