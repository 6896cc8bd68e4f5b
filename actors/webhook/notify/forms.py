"""A message in the form that each service takes. Pure.

Texts come from the world outside (a reason, an exchange's words), so each form sees to it that they are
shown and not obeyed: no mentions, no markup.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from urllib.parse import urlsplit

import msgspec

from actors.webhook.notify.channel import DISCORD, NTFY, SLACK, TELEGRAM, TELEGRAM_URL, Channel
from actors.webhook.notify.wording import Message
from actors.webhook.port import Answer

_encode = msgspec.json.Encoder().encode

MOST_NTFY_BYTES = 3800
MOST_TELEGRAM = 4000
MOST_SLACK = 8000
MOST_DISCORD = 1900
URGENT, USUAL = 5, 3


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request; never shown, since the URL may be a secret."""

    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def __repr__(self) -> str:
        return "Post(…)"


def post(channel: Channel, message: Message) -> Post:
    """The request that tells it, for every kind but e-mail."""
    return _FORMS[channel.kind](channel, message)


def _json(url: str, body: object, *headers: tuple[str, str]) -> Post:
    return Post(url=url, headers=(("content-type", "application/json"), *headers), body=_encode(body))


def _ntfy(channel: Channel, message: Message) -> Post:
    """Published as JSON to the server's root, which takes any sign in a title; a header would not."""
    split = urlsplit(channel.url)
    before, _, topic = split.path.rstrip("/").rpartition("/")
    url = split._replace(path=f"{before}/", query="", fragment="").geturl()
    body = {
        "topic": topic,
        "title": message.title,
        "message": _shortened(message.text, MOST_NTFY_BYTES),
        "priority": URGENT if message.urgent else USUAL,
    }
    return _json(url, body, *_bearer(channel))


def _bearer(channel: Channel) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {channel.token}"),) if channel.token else ()


def _telegram(channel: Channel, message: Message) -> Post:
    base = (channel.url or TELEGRAM_URL).rstrip("/")
    body = {
        "chat_id": channel.to[0],
        "text": _cut(f"{message.title}\n\n{message.text}", MOST_TELEGRAM),
        "disable_notification": not message.urgent,
        "link_preview_options": {"is_disabled": True},
    }
    return _json(f"{base}/bot{channel.token}/sendMessage", body)


def _slack(channel: Channel, message: Message) -> Post:
    text = f"{message.title}\n{message.text}"
    for sign, written in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(sign, written)
    return _json(channel.url, {"text": _cut(text, MOST_SLACK), "unfurl_links": False, "mrkdwn": False})


def _discord(channel: Channel, message: Message) -> Post:
    text = f"{message.title}\n{message.text}".replace("`", "'")
    body = {"content": f"```\n{_cut(text, MOST_DISCORD)}\n```", "allowed_mentions": {"parse": []}}
    return _json(channel.url, body)


_FORMS: dict[str, Callable[[Channel, Message], Post]] = {
    NTFY: _ntfy,
    TELEGRAM: _telegram,
    SLACK: _slack,
    DISCORD: _discord,
}


def letter(channel: Channel, message: Message, now_us: int) -> EmailMessage:
    """The e-mail that tells it; sent again it has the same id, so that a mailbox can drop the second."""
    made = EmailMessage()
    made["From"] = channel.sender
    made["To"] = ", ".join(channel.to)
    made["Subject"] = " ".join(f"tradewarden: {message.title}".split())
    made["Date"] = format_datetime(datetime.fromtimestamp(now_us // 1_000_000, UTC))
    domain = channel.sender.rpartition("@")[2]
    made["Message-ID"] = f"<{message.message_id}@{domain}>"
    made["Auto-Submitted"] = "auto-generated"
    if message.urgent:
        made["X-Priority"] = "1"
    made.set_content(message.text + "\n")
    return made


def answered(channel: Channel, answer: Answer) -> Answer:
    """What the service said, with its own way of asking for patience, and without secrets."""
    if answer.status is not None and 200 <= answer.status < 300:
        return answer
    error = answer.error or f"status {answer.status}"
    said = answer.body.decode("utf-8", "replace").strip()
    retry_after = answer.retry_after
    if channel.kind == TELEGRAM and retry_after is None:
        retry_after = _telegram_patience(answer.body)
    return Answer(
        status=answer.status,
        error=channel.hide(f"{error}: {said[:200]}" if said else error),
        retry_after=retry_after,
    )


class _Parameters(msgspec.Struct):
    retry_after: int | None = None


class _Refusal(msgspec.Struct):
    parameters: _Parameters = msgspec.field(default_factory=_Parameters)


def _telegram_patience(body: bytes) -> str | None:
    try:
        seconds = msgspec.json.decode(body, type=_Refusal).parameters.retry_after
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return None if seconds is None else str(seconds)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _shortened(text: str, most_bytes: int) -> str:
    encoded = text.encode()
    return text if len(encoded) <= most_bytes else encoded[: most_bytes - 3].decode("utf-8", "ignore") + "…"
