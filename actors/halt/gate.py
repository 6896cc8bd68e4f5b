"""The gate: the synchronous object that every order passes immediately before it leaves.

A kill must not wait in a mailbox behind a thousand orders, so it is no message: whoever kills closes this
object, and from that moment `may_send` says no to everybody who asks, whatever is queued where. No method
here waits or fails. It starts sealed, and stays so until latch and journal have been read: not knowing is
being halted.
"""

from collections import deque
from collections.abc import Iterable

import msgspec

from actors.halt.states import HALTED, State, rank, scopes_over, state_of
from actors.model.book import Kill, scope_key
from actors.model.order import OrderIntent

STARTING = "the start is not finished"

WITHDRAWN_KEPT = 100_000
"""How many withdrawn orders are remembered. An order that is older than its sending age isn't sent in any
case, so the memory needs to reach back over seconds only.
"""


SENT_KEPT = 20_000
"""How many sendings wait to be compared with the journal; that happens every second."""


class Engaged(msgspec.Struct, frozen=True, kw_only=True):
    """A kill in force, and the orders whose sending had begun when it closed the gate."""

    kill: Kill
    in_flight: tuple[str, ...] = ()


class Restriction(msgspec.Struct, frozen=True, kw_only=True):
    """A trading state other than active that holds for a scope without a kill, and what brought it about."""

    exchange: str | None
    symbol: str | None
    state: str
    cause: str


class Gate:
    """Shared by the command port, risk, the brokers and the operator's actor. All calls are synchronous."""

    def __init__(self, seal: str | None = STARTING) -> None:
        self._seal = seal
        self._kills: dict[str, Engaged] = {}
        self._restrictions: dict[str, Restriction] = {}
        self._ranks: dict[str, int] = {}
        self._operator_ranks: dict[str, int] = {}
        self._closing_ranks: dict[str, int] = {}
        self._sends: dict[tuple[str, str], None] = {}
        self._withdrawn: dict[str, None] = {}
        self._exits: dict[str, None] = {}
        self._sent: deque[str] = deque(maxlen=SENT_KEPT)

    # What is in force.

    @property
    def sealed(self) -> str | None:
        """Why nothing at all may leave (the start is not finished, this process is deposed), or None."""
        return self._seal

    def seal(self, why: str) -> None:
        """Let nothing leave any more, exits included."""
        self._seal = why

    def finish_start(self) -> None:
        """End the seal of the start, and no other; kills and restrictions stay."""
        if self._seal == STARTING:
            self._seal = None

    @property
    def kills(self) -> dict[str, Engaged]:
        """The kills in force by id, oldest first; a copy."""
        return dict(self._kills)

    @property
    def restrictions(self) -> dict[str, Restriction]:
        """The restrictions in force by scope key; a copy."""
        return dict(self._restrictions)

    def engage(self, kill: Kill, in_flight: tuple[str, ...] | None = None) -> Engaged:
        """Close for the kill's scope, now. The same kill again changes nothing.

        `in_flight` is given when the kill is an old one that is being restored; otherwise it is what is being
        sent.
        """
        engaged = self._kills.get(kill.kill_id)
        if engaged is None:
            engaged = Engaged(kill=kill, in_flight=self.in_flight if in_flight is None else in_flight)
            self._kills[kill.kill_id] = engaged
            self._settle()
        return engaged

    def lift(self, kill_ids: Iterable[str]) -> None:
        """Take kills out of force; what others hold closed stays closed."""
        for kill_id in kill_ids:
            self._kills.pop(kill_id, None)
        self._settle()

    def restrict(self, exchange: str | None, symbol: str | None, state: str, cause: str) -> None:
        """Set the trading state of a scope without a kill; `active` ends the restriction."""
        key = scope_key(exchange, symbol)
        self._restrictions.pop(key, None)
        if rank(state):
            self._restrictions[key] = Restriction(exchange=exchange, symbol=symbol, state=state, cause=cause)
        self._settle()

    def _settle(self) -> None:
        ranks: dict[str, int] = {}
        by_people: dict[str, int] = {}
        closing: dict[str, int] = {}
        for engaged in self._kills.values():
            key = scope_key(engaged.kill.exchange, engaged.kill.symbol)
            ranks[key] = rank(HALTED)
            if not engaged.kill.automatic:
                by_people[key] = rank(HALTED)
            if engaged.kill.level == "flatten":
                closing[key] = rank(HALTED)
        for key, restriction in self._restrictions.items():
            ranks[key] = max(ranks.get(key, 0), rank(restriction.state))
        self._ranks, self._operator_ranks, self._closing_ranks = ranks, by_people, closing

    def in_force(self, kill_id: str) -> bool:
        """Whether this kill was engaged and nobody has lifted it."""
        return kill_id in self._kills

    # What holds for a place.

    def state_for(self, exchange: str | None, symbol: str | None) -> State:
        """The trading state of a place; with None, None that of the account as a whole."""
        if self._seal is not None:
            return HALTED
        return state_of(self._worst(self._ranks, exchange, symbol)) if self._ranks else "active"

    def killed_by_person(self, exchange: str, symbol: str) -> bool:
        """Whether the gate is sealed, or a kill that a person pulled holds for the place."""
        if self._seal is not None:
            return True
        return bool(self._operator_ranks) and self._worst(self._operator_ranks, exchange, symbol) > 0

    def closes_position(self, exchange: str, symbol: str) -> bool:
        """Whether a kill of level `flatten` holds for the place, whoever pulled it."""
        return bool(self._closing_ranks) and self._worst(self._closing_ranks, exchange, symbol) > 0

    @staticmethod
    def _worst(ranks: dict[str, int], exchange: str | None, symbol: str | None) -> int:
        return max(ranks.get(key, 0) for key in scopes_over(exchange, symbol))

    # The passage of one order.

    def verify_exit(self, order_id: str) -> None:
        """Remember that risk verified, while trading was restricted, that this order can only shrink a
        position.
        """
        self._exits[order_id] = None
        _forget_oldest(self._exits)

    def withdraw(self, order_id: str) -> None:
        """Never let this order leave: its client was told that it was not taken."""
        self._withdrawn[order_id] = None
        _forget_oldest(self._withdrawn)

    def withdrawn(self, order_id: str) -> bool:
        """Whether the order was withdrawn before anything of it left."""
        return order_id in self._withdrawn

    def may_send(self, intent: OrderIntent, reduces: bool) -> str | None:
        """None when the order may leave now, else the reason. Ask immediately before sending, with no await
        between.

        `reduces` says that the order is reduce-only, which risk has verified against the position.
        """
        if self._seal is not None:
            return f"nothing may leave: {self._seal}"
        if intent.order_id in self._withdrawn:
            return "its client was told that it was not taken"
        state = self.state_for(intent.exchange, intent.symbol)
        if state == "active" or reduces:
            return None
        if state == HALTED:
            return "trading is halted"
        return None if intent.order_id in self._exits else "trading is reducing, and the order may open"

    def begin_send(self, order_id: str, amend_id: str = "") -> None:
        """The order is leaving now, or this amend of it."""
        self._sends[order_id, amend_id] = None
        self._sent.append(amend_id or order_id)

    def end_send(self, order_id: str, amend_id: str = "") -> None:
        """This sending ended, whatever came of it; another of the same order goes on."""
        self._sends.pop((order_id, amend_id), None)
        self._exits.pop(order_id, None)

    def drain_sent(self) -> tuple[str, ...]:
        """The orders and amends of which the sending has begun since the last call, for the watch after the
        trade.
        """
        sent = tuple(self._sent)
        self._sent.clear()
        return sent

    @property
    def sends(self) -> tuple[tuple[str, str], ...]:
        """What is being sent at this moment, oldest first: the order and, unless it is the order itself, the
        amend.
        """
        return tuple(self._sends)

    @property
    def in_flight(self) -> tuple[str, ...]:
        """The orders that are being sent at this moment, or an amend of them; oldest first."""
        return tuple({order_id: None for order_id, _ in self._sends})


def _forget_oldest(ids: dict[str, None]) -> None:
    if len(ids) > WITHDRAWN_KEPT:
        del ids[next(iter(ids))]
