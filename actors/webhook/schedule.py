"""When a delivery is tried again, and when an endpoint is left alone for a while. Pure.

Only 2xx is success: a redirect is a failure like any other, since following one would undo the check of the
address. 410 means that the receiver is gone for good. A receiver may ask for more patience than the
schedule has (`Retry-After`), never for less, and for a day at most.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import Random

import msgspec

from actors.model.readable import readable
from actors.webhook.port import BURIED, DELIVERED, RETRY, Answer, Delivery, Settlement

SECOND_US = 1_000_000
MOST_PATIENCE_SECONDS = 86_400.0
JITTER = 0.2
GONE = 410
ERROR_LENGTH = 300

TRIP = 10
FIRST_REST_US = 1 * SECOND_US
LONGEST_REST_US = 60 * SECOND_US


def succeeded(answer: Answer) -> bool:
    """Whether the receiver has taken the delivery."""
    return answer.status is not None and 200 <= answer.status < 300


def settle(
    delivery: Delivery, answer: Answer, schedule: Sequence[float], now_us: int, rng: Random
) -> Settlement:
    """What an attempt comes to. `schedule[n]` is the pause in seconds before attempt n, counted from 0."""
    if succeeded(answer):
        return Settlement(
            delivery_id=delivery.delivery_id, outcome=DELIVERED, at_us=now_us, status=answer.status
        )
    failed = delivery.attempts + 1
    error = readable(answer.error or f"status {answer.status}")[:ERROR_LENGTH]
    buried = failed >= len(schedule)
    due_us = 0
    if not buried:
        due_us = now_us + int(pause(schedule[failed], answer.retry_after, now_us, rng) * SECOND_US)
    return Settlement(
        delivery_id=delivery.delivery_id,
        outcome=BURIED if buried else RETRY,
        at_us=now_us,
        due_us=due_us,
        status=answer.status,
        error=error,
    )


def pause(planned: float, retry_after: str | None, now_us: int, rng: Random) -> float:
    """Seconds until the next attempt: the planned pause +-20 %, or what the receiver asks for if that is
    longer.
    """
    jittered = planned * (1 - JITTER + 2 * JITTER * rng.random())
    asked = asked_patience(retry_after, now_us)
    return max(jittered, asked)


def asked_patience(retry_after: str | None, now_us: int) -> float:
    """The seconds that a `Retry-After` asks for, from 0 to a day; 0 for one that can't be read."""
    if retry_after is None:
        return 0.0
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), MOST_PATIENCE_SECONDS)
    try:
        at = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):
        return 0.0
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    seconds = (at - datetime.fromtimestamp(now_us // SECOND_US, UTC)).total_seconds()
    return max(0.0, min(seconds, MOST_PATIENCE_SECONDS))


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint's circuit: after ten failures in a row it rests, then one delivery is tried.

    Rests grow from one second to a minute; a success ends them. Nothing is lost meanwhile, and an attempt
    that is not made is not counted.
    """

    failures: int = 0
    rests: int = 0
    rest_until_us: int = 0

    def after(self, *, success: bool, now_us: int) -> "Health":
        """The circuit after one more attempt."""
        if success:
            return HEALTHY
        failures = self.failures + 1
        if failures < TRIP:
            return Health(failures=failures)
        if now_us < self.rest_until_us:
            return msgspec.structs.replace(self, failures=failures)
        rest_us = min(FIRST_REST_US << min(self.rests, 10), LONGEST_REST_US)
        return Health(failures=failures, rests=self.rests + 1, rest_until_us=now_us + rest_us)

    @property
    def resting(self) -> bool:
        """Whether the circuit is open, or only one attempt at a time is let through."""
        return self.rests > 0

    def room(self, now_us: int, most: int) -> int:
        """How many attempts may be under way at a time."""
        if now_us < self.rest_until_us:
            return 0
        return 1 if self.rests else most


HEALTHY = Health()
