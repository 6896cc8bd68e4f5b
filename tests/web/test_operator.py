"""The log's level is read and moved by an operator, and by nobody else."""


async def test_an_operator_moves_the_level_of_the_log(client, auth, services):
    assert (await (await client.get("/operator/log-level", headers=auth)).get_json())["level"] == "INFO"
    moved = await client.put("/operator/log-level", json={"level": "DEBUG"}, headers=auth)
    assert moved.status_code == 200
    assert services.log.level == "DEBUG"


async def test_a_level_that_is_none_is_refused(client, auth, services):
    refused = await client.put("/operator/log-level", json={"level": "LOUD"}, headers=auth)
    assert (refused.status_code, services.log.level) == (400, "INFO")


async def test_who_may_only_read_can_not_move_it(client, make_token):
    token = await make_token("read")
    headers = {"Authorization": f"Bearer {token}"}
    refused = await client.put("/operator/log-level", json={"level": "DEBUG"}, headers=headers)
    assert refused.status_code == 403
