"""The exchange that fills everything at once: to test and to measure the runtime without an exchange."""

from actors.broker.adapters.dummy.adapter import DummyExchange, build

__all__ = ["DummyExchange", "build"]
