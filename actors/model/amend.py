"""A change of a working order: its terms, and how far it has come.

An amend takes effect in one of two ways. In place, where the exchange can change a working order: the order
keeps its id there. By replacement, where it can't: the old order is cancelled, and only the proof that it has
ended lets a new one leave, under a new id and for what remains. While an amend is pending either the old
terms or the new ones may be the ones that live, so both are reserved for.
"""

from decimal import Decimal
from enum import StrEnum

import msgspec


class AmendState(StrEnum):
    """How far an amend has come."""

    PENDING = "pending"
    DONE = "done"
    REFUSED = "refused"
    DENIED = "denied"


class Amend(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The newest amend of an order. `quantity` is the whole order's, in base units, executed parts included.

    `limit_price` in quote per base; `reserve_price` is what the worst case of the new terms is reckoned with.
    `venue_id` is what a replacement is called at the exchange; it is empty where the order is amended in
    place. `code` and `reason` say why an amend is `refused` (by the exchange or by events) or `denied` (by a
    risk rule). After `send_before_us` it is not begun any more.
    """

    amend_id: str
    quantity: Decimal
    limit_price: Decimal
    reserve_price: Decimal
    venue_id: str = ""
    send_before_us: int = 0
    state: AmendState = AmendState.PENDING
    code: str | None = None
    reason: str | None = None

    @property
    def in_place(self) -> bool:
        """Whether the exchange changes the order itself: its id there stays."""
        return not self.venue_id

    def ended(self, state: AmendState, code: str | None = None, reason: str | None = None) -> "Amend":
        """The amend as it ended."""
        return msgspec.structs.replace(self, state=state, code=code, reason=reason)
