"""What the handlers work with, made once by whoever wires the application."""

from typing import Protocol

import msgspec
import trio

from actors.model.clock import Clock
from actors.webhook.desk import WebhookDesk
from web.audit import AuditTrail, MemoryAudit
from web.auth.guesses import Guesses
from web.auth.keyring import Keyring
from web.auth.port import TokenStore
from web.hooks.desk import HookDesk
from web.observability import Metrics
from web.port import CommandPort


class LogThreshold(Protocol):
    """Below which level the process writes no log lines."""

    @property
    def level(self) -> str: ...

    def set(self, level: str) -> None:
        """Move it, now."""
        ...


class FixedThreshold:
    """For a process whose log is not ours to change."""

    level = "INFO"

    def set(self, level: str) -> None:
        """Take note only."""
        self.level = level


class EdgeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`wait_seconds`: how long an answer may wait for the exchange.

    `max_commands`: how many orders at a time. With `two_people` something takes two operators: then no
    operator may make or renew the token of another one.
    """

    wait_seconds: float = 5.0
    max_commands: int = 64
    version: str = "0.1.0"
    two_people: bool = False


class Services(msgspec.Struct, frozen=True, kw_only=True):
    """Handed to every handler. `webhooks` None: there are none in this process.

    `turn` is taken for work that lasts milliseconds, so that others get theirs in between.
    """

    port: CommandPort
    keyring: Keyring
    tokens: TokenStore
    metrics: Metrics
    clock: Clock
    settings: EdgeSettings
    webhooks: WebhookDesk | None = None
    hooks: HookDesk = msgspec.field(default_factory=HookDesk)
    log: LogThreshold = msgspec.field(default_factory=FixedThreshold)
    audit: AuditTrail = msgspec.field(default_factory=lambda: AuditTrail(MemoryAudit()))
    guesses: Guesses = msgspec.field(default_factory=Guesses)
    turn: trio.Lock = msgspec.field(default_factory=trio.Lock)
