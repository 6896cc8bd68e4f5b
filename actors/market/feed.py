"""How prices reach those who are no actors: the feeds of the web layer, the console, a test.

One object made by the composition root; MarketDataActor writes, everybody reads, synchronously. It outlives
the actor's lives, so a restarted one begins with the prices that were known. It keeps the newest mark of an
instrument and nothing else: whoever is slow drops what is old at his own end.
"""

from collections.abc import Callable

from actors.model.messages import Mark

MarkListener = Callable[[Mark], None]
"""Called with each new price. It must not raise and must not wait."""


class MarketFeed:
    """The newest marks, and who is told of each new one."""

    def __init__(self) -> None:
        self._marks: dict[tuple[str, str], Mark] = {}
        self._listeners: list[MarkListener] = []

    def marks(self) -> tuple[Mark, ...]:
        """The newest mark of every instrument, ordered by exchange and symbol."""
        return tuple(self._marks[place] for place in sorted(self._marks))

    def subscribe(self, listener: MarkListener) -> Callable[[], None]:
        """Call `listener` with each new mark from now on; return what ends that."""
        self._listeners = [*self._listeners, listener]

        def unsubscribe() -> None:
            self._listeners = [other for other in self._listeners if other is not listener]

        return unsubscribe

    def publish(self, mark: Mark) -> None:
        """Keep the mark and tell every listener; what they raise comes out together when all were told."""
        self._marks[mark.exchange, mark.symbol] = mark
        errors: list[Exception] = []
        for listener in self._listeners:
            try:
                listener(mark)
            except Exception as error:  # noqa: BLE001 - raised below, when all are told
                errors.append(error)
        if errors:
            raise ExceptionGroup("listeners to prices failed", errors)
