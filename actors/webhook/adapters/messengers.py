"""How messages for persons leave: over HTTP like webhooks, to checked addresses only; or by SMTP."""

import smtplib
import ssl
from collections.abc import Callable
from email.message import EmailMessage
from urllib.parse import urlsplit

import structlog
import trio

from actors.webhook.notify import forms
from actors.webhook.notify.channel import EMAIL, SMTP_SCHEMES, Channel
from actors.webhook.notify.wording import Message
from actors.webhook.port import Answer, Carrier, Line
from actors.webhook.shell.herald import Messenger

SMTP_SECONDS = 15.0
ACCEPTED = 250

_log = structlog.get_logger(room="webhook")


class HttpMessenger:
    """Implements `actors.webhook.shell.herald.Messenger` over a line of its own."""

    def __init__(self, channel: Channel, line: Line) -> None:
        self._channel = channel
        self._line = line

    async def send(self, message: Message, now_us: int) -> Answer:
        """Post it once."""
        post = forms.post(self._channel, message)
        answer = await self._line.send(post.url, post.headers, post.body)
        return forms.answered(self._channel, answer)

    async def close(self) -> None:
        """Close the connections."""
        await self._line.close()


class SmtpMessenger:
    """Implements `actors.webhook.shell.herald.Messenger` with the standard library in a thread of its own.

    The server is the operator's own choice and may be on the local network.
    """

    def __init__(
        self, channel: Channel, tls: Callable[[], ssl.SSLContext] = ssl.create_default_context
    ) -> None:
        self._channel = channel
        self._tls = tls
        self._limiter = trio.CapacityLimiter(1)

    async def send(self, message: Message, now_us: int) -> Answer:
        """Hand it to the server once. Cancelled, it may have been sent."""
        letter = forms.letter(self._channel, message, now_us)
        with trio.move_on_after(2 * SMTP_SECONDS):
            return await trio.to_thread.run_sync(
                self._hand_over, letter, abandon_on_cancel=True, limiter=self._limiter
            )
        return Answer(status=None, error=f"no answer within {2 * SMTP_SECONDS:g} s")

    async def close(self) -> None:
        """Nothing stays open between two letters."""

    def _hand_over(self, letter: EmailMessage) -> Answer:
        try:
            with self._server() as server:
                if self._channel.token:
                    server.login(self._channel.user or self._channel.sender, self._channel.token)
                refused = server.send_message(letter, self._channel.sender, list(self._channel.to))
        except smtplib.SMTPRecipientsRefused as error:
            code, text = next(iter(error.recipients.values()))
            return self._failed(code, f"no recipient was taken: {code} {_text(text)}")
        except smtplib.SMTPResponseException as error:
            return self._failed(error.smtp_code, f"{type(error).__name__}: {_text(error.smtp_error)}")
        except (smtplib.SMTPException, OSError) as error:
            return self._failed(None, f"{type(error).__name__}: {error}")
        if refused:
            _log.warning("recipients_refused", channel=self._channel.name, count=len(refused))
        return Answer(status=ACCEPTED)

    def _server(self) -> smtplib.SMTP:
        split = urlsplit(self._channel.url)
        host, port = split.hostname or "", split.port or SMTP_SCHEMES[split.scheme]
        if split.scheme == "smtps":
            return smtplib.SMTP_SSL(host, port, timeout=SMTP_SECONDS, context=self._tls())
        server = smtplib.SMTP(host, port, timeout=SMTP_SECONDS)
        if split.scheme == "smtp":
            try:
                server.starttls(context=self._tls())
            except BaseException:
                server.close()
                raise
        return server

    def _failed(self, status: int | None, error: str) -> Answer:
        return Answer(status=status, error=self._channel.hide(error))


def messengers(carrier: Carrier) -> Callable[[Channel], Messenger]:
    """What makes the messenger of a channel."""

    def make(channel: Channel) -> Messenger:
        if channel.kind == EMAIL:
            return SmtpMessenger(channel)
        return HttpMessenger(channel, carrier.line())

    return make


def _text(said: bytes | str) -> str:
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else said
