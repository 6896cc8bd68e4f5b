"""Where a person is told: the kinds of channels, what each needs, and what of it may be shown."""

from urllib.parse import urlsplit

import msgspec

from actors.webhook.events import OPERATOR_EVENTS
from actors.webhook.ssrf import Allowed, Forbidden, check_url

NTFY, TELEGRAM, SLACK, DISCORD, EMAIL = "ntfy", "telegram", "slack", "discord", "email"
KINDS = (NTFY, TELEGRAM, SLACK, DISCORD, EMAIL)
TELEGRAM_URL = "https://api.telegram.org"
DEFAULT_EVENTS = (*OPERATOR_EVENTS, "order_unknown")
PAUSE_SECONDS = 60.0
SMTP_SCHEMES = {"smtps": 465, "smtp": 587, "smtp+plain": 25}
"""TLS from the first byte; STARTTLS, required; none, for a server that is trusted and near."""


class Incomplete(Exception):
    """A channel that can't work: `field` is what is wrong, `needs` what it has to be. Holds no secret."""

    def __init__(self, field: str, needs: str) -> None:
        super().__init__(f"{field}: {needs}")
        self.field = field
        self.needs = needs


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """One place to tell a person. `url` and `token` are secrets, since for some kinds whoever has the URL may
    write there; the repr shows neither. At most one message in `pause_seconds`, urgent ones sooner.
    """

    name: str
    kind: str
    url: str = ""
    token: str = ""
    user: str = ""
    to: tuple[str, ...] = ()
    sender: str = ""
    events: tuple[str, ...] = DEFAULT_EVENTS
    pause_seconds: float = PAUSE_SECONDS

    def __repr__(self) -> str:
        return f"Channel({self.name!r}, {self.kind!r})"

    @property
    def endpoint_id(self) -> str:
        """Its endpoint in the store."""
        return f"ep_notify{self.name}"

    @property
    def place(self) -> str:
        """Where it leads, as far as that may be shown."""
        split = urlsplit(self.url or TELEGRAM_URL)
        return f"{split.scheme}://{split.hostname}" + (f":{split.port}" if split.port else "")

    def hide(self, text: str) -> str:
        """The text without what must not be shown."""
        path = urlsplit(self.url)._replace(scheme="", netloc="").geturl()
        for secret in (self.url, self.token, path):
            if len(secret) > 1:
                text = text.replace(secret, "********")
        return text


def check(channel: Channel, allowed: Allowed) -> None:
    """Raise Incomplete for a channel that can't work."""
    if channel.kind not in KINDS:
        raise Incomplete("KIND", " or ".join(KINDS))
    if channel.kind == EMAIL:
        _check_email(channel)
        return
    if channel.kind == TELEGRAM:
        if not channel.token:
            raise Incomplete("TOKEN", "the token that @BotFather gave")
        if len(channel.to) != 1:
            raise Incomplete("TO", "the id of one chat")
    elif not channel.url:
        raise Incomplete("URL", f"the address of the {channel.kind} channel")
    if channel.kind == NTFY and not urlsplit(channel.url).path.strip("/"):
        raise Incomplete("URL", "an address with a topic, like https://ntfy.sh/my-topic")
    try:
        check_url(channel.url or TELEGRAM_URL, allowed)
    except Forbidden as error:
        raise Incomplete("URL", error.why) from None


def _check_email(channel: Channel) -> None:
    try:
        split = urlsplit(channel.url)
        usable = split.scheme in SMTP_SCHEMES and bool(split.hostname) and split.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise Incomplete("URL", "smtps://host, smtp://host (with STARTTLS) or smtp+plain://host")
    if not channel.to or not channel.sender:
        raise Incomplete("TO" if not channel.to else "FROM", "an address like ann@example.com")
    for each in (*channel.to, channel.sender):
        if "@" not in each or any(ord(sign) <= 32 or ord(sign) > 126 for sign in each):
            raise Incomplete("TO", "addresses like ann@example.com")
