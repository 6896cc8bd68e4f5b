"""The operations of webhooks, for the table of all."""

from web.call import Route
from web.routes import webhooks

_ONE = "/webhooks/{webhookId}"
_DEAD = "/webhooks/dead-letters"
_SCOPE = "operator"

WEBHOOK_ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        "/webhooks",
        "createWebhook",
        webhooks.create,
        _SCOPE,
        "webhook_created",
        body=True,
        command=True,
    ),
    Route("GET", "/webhooks", "listWebhooks", webhooks.listed, _SCOPE, "webhooks_listed"),
    Route("GET", _DEAD, "listDeadLetters", webhooks.dead_letters, _SCOPE, "dead_letters_listed"),
    Route(
        "POST",
        f"{_DEAD}/replay",
        "replayDeadLetters",
        webhooks.replay_all,
        _SCOPE,
        "dead_letters_replayed",
        body=True,
        command=True,
    ),
    Route(
        "GET",
        _DEAD + "/{deadLetterId}",
        "getDeadLetter",
        webhooks.dead_letter,
        _SCOPE,
        "dead_letter_read",
    ),
    Route(
        "POST",
        _DEAD + "/{deadLetterId}/replay",
        "replayDeadLetter",
        webhooks.replay,
        _SCOPE,
        "dead_letter_replayed",
        command=True,
    ),
    Route("GET", _ONE, "getWebhook", webhooks.read, _SCOPE, "webhook_read"),
    Route("DELETE", _ONE, "deleteWebhook", webhooks.delete, _SCOPE, "webhook_deleted", command=True),
    Route(
        "POST",
        f"{_ONE}/rotate",
        "rotateWebhook",
        webhooks.rotate,
        _SCOPE,
        "webhook_rotated",
        body=True,
        command=True,
    ),
    Route("POST", f"{_ONE}/pause", "pauseWebhook", webhooks.pause, _SCOPE, "webhook_paused", command=True),
    Route(
        "POST", f"{_ONE}/resume", "resumeWebhook", webhooks.resume, _SCOPE, "webhook_resumed", command=True
    ),
    Route("POST", f"{_ONE}/test", "testWebhook", webhooks.test, _SCOPE, "webhook_tested", command=True),
)
