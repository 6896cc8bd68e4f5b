"""What each service gets, byte by byte, at a receiver of our own; and what its refusals come to."""

import email
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from actors.webhook.adapters.http import HttpCarrier
from actors.webhook.adapters.messengers import messengers
from actors.webhook.notify.channel import Channel, Incomplete, check
from actors.webhook.notify.wording import Message
from actors.webhook.port import Answer
from actors.webhook.schedule import succeeded
from actors.webhook.ssrf import Allowed

NOW_US = 1_795_348_800_000_000
TOKEN = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
MESSAGE = Message(
    message_id="msg_7",
    title="Trading is halted: <b>@everyone</b> & co",
    lines=("2026-11-25 10:00:00 Trading is halted", "2026-11-25 10:00:01 Circuit ünïcode ``` is open"),
    urgent=True,
)


class Service:
    """Takes requests on loopback and answers as told."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], dict]] = []
        self.answer: tuple[int, dict[str, str], bytes] = (200, {}, b'{"ok":true}')
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.requests.append((self.path, headers, body))
                status, more, said = outer.answer
                self.send_response(status)
                for name, value in more.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.allowed = Allowed.read([self.base.removeprefix("http://")])
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    yield made
    made.close()


async def tell(service: Service, channel: Channel) -> Answer:
    check(channel, service.allowed)
    messenger = messengers(HttpCarrier(service.allowed))(channel)
    answer = await messenger.send(MESSAGE, NOW_US)
    await messenger.close()
    return answer


async def test_ntfy_gets_topic_title_text_and_priority(service):
    channel = Channel(name="phone", kind="ntfy", url=f"{service.base}/my-topic", token="tk_secret")
    assert succeeded(await tell(service, channel))
    [(path, headers, body)] = service.requests
    assert (path, headers["authorization"]) == ("/", "Bearer tk_secret")
    assert headers["content-type"] == "application/json"
    assert body == {"topic": "my-topic", "title": MESSAGE.title, "message": MESSAGE.text, "priority": 5}


async def test_telegram_gets_a_plain_text_for_the_chat(service):
    channel = Channel(name="t", kind="telegram", url=service.base, token=TOKEN, to=("-100123",))
    assert succeeded(await tell(service, channel))
    [(path, _, body)] = service.requests
    assert path == f"/bot{TOKEN}/sendMessage"
    assert body == {
        "chat_id": "-100123",
        "text": f"{MESSAGE.title}\n\n{MESSAGE.text}",
        "disable_notification": False,
        "link_preview_options": {"is_disabled": True},
    }


async def test_slack_gets_an_escaped_text(service):
    channel = Channel(name="s", kind="slack", url=f"{service.base}/services/T0/B0/XXX")
    assert succeeded(await tell(service, channel))
    [(path, _, body)] = service.requests
    assert path == "/services/T0/B0/XXX"
    assert body["text"].startswith("Trading is halted: &lt;b&gt;@everyone&lt;/b&gt; &amp; co\n")
    assert body["mrkdwn"] is False


async def test_discord_gets_a_block_that_mentions_nobody(service):
    service.answer = (204, {}, b"")
    channel = Channel(name="d", kind="discord", url=f"{service.base}/api/webhooks/1/abc")
    assert succeeded(await tell(service, channel))
    [(path, _, body)] = service.requests
    assert path == "/api/webhooks/1/abc"
    assert body["allowed_mentions"] == {"parse": []}
    inside = body["content"].removeprefix("```\n").removesuffix("\n```")
    assert "```" not in inside
    assert MESSAGE.title in inside


async def test_telegrams_patience_is_in_the_body_and_its_words_are_kept_without_the_token(service):
    said = {"ok": False, "description": f"Too Many Requests for {TOKEN}", "parameters": {"retry_after": 35}}
    service.answer = (429, {}, json.dumps(said).encode())
    channel = Channel(name="t", kind="telegram", url=service.base, token=TOKEN, to=("1",))
    answer = await tell(service, channel)
    assert (answer.status, answer.retry_after) == (429, "35")
    assert "Too Many Requests" in answer.error
    assert TOKEN not in answer.error


async def test_others_ask_for_patience_in_a_header(service):
    service.answer = (429, {"Retry-After": "7"}, b"slow down")
    channel = Channel(name="d", kind="discord", url=f"{service.base}/api/webhooks/1/abc")
    answer = await tell(service, channel)
    assert (answer.status, answer.retry_after, answer.error) == (429, "7", "status 429: slow down")


async def test_a_redirect_is_not_followed_and_counts_as_a_failure(service):
    service.answer = (302, {"Location": "http://169.254.169.254/"}, b"")
    channel = Channel(name="s", kind="slack", url=f"{service.base}/services/T0/B0/XXX")
    answer = await tell(service, channel)
    assert not succeeded(answer)
    assert len(service.requests) == 1


async def test_a_service_that_is_not_there_is_named_without_its_secret(service):
    channel = Channel(name="s", kind="slack", url=f"{service.base}/services/T0/B0/XXX")
    allowed = service.allowed
    service.server.server_close()
    messenger = messengers(HttpCarrier(allowed))(channel)
    answer = await messenger.send(MESSAGE, NOW_US)
    await messenger.close()
    assert answer.status is None
    assert "XXX" not in answer.error


class Mailbox:
    """As much of SMTP as a letter needs, one at a time; `refuse` is answered to a recipient."""

    def __init__(self, refuse: bytes | None = None) -> None:
        self.refuse = refuse
        self.spoken: list[str] = []
        self.letter = b""
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"smtp+plain://127.0.0.1:{self.socket.getsockname()[1]}"
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        connection, _ = self.socket.accept()
        with connection, connection.makefile("rwb") as line:
            self._say(line, b"220 here")
            while words := line.readline():
                self.spoken.append(words.decode().strip())
                verb = words[:4].upper()
                if verb == b"DATA":
                    self._say(line, b"354 go on")
                    while (row := line.readline()) != b".\r\n":
                        self.letter += row
                elif verb == b"EHLO":
                    self._say(line, b"250-here\r\n250 AUTH PLAIN")
                    continue
                elif verb == b"RCPT" and self.refuse:
                    self._say(line, self.refuse)
                    continue
                elif verb == b"QUIT":
                    self._say(line, b"221 bye")
                    return
                self._say(line, b"235 welcome" if verb == b"AUTH" else b"250 fine")

    def _say(self, line, text: bytes) -> None:
        line.write(text + b"\r\n")
        line.flush()

    def close(self) -> None:
        self.socket.close()
        self.thread.join()


def mail(url: str, **more: object) -> Channel:
    made = Channel(
        name="mail", kind="email", url=url, to=("ann@example.com",), sender="bot@example.org", **more
    )
    check(made, Allowed())
    return made


async def send_mail(channel: Channel) -> Answer:
    return await messengers(HttpCarrier(Allowed()))(channel).send(MESSAGE, NOW_US)


async def test_a_letter_has_everything_that_a_mailbox_wants():
    mailbox = Mailbox()
    assert succeeded(await send_mail(mail(mailbox.url, token="pass word", user="bot")))
    mailbox.close()
    letter = email.message_from_bytes(mailbox.letter, policy=email.policy.default)
    assert letter["Subject"] == f"tradewarden: {MESSAGE.title}"
    assert (letter["From"], letter["To"]) == ("bot@example.org", "ann@example.com")
    assert letter["Message-ID"] == "<msg_7@example.org>"
    assert (letter["Auto-Submitted"], letter["X-Priority"]) == ("auto-generated", "1")
    assert letter.get_content().splitlines() == list(MESSAGE.lines)
    assert any(each.startswith("AUTH PLAIN") for each in mailbox.spoken)


@pytest.mark.parametrize("refusal", [b"450 later", b"550 no such person"])
async def test_a_recipient_that_is_refused_is_a_failure_with_the_servers_words(refusal):
    mailbox = Mailbox(refusal)
    answer = await send_mail(mail(mailbox.url))
    mailbox.close()
    assert answer.status == int(refusal[:3])
    assert refusal[4:].decode() in answer.error


async def test_without_tls_nothing_is_said_to_a_server_that_should_have_it():
    mailbox = Mailbox()
    channel = mail(mailbox.url.replace("smtp+plain", "smtp"), token="secret", user="bot")
    answer = await send_mail(channel)
    mailbox.close()
    assert answer.status is None
    assert not any(each.startswith(("AUTH", "MAIL")) for each in mailbox.spoken)


async def test_a_mail_server_that_is_not_there_is_a_failure():
    answer = await send_mail(mail("smtp+plain://127.0.0.1:1"))
    assert answer.status is None
    assert "refused" in answer.error.lower()


@pytest.mark.parametrize(
    ("channel", "field"),
    [
        (Channel(name="x", kind="pigeon"), "KIND"),
        (Channel(name="x", kind="ntfy"), "URL"),
        (Channel(name="x", kind="ntfy", url="https://ntfy.sh/"), "URL"),
        (Channel(name="x", kind="slack", url="http://hooks.slack.com/x"), "URL"),
        (Channel(name="x", kind="slack", url="https://192.168.1.2/x"), "URL"),
        (Channel(name="x", kind="telegram", to=("1",)), "TOKEN"),
        (Channel(name="x", kind="telegram", token="t"), "TO"),
        (Channel(name="x", kind="email", url="https://x", to=("a@b",), sender="a@b"), "URL"),
        (Channel(name="x", kind="email", url="smtps://x", sender="a@b"), "TO"),
        (Channel(name="x", kind="email", url="smtps://x", to=("a@b",)), "FROM"),
        (Channel(name="x", kind="email", url="smtps://x", to=("a@b\nBcc: c@d",), sender="a@b"), "TO"),
    ],
)
def test_a_channel_that_cant_work_is_refused_with_what_it_needs(channel, field):
    with pytest.raises(Incomplete) as refused:
        check(channel, Allowed())
    assert refused.value.field == field


def test_a_channel_shows_no_secret():
    channel = Channel(name="s", kind="slack", url="https://hooks.slack.com/services/T0/B0/XXX", token="abc")
    assert channel.place == "https://hooks.slack.com"
    assert "XXX" not in repr(channel)
    assert "abc" not in repr(channel)
