"""Webhooks over the API: what is asked for must be there."""

import msgspec
import pytest

from actors.webhook.port import Endpoint, Statistics
from web.app import create_app

HERE = Endpoint(endpoint_id="ep_1", url="https://hooks.example.com/x", secret="whsec_x", created_us=1)


class Desk:
    """One webhook with three dead letters."""

    def __init__(self) -> None:
        self.replayed: list[str | None] = []

    async def one(self, endpoint_id: str) -> tuple[Endpoint, Statistics] | None:
        return (HERE, Statistics(endpoint_id="ep_1")) if endpoint_id == "ep_1" else None

    async def replay(self, _delivery_id: str | None, endpoint_id: str | None = None) -> int:
        self.replayed.append(endpoint_id)
        return 3


@pytest.fixture
def desk():
    return Desk()


@pytest.fixture
def app(services, desk):
    return create_app(msgspec.structs.replace(services, webhooks=desk))


@pytest.mark.parametrize("body", [{}, {"webhookId": None}, {"webhookId": "ep_1"}])
async def test_dead_letters_of_all_or_of_one_webhook_are_sent_again(client, auth, desk, body):
    answer = await client.post("/webhooks/dead-letters/replay", json=body, headers=auth)
    assert (answer.status_code, await answer.get_json()) == (202, {"replayed": 3})
    assert desk.replayed == [body.get("webhookId")]


async def test_a_webhook_that_there_is_not_has_no_dead_letters_to_send_again(client, auth, desk):
    """Zero would say that all of it had arrived."""
    answer = await client.post("/webhooks/dead-letters/replay", json={"webhookId": "nope"}, headers=auth)
    found = await answer.get_json()
    assert (answer.status_code, found["code"]) == (404, "NOT_FOUND")
    assert found["detail"] == "there is no webhook 'nope'; GET /webhooks names those that there are"
    assert not desk.replayed
