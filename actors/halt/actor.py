"""OperatorActor: makes journal and exchanges agree with what the gate says.

The gate is closed by others, at once and without it. What is left is everything that takes time: the latch
until it is written, the journal, the cancels, the closing of positions; each tried again until it is
confirmed. And the way back: a resume is journaled first, then leaves the latch, and only then opens the gate.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar

import msgspec
import trio

from actors.halt import duties
from actors.halt.gate import Gate, Restriction
from actors.halt.kill import KillSwitch
from actors.halt.records import Records
from actors.halt.states import ACTIVE, HALTED
from actors.kernel import Deferred, KernelError, MailboxSpec, TrioActor
from actors.model import messages as m
from actors.model.addresses import broker_address, position_address
from actors.model.book import scope_key
from actors.model.clock import Clock, Ids
from actors.model.events import RuntimeStarted
from actors.model.instrument import Instrument
from actors.model.journal import AppendFailed, CommittedLog, Fenced, JournalState

RETRY_SECONDS = 1.0
FLATTEN_SECONDS = 2.0
RESUME_SECONDS = 1.5
"""A resume that has not begun to be written by then is refused, so that it can't take effect long after its
answer.
"""

PATIENCE_US = 3_600_000_000
"""How long the first of two people waits for the second."""

SUPERVISOR = "supervisor"
"""Who a kill is by that the top of the tree pulled when it gave up: it ends by itself after a clean
reconciliation.
"""


class Advance(msgspec.Struct, frozen=True):
    """To itself: the journal has moved."""


class Look(msgspec.Struct, frozen=True):
    """To itself: see whether something is still to be done."""


class Whole(msgspec.Struct, frozen=True):
    """To itself: the fence was answered."""

    fenced: Fenced


class Secured(msgspec.Struct, frozen=True):
    """To itself: the latch file has been tried until it was written."""


class Lifted(msgspec.Struct, frozen=True):
    """To itself: whether the kills of a resume have left the latch and the gate."""

    append_id: str
    done: bool


class Answered(msgspec.Struct, frozen=True):
    """To itself: risk has answered an order that closes a position."""

    place: tuple[str, str]
    detail: str


class Resuming(msgspec.Struct):
    """A resume under way: what it lifts, and who waits for it (nobody when it is one of our own)."""

    kill_ids: tuple[str, ...]
    restrictions: tuple[Restriction, ...]
    waiting: Deferred | None


class OperatorActor(TrioActor):
    """Handles KillPulled, GateChanged, HaltExchange, BrokerState, SweepProgress, JournalState (tells);
    Resume, ReadHalt (asks).

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
        self._second_person = second_person
        self._asked: tuple[str, int] | None = None
        self._securing = False
        self._sweeps: dict[tuple[str, str], m.SweepProgress] = {}
        self._resuming: dict[str, Resuming] = {}
        self._lifting: dict[str, None] = {}
        self._closing: dict[tuple[str, str], None] = {}
        self._instruments: dict[tuple[str, str], Instrument] = {}
        self._trading: dict[str, bool] = {}
        self._unsubscribe: Callable[[], None] | None = None

    # Life.

    async def on_start(self) -> None:
        """Read the latch, then the journal; the gate stays sealed until both are known."""
        self._records = Records(
            journal=self.system.ref("journal"),
            log=self._log,
            address=self.address,
            start_task=self.start_task,
            whole=lambda fenced: self.actor_ref.tell(Whole(fenced), key="whole"),
        )
        self._unsubscribe = self._log.subscribe(self._wake)
        await self._switch.load()
        fenced = await self._records.open()
        if fenced is not None:
            self._become_whole(fenced)
        self.timers.every("look", RETRY_SECONDS, Look())

    async def on_stop(self) -> None:
        """Follow the journal no more. The gate stays as it is."""
        self._end()

    async def on_failure(self, error: BaseException) -> None:
        """Follow the journal no more. The gate stays as it is."""
        self._end()

    def _end(self) -> None:
        if self._unsubscribe is not None:
            self._unsubscribe()

    def _wake(self, _records: object) -> None:
        self.actor_ref.tell(Advance(), key="advance")

    def _become_whole(self, fenced: Fenced) -> None:
        landed, lost = self._records.become_whole(fenced)
        self._landed(landed)
        for append_id in lost:
            self._lose(append_id, "the journal did not take it")
        book = self._log.book
        for kill in book.kills.values():
            if kill.kill_id not in self._lifting:
                self._gate.engage(kill, in_flight=())
        if self._gate.sealed:
            for exchange, symbol, state in duties.restrictions_of(book):
                self._gate.restrict(exchange, symbol, state, "in force before the start")
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
        held = self._gate.restrictions.get(message.exchange)
        if held is None or held.state != HALTED:
            self._gate.restrict(message.exchange, None, HALTED, message.cause)
        self._do_duties()

    def _on_broker(self, broker: m.BrokerState) -> None:
        for instrument in broker.instruments:
            self._instruments[instrument.exchange, instrument.symbol] = instrument
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
        self._sweep()
        self._cancel()
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
        if not self._records.can_write:
            return
        self._landed(self._records.follow())
        leave = {**self._records.keys_under_way, **self._lifting}
        book = self._log.book
        kills = duties.unjournaled_kills(self._gate.kills, book, leave)
        if kills:
            self._records.append("kills", kills, tuple(event.kill_id for event in kills))
        states = duties.unjournaled_states(self._gate.restrictions, book, leave)
        if states:
            self._records.append("states", states, tuple(duties.key_of(event) for event in states))

    def _on_advance(self, _message: Advance) -> None:
        self._landed(self._records.follow())
        if any(engaged.kill.level == "flatten" for engaged in self._gate.kills.values()):
            self._flatten()

    def _landed(self, append_ids: tuple[str, ...]) -> None:
        for append_id in append_ids:
            resuming = self._resuming.get(append_id)
            if resuming is not None:
                self.start_task(self._lift, append_id, resuming.kill_ids)

    def _on_append_failed(self, failed: AppendFailed) -> None:
        self._records.failed(failed.append_id)
        self._lose(failed.append_id, failed.detail)
        if failed.code != "JOURNAL_UNAVAILABLE":
            self._records.fence()

    def _lose(self, append_id: str, why: str) -> None:
        resuming = self._resuming.pop(append_id, None)
        if resuming is not None:
            self._forget_lifting(resuming)
            self._answer(resuming, m.Refused(code="JOURNAL_UNAVAILABLE", detail=why))

    # The exchanges.

    def _sweep(self) -> None:
        for engaged, exchange in duties.sweep_duties(
            self._gate.kills.values(), self._exchanges, self._swept()
        ):
            kill = engaged.kill
            sweep = m.Sweep(sweep_id=kill.kill_id, symbol=kill.symbol, flatten=kill.level == "flatten")
            self.system.ref(broker_address(exchange)).tell(sweep)

    def _swept(self) -> dict[tuple[str, str], None]:
        """The sweeps that their exchange has confirmed: (kill id, exchange)."""
        return {key: None for key, progress in self._sweeps.items() if progress.done}

    def _on_progress(self, progress: m.SweepProgress) -> None:
        self._sweeps[progress.sweep_id, progress.exchange] = progress
        if progress.done:
            self._flatten()

    def _cancel(self) -> None:
        kills, restrictions = tuple(self._gate.kills.values()), tuple(self._gate.restrictions.values())
        for duty in duties.cancel_duties(kills, restrictions, self._log.book, self._swept()):
            message = m.CancelOpening(all=duty.everything, by="operator", correlation_id="")
            self.system.ref(position_address(duty.exchange, duty.symbol)).tell(message)

    def _flatten(self) -> None:
        if not self._records.can_write:
            return
        kills = tuple(self._gate.kills.values())
        for duty in duties.flatten_duties(kills, self._log.book, self._swept(), self._instruments):
            place = (duty.exchange, duty.symbol)
            if place not in self._closing:
                self._closing[place] = None
                self.start_task(self._close, duty)

    async def _close(self, duty: duties.FlattenDuty) -> None:
        """Ask risk for a reduce-only market order. Its outcome is seen in the journal; a refusal is tried
        again.
        """
        place = (duty.exchange, duty.symbol)
        order_id = self._ids.order_id()
        intent = duties.closing_intent(duty, order_id)
        try:
            reply = await self.system.ref("risk").ask(
                m.PlaceOrder(intent=intent, correlation_id=order_id), timeout=FLATTEN_SECONDS
            )
        except KernelError as error:
            reply = m.Refused(code="OVERLOADED", detail=type(error).__name__)
        detail = "" if isinstance(reply, m.Admitted) else f"{reply.code}: {reply.detail}"
        await trio.sleep(FLATTEN_SECONDS)
        self.actor_ref.tell(Answered(place, detail))

    def _on_answered(self, message: Answered) -> None:
        self._closing.pop(message.place, None)
        self._flatten()

    # The way back.

    def _on_resume(self, message: m.Resume) -> object:
        if not self._records.can_write:
            return m.Refused(
                code="JOURNAL_UNAVAILABLE",
                detail="a resume has to be journaled first",
                retry_after_seconds=1.0,
            )
        kills = self._gate.kills
        wanted = message.kill_ids or tuple(kills)
        unknown = [kill_id for kill_id in wanted if kill_id not in kills]
        if unknown:
            return m.Refused(code="VALIDATION", detail=f"no such kill is in force: {', '.join(unknown)}")
        restrictions = () if message.kill_ids else tuple(self._gate.restrictions.values())
        if not wanted and not restrictions:
            return m.Resumed(kill_ids=())
        if self._second_person and not self._is_second(message.by):
            detail = "another person has to resume too within an hour"
            return m.Refused(code="SECOND_PERSON", detail=detail)
        deferred = self.defer()
        self._resume(wanted, restrictions, message, deferred)
        return deferred

    def _is_second(self, by: str) -> bool:
        """Whether somebody else has asked for a resume lately; otherwise this is the first to ask."""
        now_us, first = self._clock.now_us(), self._asked
        if first is not None and first[0] != by and now_us - first[1] <= PATIENCE_US:
            self._asked = None
            return True
        self._asked = (by, now_us)
        return False

    def _on_end_restriction(self, message: m.EndRestriction) -> None:
        if not self._records.can_write:
            return
        held = self._gate.restrictions.get(scope_key(message.exchange, message.symbol))
        if held is not None and held.state != HALTED:
            ends = m.Resume(reason=message.cause, by="risk", correlation_id="")
            self._resume((), (held,), ends, None)

    def _resume(
        self,
        kill_ids: tuple[str, ...],
        restrictions: tuple[Restriction, ...],
        message: m.Resume,
        waiting: Deferred | None,
    ) -> None:
        """Journal that these kills and restrictions end. A kill that the journal has not got yet goes in
        first.
        """
        kills = self._gate.kills
        ending = {kill_id: kills[kill_id] for kill_id in kill_ids}
        events = duties.resume_events(
            ending, restrictions, self._log.book, self._records.keys_under_way, message.reason, message.by
        )
        deadline = self._clock.monotonic() + RESUME_SECONDS
        append_id = self._records.append("resume", events, (), message.correlation_id, deadline)
        resuming = self._resuming[append_id] = Resuming(kill_ids, restrictions, waiting)
        self._lifting.update(dict.fromkeys(_keys(resuming)))

    async def _lift(self, append_id: str, kill_ids: tuple[str, ...]) -> None:
        done = await self._switch.lift(kill_ids)
        self.actor_ref.tell(Lifted(append_id, done))

    def _on_lifted(self, message: Lifted) -> None:
        resuming = self._resuming.pop(message.append_id)
        self._forget_lifting(resuming)
        if not message.done:
            detail = f"the resume is journaled, but the latch file can't be changed: {self._switch.problem}"
            self._answer(resuming, m.Refused(code="HALTED_NOT_DURABLE", detail=detail))
            self._do_duties()
            return
        now = self._gate.restrictions
        for restriction in resuming.restrictions:
            if now.get(scope_key(restriction.exchange, restriction.symbol)) is restriction:
                self._gate.restrict(restriction.exchange, restriction.symbol, ACTIVE, "")
        for key in [key for key in self._sweeps if key[0] in resuming.kill_ids]:
            del self._sweeps[key]
        self._answer(resuming, m.Resumed(kill_ids=resuming.kill_ids))

    def _forget_lifting(self, resuming: Resuming) -> None:
        for key in _keys(resuming):
            self._lifting.pop(key, None)

    def _answer(self, resuming: Resuming, reply: m.Resumed | m.Refused) -> None:
        if resuming.waiting is not None:
            resuming.waiting.reply(reply)

    def _lift_what_ends_by_itself(self) -> None:
        """A kill of the supervisor's ends once every exchange has reconciled; a person's never does."""
        if not self._records.can_write:
            return
        if not all(self._trading.get(exchange, False) for exchange in self._exchanges):
            return
        own = tuple(
            kill_id
            for kill_id, engaged in self._gate.kills.items()
            if engaged.kill.automatic
            and engaged.kill.by == SUPERVISOR
            and kill_id in self._switch.inherited
            and kill_id not in self._lifting
        )
        if own:
            clean = m.Resume(
                reason="every exchange has reconciled cleanly", by=SUPERVISOR, correlation_id="", kill_ids=own
            )
            self._resume(own, (), clean, None)

    def _on_read(self, _message: m.ReadHalt) -> m.HaltView:
        return m.HaltView(
            trading_state=self._gate.state_for(None, None),
            kill_ids=tuple(self._gate.kills),
            sweeps=tuple(self._sweeps.values()),
        )


def _keys(resuming: Resuming) -> tuple[str, ...]:
    """Under which keys what a resume ends is left alone while it is under way."""
    return (*resuming.kill_ids, *(scope_key(r.exchange, r.symbol) for r in resuming.restrictions))


_HANDLERS: dict[type, Callable[..., object]] = {
    m.KillPulled: OperatorActor._on_kill,
    m.GateChanged: OperatorActor._on_look,
    m.HaltExchange: OperatorActor._on_halt_exchange,
    m.BrokerState: OperatorActor._on_broker,
    m.SweepProgress: OperatorActor._on_progress,
    m.EndRestriction: OperatorActor._on_end_restriction,
    m.Resume: OperatorActor._on_resume,
    m.ReadHalt: OperatorActor._on_read,
    JournalState: OperatorActor._on_journal_state,
    AppendFailed: OperatorActor._on_append_failed,
    Advance: OperatorActor._on_advance,
    Look: OperatorActor._on_look,
    Whole: OperatorActor._on_whole,
    Lifted: OperatorActor._on_lifted,
    Secured: OperatorActor._on_secured,
    Answered: OperatorActor._on_answered,
}
