"""What the operator's actor has others do: brokers sweep, position actors cancel, risk takes closing orders.

Each errand is run again until its duty is gone, so nothing here waits for an answer but the closing of a
position, and that beside the actor's loop.
"""

from collections.abc import Collection

import msgspec
import trio

from actors.halt import duties
from actors.halt.gate import Gate
from actors.halt.states import covers
from actors.kernel import KernelError, TrioActor
from actors.model import messages as m
from actors.model.addresses import broker_address, position_address
from actors.model.clock import Ids
from actors.model.closing import UNTOLD, apart_at, closable
from actors.model.instrument import Instrument
from actors.model.journal import CommittedLog

FLATTEN_SECONDS = 2.0


class Answered(msgspec.Struct, frozen=True):
    """Told to the operator's actor: risk has answered an order that closes a position."""

    place: tuple[str, str]
    detail: str


class Errands:
    """Belongs to one life of the operator's actor, which `exchanges` it has to see to."""

    def __init__(
        self, actor: TrioActor, *, gate: Gate, log: CommittedLog, ids: Ids, exchanges: tuple[str, ...]
    ) -> None:
        self._actor = actor
        self._gate = gate
        self._log = log
        self._ids = ids
        self._exchanges = exchanges
        self._sweeps: dict[tuple[str, str], m.SweepProgress] = {}
        self._closing: dict[tuple[str, str], None] = {}
        self._refused: dict[tuple[str, str], str] = {}
        self._instruments: dict[tuple[str, str], Instrument] = {}
        self._apart = UNTOLD

    @property
    def sweeps(self) -> tuple[m.SweepProgress, ...]:
        """How far each sweep is at each exchange."""
        return tuple(self._sweeps.values())

    @property
    def closing(self) -> tuple[m.Closing, ...]:
        """The positions that are being closed, and what stood in the way of the last try."""
        places = dict.fromkeys((*self._closing, *self._refused))
        return tuple(
            m.Closing(exchange=place[0], symbol=place[1], detail=self._refused.get(place, ""))
            for place in places
            if self._is_open(place)
        )

    def _is_open(self, place: tuple[str, str]) -> bool:
        book, instrument = self._log.book, self._instruments.get(place)
        position = book.position(*place)
        if instrument is None:
            return bool(position.quantity)
        return bool(closable(position, instrument, book, self._apart))

    def learn(self, broker: m.BrokerState) -> None:
        """What can be traded where, and what the account there holds."""
        self._apart = {**self._apart, **apart_at((broker,))}
        for instrument in broker.instruments:
            self._instruments[instrument.exchange, instrument.symbol] = instrument

    def progressed(self, progress: m.SweepProgress) -> None:
        """An exchange says how far a sweep is."""
        self._sweeps[progress.sweep_id, progress.exchange] = progress

    def forget(self, kill_ids: tuple[str, ...]) -> None:
        """These kills are lifted."""
        for key in [key for key in self._sweeps if key[0] in kill_ids]:
            del self._sweeps[key]
        self._refused.clear()

    def _swept(self) -> dict[tuple[str, str], None]:
        """The sweeps that their exchange has confirmed: (kill id, exchange)."""
        return {key: None for key, progress in self._sweeps.items() if progress.done}

    def sweep(self) -> None:
        """Have exchanges take away what a kill says must go."""
        for engaged, exchange in duties.sweep_duties(
            self._gate.kills.values(), self._exchanges, self._swept()
        ):
            kill = engaged.kill
            sweep = m.Sweep(
                sweep_id=kill.kill_id, symbol=kill.symbol, exits_since_us=duties.exits_since(kill)
            )
            self._actor.system.ref(broker_address(exchange)).tell(sweep)

    def cancel(self) -> None:
        """Have orders cancelled that must not stay."""
        kills, restrictions = tuple(self._gate.kills.values()), tuple(self._gate.restrictions.values())
        book = self._log.book
        for duty in duties.cancel_duties(kills, restrictions, book, self._swept()):
            message = m.CancelOpening(
                all=duty.everything,
                seen=book.seq,
                patient=True,
                exits_since_us=duty.exits_since_us,
                by="operator",
                correlation_id="",
            )
            self._actor.system.ref(position_address(duty.exchange, duty.symbol)).tell(message)

    def flatten(self, being_lifted: Collection[str]) -> None:
        """Close positions that must not stay, but for kills that a resume is just ending; the journal has to
        be there.
        """
        kills = tuple(each for kill_id, each in self._gate.kills.items() if kill_id not in being_lifted)
        book, swept = self._log.book, self._swept()
        for duty in duties.flatten_duties(kills, book, swept, self._instruments, self._apart):
            place = (duty.exchange, duty.symbol)
            if place not in self._closing:
                self._closing[place] = None
                self._actor.start_task(self._close, duty)

    async def _close(self, duty: duties.FlattenDuty) -> None:
        """Have a reduce-only market order placed. What became of it is seen in the journal, and a position
        that is still there is tried again; once it was refused, only when it would pass: a refusal is
        journaled, and nobody needs one every two seconds.
        """
        place = (duty.exchange, duty.symbol)
        detail = await self._ask_risk(duty, dry_run=True) if self._refused.get(place) else ""
        if not detail:
            detail = await self._ask_risk(duty)
        await trio.sleep(FLATTEN_SECONDS)
        self._actor.actor_ref.tell(Answered(place, detail))

    async def _ask_risk(self, duty: duties.FlattenDuty, *, dry_run: bool = False) -> str:
        """Why risk does not take the order that closes the position; empty when it does."""
        order_id = self._ids.order_id()
        intent = duties.closing_intent(duty, order_id)
        place = m.PlaceOrder(intent=intent, correlation_id=order_id, closing=True, dry_run=dry_run)
        try:
            reply = await self._actor.system.ref("risk").ask(place, timeout=FLATTEN_SECONDS)
        except KernelError as error:
            reply = m.Refused(code="OVERLOADED", detail=type(error).__name__)
        return "" if isinstance(reply, m.Admitted) else f"{reply.code}: {reply.detail}"

    def answered(self, message: Answered) -> None:
        """The position may be tried again, unless its kill was lifted meanwhile."""
        self._closing.pop(message.place, None)
        kills = [each.kill for each in self._gate.kills.values() if each.kill.level == "flatten"]
        if any(covers((kill.exchange, kill.symbol), *message.place) for kill in kills):
            self._refused[message.place] = message.detail
