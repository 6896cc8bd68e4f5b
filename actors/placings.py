"""Orders of many callers on their way to RiskActor: as many as possible with one message."""

from collections.abc import Callable, Collection, Sequence
from functools import partial

import trio

from actors.admission import Admissions
from actors.decisions import UNREACHABLE
from actors.earlier import IN_PROGRESS, Earlier, claims_of, is_key
from actors.kernel import Courtesy, HandlerFailed, System
from actors.model import messages as m
from actors.model import results as r
from actors.model.clock import Clock, Ids
from actors.model.journal import CommittedLog
from actors.model.order import Order
from actors.model.stages import Stages
from actors.placing import Claim, Give, Halts, Placing, PortTimings, Reply, Unanswered, denied
from actors.queries import Archive
from actors.router import UnknownExchange, route

FEW = 8
"""So many orders at once are judged in a time that nobody notices."""

TOGETHER = 32
"""So many orders of different callers go to RiskActor with one message, at most."""


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
        self.can_append = lambda: log.available
        self._risk = system.ref("risk")
        self._admissions = admissions
        self._earlier = Earlier(log, archive, timings.read_seconds)
        self._exchanges = tuple(exchanges)
        self._ids = ids
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
        busy: dict[str, None] = {}
        opened = [
            self._open(placement, partial(answers.give, index), busy)
            for index, placement in enumerate(placements)
            if not placement.dry_run
        ]
        under_way = [each for each in opened if each is not None]
        if any(each.claims for each in under_way):
            under_way = await self._without_earlier(under_way, busy)
        if len(under_way) > FEW:
            # One batch in each turn of the loop: a kill must not find twenty of them before it.
            with trio.CancelScope(shield=True):
                async with self._turn:
                    await self._to_risk(under_way)
        elif under_way:
            await self._gather(under_way)
        await answers.all()

    def _open(self, placement: r.Placement, give: Give, busy: dict[str, None]) -> Placing | None:
        """A placing that has its ids and claims; None when there is an answer already. `busy` gets the group
        of one whose key is claimed.
        """
        try:
            intent = route(placement.intent, self._exchanges, self._ids.order_id())
        except UnknownExchange as error:
            give(r.Refused(code="EXCHANGE_NOT_FOUND", detail=str(error)))
            return None
        claims = claims_of(intent, named=bool(placement.intent.client_order_id))
        taken = [claim for claim in claims if claim in self._claims]
        if taken:
            if placement.group and any(is_key(claim) for claim in taken):
                busy[placement.group] = None
            give(IN_PROGRESS)
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
            return denied(intent, reply, None, self.now_us())
        if isinstance(reply, m.Refused):
            return reply
        now = self.now_us()
        return r.Previewed(order=Order(intent=intent, created_us=now, updated_us=now))

    async def _ask_risk(self, orders: tuple[m.PlaceOrder, ...]) -> Sequence[Reply]:
        try:
            replies = await self._risk.ask(m.PlaceOrders(orders=orders), timeout=self.timings.answer_seconds)
        except UNREACHABLE as error:
            # Only a handler that failed may have handed something over; what was not handled never will be.
            refused = (Unanswered if isinstance(error, HandlerFailed) else m.Refused)(
                code="OVERLOADED",
                detail=f"the risk check did not answer: {type(error).__name__}; nothing will be sent",
                retry_after_seconds=1.0,
            )
            return (refused,) * len(orders)
        if not isinstance(replies, tuple):
            raise TypeError(f"RiskActor answered {type(replies).__name__}")
        return replies

    def forget(self, placing: Placing) -> None:
        """`actors.placing.Placer`: its ids are free."""
        self._admissions.forget(placing)
        for claim in placing.claims:
            self._claims.pop(claim, None)

    async def _without_earlier(self, placings: Sequence[Placing], busy: Collection[str]) -> list[Placing]:
        """Answer those whose request was made before; the others. Cancelled, all of them are forgotten."""
        claimed = [each for each in placings if each.claims]
        try:
            await self._earlier.answer(claimed, busy)
        except BaseException:
            for placing in placings:
                self.forget(placing)
            raise
        for placing in claimed:
            if not placing.wanted:
                self.forget(placing)
        return [each for each in placings if each.wanted]


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
