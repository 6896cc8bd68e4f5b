"""OperatorActor: makes journal and exchanges agree with what the gate says.

The gate is closed by others, at once and without it. What is left is everything that takes time: the latch
until it is written, the journal, the cancels, the closing of positions; each tried again until it is
confirmed. And the way back: a resume is journaled first, then leaves the latch, and only then opens the gate.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar

import msgspec
import structlog
import trio

from actors.halt import duties
from actors.halt.balances import Balances
from actors.halt.errands import Answered, Errands
from actors.halt.gate import Gate
from actors.halt.kill import KillSwitch
from actors.halt.records import STREAM, Records
from actors.halt.resumes import Lifting, Resumes, asked_for
from actors.halt.states import ACTIVE, HALTED
from actors.kernel import Deferred, MailboxSpec, TrioActor
from actors.model import messages as m
from actors.model.book import scope_key
from actors.model.clock import Clock, Ids
from actors.model.events import RuntimeStarted
from actors.model.journal import AppendFailed, CommittedLog, Fenced, JournalState
from actors.model.two_people import Asking, TwoPeople
from actors.writer import Advance, Whole, Writer

RETRY_SECONDS = 1.0
REFUSED_SECONDS = 1.0
"""Until what the journal refused to write is tried again."""

_log = structlog.get_logger(room="halt")
RESUME_SECONDS = 1.5
"""A resume that has not begun to be written by then is refused, so that it can't take effect long after its
answer.
"""

RESUME = "resume"
"""The topic of what a second person has to ask for."""

SUPERVISOR = "supervisor"
"""Who a kill is by that the top of the tree pulled when it gave up: it ends by itself after a clean
reconciliation.
"""


class Look(msgspec.Struct, frozen=True):
    """To itself: see whether something is still to be done."""


class Secured(msgspec.Struct, frozen=True):
    """To itself: the latch file has been tried until it was written."""


class Lifted(msgspec.Struct, frozen=True):
    """To itself: whether the kills of a resume have left the latch and the gate."""

    append_id: str
    lifting: Lifting
    done: bool


class OperatorActor(TrioActor):
    """Handles KillPulled, GateChanged, HaltExchange, BrokerState, SweepProgress, BookBalances, JournalState
    (tells); Resume, AdjustBalance, ReadHalt (asks).

    `epoch` gives the journal's epoch of this process. With `second_person` a resume needs two people.
    """

    rank: ClassVar[int | None] = 50
    mailbox: ClassVar[MailboxSpec] = MailboxSpec(capacity=65_536, policy="refuse")

    def __init__(
        self,
        *,
        clock: Clock,
        log: CommittedLog,
        ids: Ids,
        gate: Gate,
        switch: KillSwitch,
        exchanges: Sequence[str],
        epoch: Callable[[], int],
        version: str,
        second_person: bool = False,
    ) -> None:
        super().__init__()
        self._clock = clock
        self._log = log
        self._ids = ids
        self._gate = gate
        self._switch = switch
        self._exchanges = tuple(exchanges)
        self._epoch = epoch
        self._version = version
        self._people = TwoPeople() if second_person else None
        self._securing = False
        self._resumes = Resumes()
        self._trading: dict[str, bool] = {}

    # Life.

    async def on_start(self) -> None:
        """Read the latch, then the journal; the gate stays sealed until both are known."""
        self._errands = Errands(
            self, gate=self._gate, log=self._log, ids=self._ids, exchanges=self._exchanges
        )
        self._writer = Writer(self, STREAM, self._log)
        self._records = Records(self._writer, self.address)
        self._balances = Balances(self._records, self._log)
        await self._switch.load()
        fenced = await self._writer.open()
        if fenced is not None:
            self._become_whole(fenced)
        self.timers.every("look", RETRY_SECONDS, Look())

    def _become_whole(self, fenced: Fenced) -> None:
        landed, rest = self._records.begin(fenced)
        book = self._log.book
        recorded = tuple(
            append_id
            for append_id in rest
            if self._resumes.is_recorded(append_id, book) or self._balances.is_recorded(append_id, book)
        )
        self._landed((*landed, *recorded))
        for append_id in rest:
            if append_id not in recorded:
                self._lose(append_id, "the journal did not take it")
        for kill in book.kills.values():
            if kill.kill_id not in self._resumes.keys:
                self._gate.engage(kill, in_flight=())
        if self._gate.sealed:
            for each in duties.restrictions_of(book):
                self._gate.restrict(each.exchange, each.symbol, each.state, each.cause)
        if (book.epoch, book.incarnation) != (self._epoch(), self._ids.incarnation):
            incarnation = self._ids.incarnation
            started = RuntimeStarted(epoch=self._epoch(), incarnation=incarnation, version=self._version)
            self._records.append("started", (started,))
        self._gate.finish_start()
        self._do_duties()

    # Messages.

    def on_receive(self, message: object) -> object:
        """One message; only a resume is answered later."""
        handler = _HANDLERS.get(type(message))
        if handler is None:
            raise TypeError(f"OperatorActor does not handle {type(message).__name__}")
        return handler(self, message)

    def _on_look(self, _message: object) -> None:
        self._do_duties()

    def _on_whole(self, message: Whole) -> None:
        self._become_whole(message.fenced)

    def _on_kill(self, _message: m.KillPulled) -> None:
        self._do_duties()

    def _on_halt_exchange(self, message: m.HaltExchange) -> None:
        scope = scope_key(message.exchange, None)
        held = self._gate.restrictions.get(scope)
        # What a resume is just ending is not what the exchange is halted for now: nobody has looked at this.
        if held is None or held.state != HALTED or scope in self._resumes.keys:
            self._gate.restrict(message.exchange, None, HALTED, message.cause)
        self._do_duties()

    def _on_broker(self, broker: m.BrokerState) -> None:
        self._errands.learn(broker)
        self._trading[broker.exchange] = broker.state == "trading"
        self._lift_what_ends_by_itself()
        self._do_duties()

    def _on_journal_state(self, _state: JournalState) -> None:
        self._do_duties()

    # Duties.

    def _do_duties(self) -> None:
        if not self._switch.secured and not self._securing:
            self._securing = True
            self.start_task(self._secure)
        self._journal_differences()
        self._errands.sweep()
        self._errands.cancel()
        self._flatten()

    async def _secure(self) -> None:
        await self._switch.secure()
        while not self._switch.secured:
            await trio.sleep(RETRY_SECONDS)
            await self._switch.secure()
        self.actor_ref.tell(Secured())

    def _on_secured(self, _message: Secured) -> None:
        self._securing = False

    def _journal_differences(self) -> None:
        if not self._writer.can_write:
            return
        self._landed(self._records.landed())
        leave = {**self._records.keys_under_way, **self._resumes.keys}
        book = self._log.book
        kills = duties.unjournaled_kills(self._gate.kills, book, leave)
        if kills:
            self._records.append("kills", kills, tuple(event.kill_id for event in kills))
        states = duties.unjournaled_states(self._gate.restrictions, book, leave)
        if states:
            self._records.append("states", states, tuple(duties.key_of(event) for event in states))

    def _on_advance(self, _message: Advance) -> None:
        self._landed(self._records.landed())
        if any(engaged.kill.level == "flatten" for engaged in self._gate.kills.values()):
            self._flatten()

    def _flatten(self) -> None:
        if self._writer.can_write:
            self._errands.flatten(self._resumes.keys)

    def _on_progress(self, progress: m.SweepProgress) -> None:
        self._errands.progressed(progress)
        if progress.done:
            self._flatten()

    def _on_answered(self, message: Answered) -> None:
        self._errands.answered(message)
        self._flatten()

    def _landed(self, append_ids: tuple[str, ...]) -> None:
        for append_id, lifting in self._resumes.journaled(append_ids):
            self.start_task(self._lift, append_id, lifting)
        self._balances.landed(append_ids)

    def _on_append_failed(self, failed: AppendFailed) -> None:
        self._records.failed(failed.append_id)
        self._lose(failed.append_id, failed.detail)
        if failed.code == "EVENT_REFUSED":
            # What is in force stays so, and is written again: slowly, since it may be refused for ever.
            _log.error("operator_event_refused", append_id=failed.append_id, detail=failed.detail)
            self._writer.fence(pause=REFUSED_SECONDS)
        elif failed.code != "JOURNAL_UNAVAILABLE":
            self._writer.fence()

    def _lose(self, append_id: str, why: str) -> None:
        refused = m.Refused(code="JOURNAL_UNAVAILABLE", detail=why)
        self._resumes.end(append_id, refused)
        self._balances.lost(append_id, refused)

    # Balances.

    def _on_book_balances(self, told: m.BookBalances) -> None:
        if self._writer.can_write:
            self._landed(self._records.landed())
            self._balances.book(told)

    def _on_adjust_balance(self, asked: m.AdjustBalance) -> object:
        if not self._writer.can_write:
            return m.Refused(
                code="JOURNAL_UNAVAILABLE",
                detail="an adjustment has to be journaled; nothing was done",
                retry_after_seconds=1.0,
            )
        self._landed(self._records.landed())
        event = self._balances.event_of(asked, self._clock.now_us())
        if isinstance(event, m.Refused):
            return event
        deferred = self.defer()
        self._balances.correct(asked, event, self._clock.monotonic() + RESUME_SECONDS, deferred)
        return deferred

    # The way back.

    def _on_resume(self, message: m.Resume) -> object:
        if not self._writer.can_write:
            return m.Refused(
                code="JOURNAL_UNAVAILABLE",
                detail="a resume has to be journaled first",
                retry_after_seconds=1.0,
            )
        lifting = asked_for(message, self._gate.kills, self._gate.restrictions)
        if isinstance(lifting, m.Refused):
            return lifting
        if not lifting.keys:
            return m.Resumed(kill_ids=())
        first = None
        if self._people is not None:
            now_us = self._clock.now_us()
            first = self._people.ask(RESUME, lifting.text, message.by, message.reason, now_us)
            if first.by == message.by:
                return _proposed(first)
        deferred = self.defer()
        self._resume(lifting, message, deferred, first)
        return deferred

    def _on_end_restriction(self, message: m.EndRestriction) -> None:
        if not self._writer.can_write:
            return
        scope = scope_key(message.exchange, message.symbol)
        held = self._gate.restrictions.get(scope)
        if held is not None and held.cause == message.brought_by and scope not in self._resumes.keys:
            ends = m.Resume(reason=message.cause, by="risk", correlation_id="")
            self._resume(Lifting((), (held,)), ends, None)

    def _resume(
        self, lifting: Lifting, message: m.Resume, waiting: Deferred | None, first: Asking | None = None
    ) -> None:
        """Journal that this ends. A kill that the journal has not got yet goes in first."""
        kills = self._gate.kills
        events = duties.resume_events(
            {kill_id: kills[kill_id] for kill_id in lifting.kill_ids},
            lifting.restrictions,
            self._log.book,
            self._records.keys_under_way,
            message.reason if first is None else first.reason,
            message.by if first is None else first.by,
            None if first is None else message.by,
        )
        deadline = self._clock.monotonic() + RESUME_SECONDS
        append_id = self._records.append("resume", events, (), message.correlation_id, deadline)
        self._resumes.begin(append_id, lifting, waiting, self._log.book)

    async def _lift(self, append_id: str, lifting: Lifting) -> None:
        done = await self._switch.lift(lifting.kill_ids)
        self.actor_ref.tell(Lifted(append_id, lifting, done))

    def _on_lifted(self, message: Lifted) -> None:
        lifting = message.lifting
        if not message.done:
            detail = f"the resume is journaled, but the latch file can't be changed: {self._switch.problem}"
            self._resumes.end(message.append_id, m.Refused(code="HALTED_NOT_DURABLE", detail=detail))
            self._do_duties()
            return
        now = self._gate.restrictions
        for restriction in lifting.restrictions:
            if now.get(scope_key(restriction.exchange, restriction.symbol)) is restriction:
                self._gate.restrict(restriction.exchange, restriction.symbol, ACTIVE, "")
        self._errands.forget(lifting.kill_ids)
        self._resumes.end(message.append_id, m.Resumed(kill_ids=lifting.kill_ids))
        self._journal_differences()

    def _lift_what_ends_by_itself(self) -> None:
        """A kill of the supervisor's ends once every exchange has reconciled; a person's never does."""
        if not self._writer.can_write:
            return
        if not all(self._trading.get(exchange, False) for exchange in self._exchanges):
            return
        own = tuple(
            kill_id
            for kill_id, engaged in self._gate.kills.items()
            if engaged.kill.automatic
            and engaged.kill.by == SUPERVISOR
            and kill_id in self._switch.inherited
            and kill_id not in self._resumes.keys
        )
        if own:
            clean = m.Resume(
                reason="every exchange has reconciled cleanly", by=SUPERVISOR, correlation_id="", kill_ids=own
            )
            self._resume(Lifting(own, ()), clean, None)

    def _on_read(self, _message: m.ReadHalt) -> m.HaltView:
        gate, switch = self._gate, self._switch
        waiting = self._people.waiting(self._clock.now_us()) if self._people is not None else ()
        return m.HaltView(
            trading_state=gate.state_for(None, None),
            kills=tuple(engaged.kill for engaged in gate.kills.values()),
            restrictions=tuple(
                m.InForce(exchange=each.exchange, symbol=each.symbol, state=each.state, cause=each.cause)
                for each in gate.restrictions.values()
            ),
            sweeps=self._errands.sweeps,
            closing=self._errands.closing,
            durable=switch.secured,
            problem=switch.problem,
            proposed=next((_proposed(each) for each in waiting), None),
        )


def _proposed(asking: Asking) -> m.Proposed:
    return m.Proposed(what=asking.what, by=asking.by, reason=asking.reason, until_us=asking.until_us)


_HANDLERS: dict[type, Callable[..., object]] = {
    m.KillPulled: OperatorActor._on_kill,
    m.GateChanged: OperatorActor._on_look,
    m.HaltExchange: OperatorActor._on_halt_exchange,
    m.BrokerState: OperatorActor._on_broker,
    m.SweepProgress: OperatorActor._on_progress,
    m.EndRestriction: OperatorActor._on_end_restriction,
    m.Resume: OperatorActor._on_resume,
    m.ReadHalt: OperatorActor._on_read,
    m.BookBalances: OperatorActor._on_book_balances,
    m.AdjustBalance: OperatorActor._on_adjust_balance,
    JournalState: OperatorActor._on_journal_state,
    AppendFailed: OperatorActor._on_append_failed,
    Advance: OperatorActor._on_advance,
    Look: OperatorActor._on_look,
    Whole: OperatorActor._on_whole,
    Lifted: OperatorActor._on_lifted,
    Secured: OperatorActor._on_secured,
    Answered: OperatorActor._on_answered,
}
