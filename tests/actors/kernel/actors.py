"""Small actors that the tests of the kernel share."""

import trio

from actors.kernel import TrioActor


class Echo(TrioActor):
    """Answers what it is asked, raises what it is told to raise."""

    def __init__(self):
        super().__init__()
        self.seen = []
        self.events = []

    async def on_start(self):
        self.events.append("start")

    async def on_stop(self):
        self.events.append("stop")

    async def on_failure(self, error):
        self.events.append(("failure", error))

    def on_receive(self, message):
        self.seen.append(message)
        if isinstance(message, BaseException):
            raise message
        return message


class AsyncEcho(Echo):
    """The same with a handler that waits."""

    async def on_receive(self, message):
        await trio.lowlevel.checkpoint()
        return super().on_receive(message)


class Slow(Echo):
    """Takes as many seconds as it is told."""

    async def on_receive(self, message):
        if isinstance(message, int | float):
            await trio.sleep(message)
        return super().on_receive(message)
