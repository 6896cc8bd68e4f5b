"""The endpoints as this process knows them: one plain object that the desk writes and the actor reads.

The store is the truth; this is what makes a new endpoint count from the moment at which its maker is told
so, without a question to the store for each event.
"""

from collections.abc import Callable, Iterable

import msgspec

from actors.webhook.port import Endpoint
from actors.webhook.schedule import HEALTHY, Health


class Roster:
    """All calls are synchronous. `on_change` is called after each change."""

    def __init__(self) -> None:
        self.endpoints: dict[str, Endpoint] = {}
        self.healths: dict[str, Health] = {}
        self._listeners: list[Callable[[], None]] = []

    def put(self, endpoint: Endpoint) -> None:
        """Know an endpoint, new or changed."""
        self.endpoints[endpoint.endpoint_id] = endpoint
        self._tell()

    def fall_behind(self, endpoint_id: str, seq: int) -> None:
        """Know that it was passed over after this record, for the first time or once more. Nobody is told."""
        self._set_behind(endpoint_id, seq)

    def catch_up(self, endpoint_id: str, seen: int | None) -> None:
        """Know that it is up to date, unless it was passed over since `seen` was its `behind_seq`."""
        endpoint = self.endpoints.get(endpoint_id)
        if endpoint is not None and endpoint.behind_seq == seen:
            self._set_behind(endpoint_id, None)

    def _set_behind(self, endpoint_id: str, seq: int | None) -> None:
        endpoint = self.endpoints.get(endpoint_id)
        if endpoint is not None:
            self.endpoints[endpoint_id] = msgspec.structs.replace(endpoint, behind_seq=seq)

    def drop(self, endpoint_id: str) -> None:
        """Know it no longer."""
        self.healths.pop(endpoint_id, None)
        if self.endpoints.pop(endpoint_id, None) is not None:
            self._tell()

    def replace(self, endpoints: Iterable[Endpoint]) -> None:
        """Know exactly these, as the store has them."""
        found = {each.endpoint_id: each for each in endpoints}
        if found != self.endpoints:
            self.endpoints = found
            self._tell()

    def health(self, endpoint_id: str) -> Health:
        """The endpoint's circuit, as its courier in this process has it."""
        return self.healths.get(endpoint_id, HEALTHY)

    def nudge(self) -> None:
        """Have everybody look again: there is something to send."""
        self._tell()

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` after each change; return what ends that."""
        self._listeners = [*self._listeners, listener]

        def end() -> None:
            self._listeners = [each for each in self._listeners if each is not listener]

        return end

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()
