"""Who changed what, from where: the audit, read page by page."""

import re

import msgspec

from web.audit import AuditEntry
from web.call import Answer, Call, answer_json
from web.patterns import AUDIT_ENTRY_ID
from web.problems import unfit
from web.routes import parameters
from web.services import Services
from web.wire import Wire, time_text

_entry_id = re.compile(r"[0-9]{16}-[0-9a-f]{8}-[0-9a-f]{8,16}", re.ASCII).fullmatch


class AuditBody(Wire, frozen=True, kw_only=True):
    """One call that was to change something."""

    entry_id: str
    at: str
    user: str
    token_id: str
    client: str
    action: str
    method: str
    path: str
    subject: str
    status: int
    correlation_id: str
    unrecorded: int


class AuditPage(Wire, frozen=True, kw_only=True):
    """A page of the audit."""

    entries: list[AuditBody]
    next_cursor: str | None


async def listed(services: Services, call: Call) -> Answer:
    """A page of the audit, newest first."""
    query = call.query("limit", "cursor")
    limit = parameters.page_size(query)
    place = parameters.read_cursor(query, AUDIT_ENTRY_ID)
    before = None if place is None else place[1]
    if before is not None and _entry_id(before) is None:
        raise unfit("?cursor", "is none of ours; use the nextCursor of a page")
    found = await services.audit.store.page(before=before, limit=limit + 1)
    page = found[:limit]
    cursor = parameters.write_cursor(0, page[-1].entry_id) if len(found) > limit else None
    return answer_json(AuditPage(entries=[audit_body(entry) for entry in page], next_cursor=cursor))


def audit_body(entry: AuditEntry) -> AuditBody:
    """An entry for the wire."""
    facts = msgspec.structs.asdict(entry)
    return AuditBody(at=time_text(facts.pop("at_us")), **facts)
