"""Whether a request was made before: the same client order id, or the same idempotency key.

What is being answered right now is claimed in memory; the rest the archive knows. The same request gets the
order that it made before, another one under the same id is refused.
"""

from collections.abc import Collection, Sequence

import trio

from actors.journal.port import StoreUnavailable
from actors.model import results as r
from actors.model.fingerprint import is_same_request
from actors.model.journal import CommittedLog
from actors.model.order import OrderIntent
from actors.placing import Claim, Placing
from actors.queries import Archive

_CLIENT, _KEY = "client/", "key/"

AWAY = r.Refused(
    code="JOURNAL_UNAVAILABLE",
    detail="earlier requests can't be looked up now; nothing was done",
    retry_after_seconds=1.0,
)


def claims_of(intent: OrderIntent, *, named: bool) -> tuple[Claim, ...]:
    """What an order claims while it is under way. `named`: its client order id is the client's own."""
    claims: tuple[Claim, ...] = ((_CLIENT + intent.exchange, intent.client_order_id),) if named else ()
    if intent.idempotency_key is not None:
        claims = (*claims, (_KEY + intent.token_id, intent.idempotency_key))
    return claims


def is_key(claim: Claim) -> bool:
    """Whether it is an idempotency key that is claimed."""
    return claim[0].startswith(_KEY)


IN_PROGRESS = r.Conflict(code="IN_PROGRESS", detail="the same request is being answered right now")


class Earlier:
    """Answers requests that come again, from the archive."""

    def __init__(self, log: CommittedLog, archive: Archive, read_seconds: float) -> None:
        self._log = log
        self._archive = archive
        self._read_seconds = read_seconds

    async def answer(self, placings: Sequence[Placing], busy: Collection[str]) -> None:
        """Answer those of these, all with claims, whose request was made before; and those that are new in a
        group of which others are `busy` or were asked for by another request.
        """
        changed: dict[str, None] = {}
        if len(placings) == 1:
            await self._answer(placings[0], changed)
        else:
            async with trio.open_nursery() as nursery:
                for placing in placings:
                    nursery.start_soon(self._answer, placing, changed)
        for placing in placings:
            if placing.wanted and placing.group in changed:
                placing.answer(_mismatch("another request was made under this key"))
            elif placing.wanted and placing.group in busy:
                placing.answer(IN_PROGRESS)

    async def _answer(self, placing: Placing, changed: dict[str, None]) -> None:
        intent, found = placing.intent, None
        try:
            with trio.fail_after(self._read_seconds):
                if intent.idempotency_key is not None:
                    found = await self._archive.order_by_key(intent.token_id, intent.idempotency_key)
                if found is None and any(not is_key(claim) for claim in placing.claims):
                    found = await self._archive.order_by_client_id(intent.exchange, intent.client_order_id)
        except (StoreUnavailable, trio.TooSlowError):
            placing.answer(AWAY)
            return
        if found is None:
            return
        by_key = intent.idempotency_key is not None and found.intent.idempotency_key == intent.idempotency_key
        if is_same_request(found.intent, intent, by_key=by_key):
            placing.answer(r.Replayed(order=self._log.book.order(found.order_id) or found))
            return
        if placing.group and by_key:
            changed[placing.group] = None
        placing.answer(_mismatch(f"another request made order {found.order_id} under this id"))


def _mismatch(detail: str) -> r.Conflict:
    return r.Conflict(code="IDEMPOTENCY_MISMATCH", detail=detail)
