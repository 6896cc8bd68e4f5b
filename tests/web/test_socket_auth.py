"""Who may open which WebSocket: every address with every kind of token, in the handshake and in a frame."""

import pytest
import trio

from actors.journal.port import StoreUnavailable
from tests.web.talking import close_code, joined, refusal
from tests.web.test_auth import BAD_HEADERS, SECOND_US
from web.auth.keyring import REFRESH_SECONDS
from web.auth.port import SCOPES
from web.feeds.session import POLICY
from web.feeds.socket import PATHS, EdgeSocket

BAD = {kind: found["Authorization"] for kind, found in BAD_HEADERS.items() if found.get("Authorization")}
ENDED = ["expired", "revoked"]


def header(token):
    return [(b"Authorization", b"Bearer " + token.encode())]


@pytest.fixture
def ended_token(make_token, tokens, clock):
    """A token with every scope that has ended in this way."""

    async def make(how):
        token = await make_token(*SCOPES, expires_us=clock.us + SECOND_US if how == "expired" else None)
        if how == "expired":
            clock.us += SECOND_US
        else:
            [record] = await tokens.all()
            await tokens.revoke(record.token_id, clock.us)
        return token

    return make


def allowed(path, scope):
    return scope == "read" or path == "/ws/trade"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", BAD)
async def test_no_socket_opens_for_a_bad_token(address, path, kind):
    sent = [(b"Authorization", BAD[kind].strip().encode("latin-1"))]
    status, body = await refusal(address, path, sent)
    assert (status, body["code"]) == (401, "UNAUTHENTICATED")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("how", ENDED)
async def test_no_socket_opens_for_a_token_that_has_ended(address, ended_token, path, how):
    assert (await refusal(address, path, header(await ended_token(how))))[0] == 401


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("scope", SCOPES)
async def test_each_socket_takes_its_scopes_in_the_handshake(address, make_token, path, scope):
    sent = header(await make_token(scope))
    if not allowed(path, scope):
        status, body = await refusal(address, path, sent)
        assert (status, body["code"]) == (403, "FORBIDDEN")
        return
    async with joined(address, path, sent) as talker:
        await talker.say(action="ping")
        assert (await talker.hear())["type"] == "pong"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("scope", SCOPES)
async def test_each_socket_takes_its_scopes_in_the_first_frame(address, make_token, path, scope):
    token = await make_token(scope)
    async with joined(address, path, []) as talker:
        await talker.say(action="auth", token=token)
        await talker.say(action="ping")
        if allowed(path, scope):
            assert (await talker.hear())["type"] == "pong"
        else:
            assert (await talker.hear())["code"] == "FORBIDDEN"
            assert await close_code(talker) == POLICY


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("how", [*ENDED, "never made"])
async def test_a_first_frame_without_a_valid_token_ends_the_connection(address, ended_token, path, how):
    token = "tw_nope" if how == "never made" else await ended_token(how)
    async with joined(address, path, []) as talker:
        await talker.say(action="auth", token=token)
        assert (await talker.hear())["code"] == "UNAUTHENTICATED"
        assert await close_code(talker) == POLICY


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "frame", [b'{"action":"auth","token":"\xff\xfe"}', b"\xff", b'{"action":' * 5000, "{"]
)
async def test_a_first_frame_of_any_bytes_is_refused_and_no_fault_of_the_service(
    address, path, frame, capsys
):
    """Who has no token must not be able to fill the log with tracebacks."""
    async with joined(address, path, []) as talker:
        await talker.socket.send_message(frame)
        assert (await talker.hear())["code"] == "UNAUTHENTICATED"
        assert await close_code(talker) == POLICY
    assert "Traceback" not in "".join(capsys.readouterr())


@pytest.mark.parametrize("path", PATHS)
async def test_nothing_is_told_before_a_token_came(address, port, path):
    async with joined(address, path, []) as talker:
        port.accept()
        assert await talker.quiet() is None
        await talker.say(action="subscribe", channel="orders")
        assert (await talker.hear())["code"] == "UNAUTHENTICATED"
        assert await close_code(talker) == POLICY


@pytest.mark.parametrize("path", PATHS)
async def test_revocation_closes_the_sockets_of_its_token_and_no_other(
    address, make_token, tokens, keyring, clock, path
):
    doomed, other = await make_token(*SCOPES), await make_token(*SCOPES, user="bob")
    async with joined(address, path, header(doomed)) as one, joined(address, path, header(other)) as two:
        await one.say(action="ping")
        await one.hear()
        [record] = [each for each in await tokens.all() if each.user == "ann"]
        await tokens.revoke(record.token_id, clock.now_us())
        await keyring.refresh()
        assert await close_code(one) == POLICY
        await two.say(action="ping")
        assert (await two.hear())["type"] == "pong"


async def test_a_token_revoked_while_its_socket_opens_leaves_none_behind(
    address, make_token, tokens, keyring, clock, monkeypatch
):
    token = await make_token("read")
    begin = EdgeSocket._serve

    async def revoke_first(self, app, hub, holder):
        [record] = await tokens.all()
        await tokens.revoke(record.token_id, clock.now_us())
        await keyring.refresh()
        return await begin(self, app, hub, holder)

    monkeypatch.setattr(EdgeSocket, "_serve", revoke_first)
    async with joined(address, headers=header(token)) as talker:
        assert await close_code(talker) == POLICY


async def test_a_token_that_expires_while_the_store_is_away_loses_its_socket(
    address, make_token, tokens, keyring, clock, nursery, monkeypatch
):
    token = await make_token(*SCOPES, expires_us=clock.us + SECOND_US)
    async with joined(address, "/ws/trade", header(token)) as talker:
        await talker.say(action="ping")
        await talker.hear()

        async def away():
            raise StoreUnavailable("gone")

        monkeypatch.setattr(tokens, "all", away)
        monkeypatch.setattr("web.auth.keyring.REFRESH_SECONDS", 0.01)
        await nursery.start(keyring.keep_fresh)
        await talker.say(action="ping")
        assert (await talker.hear())["type"] == "pong"
        clock.us += SECOND_US
        with trio.fail_after(REFRESH_SECONDS):
            assert await close_code(talker) == POLICY
        nursery.cancel_scope.cancel()
