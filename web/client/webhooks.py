"""Webhooks over the API: who is told, and what could not be delivered."""

from collections.abc import AsyncIterator, Sequence

from web.client.client import Client
from web.routes.webhooks import (
    DeadLetterBody,
    DeadLetterPage,
    Replayed,
    TestSent,
    WebhookBody,
    WebhookList,
)


class WebhookClient(Client):
    """A client that manages webhooks. Making one is not repeated by itself: use it with `attempts=1`."""

    async def create_webhook(self, url: str, events: Sequence[str] = (), note: str = "") -> WebhookBody:
        """Be told of events; the answer holds the secret."""
        body = {"url": url, "events": events, "note": note}
        return await self._ask("POST", "/webhooks", WebhookBody, body=body)

    async def webhooks(self) -> Sequence[WebhookBody]:
        """All, oldest first."""
        return (await self._ask("GET", "/webhooks", WebhookList)).webhooks

    async def rotate_webhook(self, webhook_id: str, overlap_seconds: int) -> WebhookBody:
        """Give it a new secret, which the answer holds."""
        body = {"overlapSeconds": overlap_seconds}
        return await self._ask("POST", f"/webhooks/{webhook_id}/rotate", WebhookBody, body=body)

    async def pause_webhook(self, webhook_id: str) -> WebhookBody:
        """Keep its deliveries and send none."""
        return await self._ask("POST", f"/webhooks/{webhook_id}/pause", WebhookBody)

    async def resume_webhook(self, webhook_id: str) -> WebhookBody:
        """Send what was kept."""
        return await self._ask("POST", f"/webhooks/{webhook_id}/resume", WebhookBody)

    async def test_webhook(self, webhook_id: str) -> str:
        """Send it a test message; the message's id."""
        return (await self._ask("POST", f"/webhooks/{webhook_id}/test", TestSent)).message_id

    async def delete_webhook(self, webhook_id: str) -> WebhookBody:
        """Delete it with what it was owed."""
        return await self._ask("DELETE", f"/webhooks/{webhook_id}", WebhookBody)

    async def dead_letters(self, webhook_id: str | None = None) -> AsyncIterator[DeadLetterBody]:
        """What was given up, newest first, page by page."""
        query = {"webhookId": webhook_id}
        async for page in self._pages("/webhooks/dead-letters", DeadLetterPage, query):
            for letter in page.dead_letters:
                yield letter

    async def dead_letter(self, dead_letter_id: str) -> DeadLetterBody:
        """One dead letter with its body."""
        return await self._ask("GET", f"/webhooks/dead-letters/{dead_letter_id}", DeadLetterBody)

    async def replay(self, dead_letter_id: str) -> int:
        """Send one again; how many that is."""
        path = f"/webhooks/dead-letters/{dead_letter_id}/replay"
        return (await self._ask("POST", path, Replayed)).replayed

    async def replay_all(self, webhook_id: str | None = None) -> int:
        """Send all again, or those of one webhook; how many."""
        body = {"webhookId": webhook_id}
        return (await self._ask("POST", "/webhooks/dead-letters/replay", Replayed, body=body)).replayed
