"""PositionActor: the one writer of everything that happens to the orders and the position of one symbol.

One append is in flight at a time, so the committed book is exactly what the next decision has to be based
on, and all evidence that gathers meanwhile becomes one append. Evidence is acknowledged only after its
events are committed: a life that ends in between leaves it with the broker, and the next one decides again
on a book that says what got through.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar

import trio

from actors.kernel import ActorDead, AskTimeout, MailboxFull, MailboxSpec, TrioActor
from actors.model import messages as say
from actors.model.addresses import broker_address, position_address
from actors.model.book import scope_key
from actors.model.events import CancelRefused
from actors.model.journal import Append, AppendFailed, CommittedLog, Fence, Fenced, Record
from actors.model.opening import opening
from actors.model.order import Order
from actors.position.decide import CancelCommand, decide, unknown_venue_ids
from actors.position.patience import Patience
from actors.queries import Archive

EVIDENCE_AT_ONCE = 200
"""How much evidence one append may hold; the rest stays with the broker for the next."""

COMMANDS_AT_ONCE = 200
BROKER_SECONDS = 5.0
FENCE_SECONDS = 30.0
RETRY_SECONDS = 0.2
HALT_SECONDS = 1.0
"""Until a contradiction is told again that no halt in the journal answers: who should hear may be restarting.
"""


Known = dict[str, tuple[Order, tuple[str, ...]]]


class Advance(say.Message, frozen=True):
    """Told to itself, conflated: records of this stream were committed."""


class Retry(say.Message, frozen=True):
    """A timer: the broker could not be asked; ask again."""


class HaltAgain(say.Message, frozen=True, kw_only=True):
    """A timer: see whether the journal has the exchange halted for what was found."""

    cause: str


class Recalled(say.Message, frozen=True, kw_only=True):
    """Told to itself: the store has answered what orders the evidence is about."""

    evidence: tuple[say.Evidence, ...]
    asked: tuple[str, ...]
    found: Known


class FollowingFailed(Exception):
    """The journal refused what this actor decided: it has to fence, fold and decide again."""


class PositionActor(TrioActor):
    """`archive` answers for orders that have left memory; it raises `archive_away` while its store is
    away.
    """

    rank: ClassVar[int | None] = 30
    mailbox: ClassVar[MailboxSpec] = MailboxSpec(capacity=65_536, policy="refuse")

    def __init__(
        self,
        *,
        exchange: str,
        symbol: str,
        log: CommittedLog,
        archive: Archive,
        archive_away: type[Exception],
    ) -> None:
        super().__init__()
        self._exchange = exchange
        self._symbol = symbol
        self._log = log
        self._archive = archive
        self._archive_away = archive_away
        self._stream = position_address(exchange, symbol)
        self._journal_generation = 0
        self._appends = 0
        self._uncommitted = 0
        self._recalling = False
        self._dirty = False
        self._acknowledged = 0
        self._deciding_on = 0
        self._commands: list[CancelCommand] = []
        self._patience = Patience()

    async def on_start(self) -> None:
        """Fence the former life, then ask the broker for the symbol's evidence again."""
        self._broker = self.system.ref(broker_address(self._exchange))
        self._journal = self.system.ref("journal")
        fenced = await self._journal.ask(Fence(self._stream), timeout=FENCE_SECONDS)
        if not isinstance(fenced, Fenced):
            raise TypeError(f"the journal answered a fence with {type(fenced).__name__}")
        self._journal_generation = fenced.generation
        self.start_task(self._hold, self._log.subscribe(self._wake))
        self._broker.tell(say.ReconcileSymbol(symbol=self._symbol))
        self.actor_ref.tell(say.EvidenceReady(), key="evidence")

    def on_receive(self, message: object) -> object:
        """Evidence and commits drive the work on; commands are answered at once."""
        kind = type(message)
        if kind is say.EvidenceReady or kind is Retry:
            self._dirty = True
            return self._work()
        if kind is Advance:
            return self._work()
        if isinstance(message, say.CancelOrder):
            return self._cancel(message)
        if isinstance(message, say.CancelOpening):
            self._cancel_opening(message)
            return None
        if isinstance(message, HaltAgain):
            if self._log.book.trading_states.get(scope_key(self._exchange, None)) != "halted":
                self._halt(message.cause)
            return None
        if isinstance(message, Recalled):
            self._recalling = False
            return self._recalled(message)
        if isinstance(message, AppendFailed):
            # The fence has settled what a former life had queued; that it failed may be heard only now.
            if message.append_id == self._append_id(self._appends):
                raise FollowingFailed(f"{message.code}: {message.detail}")
            return None
        raise TypeError(f"PositionActor does not handle {kind.__name__}")

    # Evidence.

    def _work(self) -> object:
        """Decide on what there is, unless something is under way; the awaitable to handle, or None."""
        if self._uncommitted or self._recalling:
            return None
        if self._dirty:
            return self._take()
        if self._commands:
            self._decide((), {})
        return None

    async def _take(self) -> None:
        """Ask the broker for evidence and decide on it. Its loop never waits, so this doesn't either."""
        while self._dirty and not self._uncommitted and not self._recalling:
            self._dirty = False
            question = say.TakeEvidence(symbol=self._symbol, acknowledged=self._acknowledged)
            try:
                taken = await self._broker.ask(question, timeout=BROKER_SECONDS)
            except (ActorDead, AskTimeout, MailboxFull):
                self.timers.start("retry", RETRY_SECONDS, Retry())
                break
            if not isinstance(taken, say.EvidenceTaken):
                raise TypeError(f"the broker answered with {type(taken).__name__}")
            evidence = taken.evidence[:EVIDENCE_AT_ONCE]
            self._dirty = len(evidence) < len(taken.evidence)
            unknown = unknown_venue_ids(self._log.book, evidence)
            if unknown:
                self._ask_store(evidence, unknown, {}, ())
            else:
                self._decide(evidence, {})
        if self._commands and not self._uncommitted and not self._recalling:
            self._decide((), {})

    def _decide(self, evidence: tuple[say.Evidence, ...], recalled: Known) -> None:
        commands, self._commands = self._commands[:COMMANDS_AT_ONCE], self._commands[COMMANDS_AT_ONCE:]
        decision = decide(self._log.book, self._exchange, self._symbol, evidence, commands, recalled)
        if evidence:
            self._deciding_on = evidence[-1].number
        for cause in decision.halts:
            self._halt(cause)
        if not decision.events:
            self._acknowledged = max(self._acknowledged, self._deciding_on)
            return
        for event in decision.events:
            if isinstance(event, CancelRefused):
                self._patience.refused(event.order_id, trio.current_time(), self._log.book.orders)
        self._appends += 1
        self._uncommitted = len(decision.events)
        self._journal.tell(
            Append(
                append_id=self._append_id(self._appends),
                stream=self._stream,
                generation=self._journal_generation,
                events=decision.events,
                correlation_id=evidence[-1].venue_id if evidence else commands[-1].order_id,
                reply_to=self._stream,
            )
        )

    def _halt(self, cause: str) -> None:
        """The exchange contradicts the journal: say so until the journal has it halted."""
        halt = say.HaltExchange(exchange=self._exchange, cause=cause)
        self._broker.tell(halt)
        self.system.ref("operator").tell(halt)
        self.timers.start("halt", HALT_SECONDS, HaltAgain(cause=cause))

    def _append_id(self, number: int) -> str:
        return f"{self._stream}#{self._journal_generation}.{number}"

    def _wake(self, records: Sequence[Record]) -> None:
        """Called with every committed batch, so it has to be short."""
        if not self._uncommitted:
            return
        stream = self._stream
        mine = 0
        for record in records:
            if record.stream == stream:
                mine += 1
        if mine:
            self._uncommitted -= mine
            if self._uncommitted <= 0:
                self._uncommitted = 0
                self._acknowledged = self._deciding_on
                if self._dirty or self._commands:
                    self.actor_ref.tell(Advance(), key="advance")

    def _ask_store(
        self,
        evidence: tuple[say.Evidence, ...],
        unknown: tuple[str, ...],
        known: Known,
        asked: tuple[str, ...],
    ) -> None:
        self._recalling = True
        self.start_task(self._recall, evidence, unknown, known, asked)

    async def _recall(
        self,
        evidence: tuple[say.Evidence, ...],
        unknown: tuple[str, ...],
        known: Known,
        asked: tuple[str, ...],
    ) -> None:
        """Ask the store for orders that memory does not hold, until it answers."""
        rows: Sequence[tuple[Order, tuple[str, ...]]] | None = None
        while rows is None:
            try:
                rows = await self._archive.recall(self._exchange, unknown)
            except self._archive_away:
                await trio.sleep(RETRY_SECONDS)
        found = {
            venue_id: (order, trades)
            for order, trades in rows
            for venue_id in (*order.former, order.intent.venue_id)
        }
        answer = Recalled(evidence=evidence, asked=(*asked, *unknown), found={**known, **found})
        self.actor_ref.tell(answer)

    def _recalled(self, message: Recalled) -> object:
        """Decide now, unless one more order has left memory while the store was asked."""
        unknown = unknown_venue_ids(self._log.book, message.evidence)
        fresh = tuple(venue_id for venue_id in unknown if venue_id not in message.asked)
        if fresh:
            self._ask_store(message.evidence, fresh, message.found, message.asked)
            return None
        self._decide(message.evidence, message.found)
        return self._work()

    # Commands.

    def _cancel(self, message: say.CancelOrder) -> say.CancelTaken | say.AlreadyClosed | say.NoSuchOrder:
        order = self._log.book.order(message.order_id)
        if order is None or order.intent.symbol != self._symbol or order.intent.exchange != self._exchange:
            return say.NoSuchOrder(order_id=message.order_id)
        if not order.is_open:
            return say.AlreadyClosed(order=order)
        self._send_cancel(order, message.by, message.correlation_id)
        self._decide_commands()
        return say.CancelTaken(order_id=message.order_id)

    def _cancel_opening(self, message: say.CancelOpening) -> None:
        book = self._log.book
        mine = [
            order
            for order in book.orders.values()
            if order.intent.exchange == self._exchange and order.intent.symbol == self._symbol
        ]
        position = book.position(self._exchange, self._symbol)
        if message.all:
            going = [order for order in mine if not order.is_exit_since(message.exits_since_us)]
        else:
            going = opening(mine, position.quantity)
        for order in going:
            seen = message.seen is None or order.accepted_seq <= message.seen
            due = not message.patient or self._patience.is_over(order.order_id, trio.current_time())
            if seen and due:
                self._send_cancel(order, message.by, message.correlation_id)
        self._decide_commands()

    def _send_cancel(self, order: Order, by: str, correlation_id: str) -> None:
        """To the exchange at once, journal or not; and into the journal when its turn comes."""
        self._broker.tell(say.CancelAtExchange(order=order, correlation_id=correlation_id))
        if not order.cancel_requested:
            self._commands.append(CancelCommand(order_id=order.order_id, by=by))

    def _decide_commands(self) -> None:
        if self._commands and not self._uncommitted and not self._recalling and not self._dirty:
            self._decide((), {})

    async def _hold(self, unsubscribe: Callable[[], None]) -> None:
        """Keep the subscription exactly as long as this life."""
        try:
            await trio.sleep_forever()
        finally:
            unsubscribe()
