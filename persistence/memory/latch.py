"""The latch's twin in memory, which can fail and be torn on demand."""

import trio

from actors.halt.port import LatchFailed


class MemoryLatch:
    """Implements `actors.halt.port.LatchFile`. `failing` says why calls fail, None that they don't."""

    def __init__(self, content: bytes | None = None, *, capacity: int = 8064) -> None:
        self.content = content
        self.capacity = capacity
        self.failing: str | None = None
        self.seconds = 0.0

    async def write(self, content: bytes) -> None:
        """Replace the content; it takes `seconds`."""
        if not content or len(content) > self.capacity:
            raise LatchFailed(f"a latch holds 1 to {self.capacity} bytes, not {len(content)}")
        await self._work()
        self.content = content

    async def read(self) -> bytes | None:
        """The content."""
        await self._work()
        return self.content

    async def clear(self) -> None:
        """Forget the content."""
        await self._work()
        self.content = None

    async def _work(self) -> None:
        await trio.sleep(self.seconds)
        if self.failing is not None:
            raise LatchFailed(self.failing)
