"""Alerts in: a hook's secret is checked, its alert mapped, and what comes out is placed like every order.

Whoever calls a hook can't set headers, so the secret may be in the alert; it is never in the address.
"""

import hmac
from hashlib import sha256
from typing import Any

import msgspec
import trio

from web.asked import NewOrder, intent_of, refused
from web.auth.keyring import bearer
from web.auth.port import Principal
from web.call import Answer, Call
from web.hooks.spec import Hook
from web.hooks.translate import forget, key_of, order_of, read_alert, value_at
from web.problems import ProblemError, problem
from web.routes.orders import answer, place_one
from web.services import Services


async def receive(services: Services, call: Call) -> Answer:
    """One alert."""
    call.query()
    name = call.params["name"]
    hook = services.hooks.specs.get(name)
    if hook is None:
        raise ProblemError(problem("NOT_FOUND", f"there is no hook {name[:40]!r}"))
    now_ns = int(trio.current_time() * 1_000_000_000)
    alert = read_alert(call.body)
    if not _proven(hook, call, alert):
        raise await services.guesses.refusal(b"", call.client)
    if hook.secret_field is not None:
        forget(alert, hook.secret_field)
    call.principal = Principal(f"hook:{name}", hook.user, frozenset())
    services.hooks.admit(name, now_ns)
    try:
        asked = msgspec.convert(order_of(hook, alert), NewOrder)
    except msgspec.ValidationError as error:
        raise refused(error) from None
    intent = intent_of(
        asked, user=hook.user, token_id=call.principal.token_id, idempotency_key=key_of(name, hook, alert)
    )
    outcome = await place_one(
        services, intent, services.settings.wait_seconds, call.correlation_id, dry_run=False
    )
    return answer(outcome, call, locate=True)


def _proven(hook: Hook, call: Call, alert: dict[str, Any]) -> bool:
    given = bearer(call.authorization)
    if given is None and hook.secret_field is not None:
        said = value_at(alert, hook.secret_field)
        given = None if said is None else said.encode()
    if given is None:
        return False
    digest = sha256(given).digest()
    return any(hmac.compare_digest(digest, known) for known in hook.digests())
