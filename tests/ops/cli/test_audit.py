"""What `tradewarden audit` prints."""

from ops.cli.audit import ago, lines
from web.routes.audit import AuditBody


def entry(**changes: object) -> AuditBody:
    fields: dict[str, object] = {
        "entry_id": "1",
        "at": "2026-11-22T12:00:00.000000Z",
        "user": "ann",
        "token_id": "t",
        "client": "192.168.1.20",
        "action": "placeOrder",
        "method": "POST",
        "path": "/orders",
        "subject": "o-1",
        "status": 201,
        "correlation_id": "q-1",
        "unrecorded": 0,
    }
    return AuditBody(**{**fields, **changes})


def test_an_entry_says_who_what_from_where_and_what_came_of_it():
    assert list(lines([entry()])) == [
        "when                         who  from          action      status  what  correlation id",
        "2026-11-22T12:00:00.000000Z  ann  192.168.1.20  placeOrder     201  o-1   q-1",
    ]


def test_a_call_without_a_valid_token_or_a_subject_shows_its_path():
    told = list(lines([entry(user="", subject="", status=401)]))[1]
    assert told.split()[1:] == ["-", "192.168.1.20", "placeOrder", "401", "/orders", "q-1"]


def test_entries_that_are_missing_are_told():
    assert list(lines([entry(unrecorded=3)]))[-1] == "3 more could not be recorded"


def test_a_time_long_ago_sorts_before_every_entry():
    """Times are compared as texts: a year of three digits would come after ours."""
    assert ago(500_000 * 86_400) < entry().at
