"""Tokens over the API: made once, shown once, never more powerful than their maker, refused when revoked."""

import json

import msgspec

from web.app import create_app

JSON = {"Content-Type": "application/json"}


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


async def test_a_token_is_made_used_listed_and_revoked(client, auth):
    asked = {"user": "bob", "scopes": ["trade", "read"], "expiresInSeconds": 60, "note": "n"}
    answer = await client.post("/operator/tokens", json=asked, headers=auth)
    made = await answer.get_json()
    assert answer.status_code == 201
    assert made["record"]["scopes"] == ["read", "trade"]
    assert made["record"]["expiresAt"] is not None
    assert (await client.get("/risk", headers=bearer(made["token"]))).status_code == 200
    listed = await (await client.get("/operator/tokens", headers=auth)).get_data(as_text=True)
    assert made["record"]["tokenId"] in listed
    assert made["token"] not in listed
    answer = await client.delete(f"/operator/tokens/{made['record']['tokenId']}", headers=auth)
    assert (await answer.get_json())["revokedAt"] is not None
    assert (await client.get("/risk", headers=bearer(made["token"]))).status_code == 401


async def test_nobody_makes_a_token_that_may_do_more_than_their_own(client, make_token):
    headers = bearer(await make_token("operator", "read"))
    answer = await client.post("/operator/tokens", json={"user": "eve", "scopes": ["trade"]}, headers=headers)
    assert (answer.status_code, (await answer.get_json(force=True))["code"]) == (403, "FORBIDDEN")


async def test_where_two_people_are_needed_none_gets_the_token_of_another_operator(
    services, tokens, clock, make_token
):
    settings = msgspec.structs.replace(services.settings, two_people=True)
    client = create_app(msgspec.structs.replace(services, settings=settings)).test_client()
    headers = bearer(await make_token("operator", "read", user="ann"))
    await make_token("operator", user="ben")
    bens = next(record for record in await tokens.all() if record.user == "ben")
    for path, body, status in (
        ("/operator/tokens", {"user": "ben", "scopes": ["operator"]}, 403),
        (f"/operator/tokens/{bens.token_id}/rotate", {}, 403),
        ("/operator/tokens", {"user": "ben", "scopes": ["read"]}, 201),
        ("/operator/tokens", {"user": "ann", "scopes": ["operator"]}, 201),
    ):
        answer = await client.post(path, json=body, headers=headers)
        assert answer.status_code == status, (path, body)


async def test_a_token_is_rotated_with_an_overlap(client, auth, tokens, clock, make_token):
    old = await make_token("read")
    [record] = await tokens.all()
    path = f"/operator/tokens/{record.token_id}/rotate"
    answer = await client.post(path, json={"overlapSeconds": 10}, headers=auth)
    new = (await answer.get_json())["token"]
    for token in (old, new):
        assert (await client.get("/risk", headers=bearer(token))).status_code == 200
    clock.us += 11_000_000
    await client.get("/risk", headers=auth)
    assert (await client.get("/risk", headers=bearer(new))).status_code == 200
    answer = await client.post(path, json={}, headers=auth)
    assert answer.status_code == 404


async def test_what_is_malformed_or_unknown_is_refused(client, auth):
    bad = [
        {},
        {"user": "b"},
        {"user": "b", "scopes": []},
        {"user": "b", "scopes": ["god"]},
        {"user": "", "scopes": ["read"]},
    ]
    for body in bad:
        assert (await client.post("/operator/tokens", json=body, headers=auth)).status_code == 400
    path = "/operator/tokens/00000000-0000-4000-8000-000000000009"
    assert (await client.delete(path, headers=auth)).status_code == 404


async def test_a_whole_number_may_be_written_with_a_point(client, auth):
    body = {"user": "bob", "scopes": ["read"], "expiresInSeconds": 60}
    for written, status in (("60", 201), ("60.0", 201), ("6e1", 201), ("60.5", 400)):
        text = json.dumps(body).replace("60", written)
        answer = await client.post("/operator/tokens", data=text, headers=auth | JSON)
        assert answer.status_code == status, written
