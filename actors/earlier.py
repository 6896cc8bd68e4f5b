"""Whether a request was made before: the same client order id, or the same idempotency key.

What is being answered right now is claimed in memory; the rest the archive knows. The same request gets the
order that it made before, another one under the same id is refused.
"""

from collections.abc import Sequence

import trio

from actors.journal.port import StoreUnavailable
from actors.model import results as r
from actors.model.journal import CommittedLog
from actors.model.order import OrderIntent
from actors.placing import Claim, Placing
from actors.queries import Archive

_CLIENT, _KEY = "client/", "key/"


def claims_of(intent: OrderIntent, *, named: bool) -> tuple[Claim, ...]:
    """What an order claims while it is under way. `named`: its client order id is the client's own."""
    claims: tuple[Claim, ...] = ((_CLIENT + intent.exchange, intent.client_order_id),) if named else ()
    if intent.idempotency_key is not None:
        claims = (*claims, (_KEY + intent.token_id, intent.idempotency_key))
    return claims


class Earlier:
    """Answers requests that come again, from the archive."""

    def __init__(self, log: CommittedLog, archive: Archive, read_seconds: float) -> None:
        self._log = log
        self._archive = archive
        self._read_seconds = read_seconds

    async def answer(self, placings: Sequence[Placing]) -> None:
        """Answer those of these, all with claims, whose request was made before."""
        if len(placings) == 1:
            await self._answer(placings[0])
            return
        async with trio.open_nursery() as nursery:
            for placing in placings:
                nursery.start_soon(self._answer, placing)

    async def _answer(self, placing: Placing) -> None:
        found = await self._look_up(placing.intent, placing.claims)
        if found is not None:
            placing.answer(found)

    async def _look_up(self, intent: OrderIntent, claims: Sequence[Claim]) -> r.PlaceResult | None:
        found = None
        try:
            with trio.fail_after(self._read_seconds):
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
