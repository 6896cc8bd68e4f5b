"""Workers that do as they are told, and the stage on which a test puts them.

`stage.events` is what happened, in order: ("start", id), ("ready", id), ("stop", id), ("end", id, kind).
`stage.script[id]` says what the next starts of that worker do; without a script a start succeeds.
"""

from collections import defaultdict, deque

import trio

from actors.kernel import NullObserver, TrioActor
from supervisors.otp import Backoff, ChildSpec, SupervisorSpec, open_tree


class Worker(TrioActor):
    """Obeys: ("sleep", s), "boom", "stop", "shield"; answers anything else with its generation."""

    def __init__(self, stage, name):
        super().__init__()
        self.stage = stage
        self.name = name

    async def on_start(self):
        self.stage.events.append(("start", self.name))
        script = self.stage.script[self.name]
        step = script.popleft() if script else None
        if isinstance(step, BaseException):
            raise step
        if step == "hang":
            await trio.sleep_forever()
        elif step is not None:
            await trio.sleep(step)
        self.stage.events.append(("ready", self.name))
        self.stage.came_up[self.name].set()

    async def on_stop(self):
        self.stage.events.append(("stop", self.name))
        script = self.stage.stops[self.name]
        step = script.popleft() if script else None
        if isinstance(step, BaseException):
            raise step
        if step == "hang":
            await trio.sleep_forever()
        elif step is not None:
            await trio.sleep(step)

    async def on_receive(self, message):
        match message:
            case "boom":
                raise Boom(self.name)
            case "stop":
                self.stop()
            case "shutdown":
                self.cell.request_stop(self.stage.shutdown)
            case "kill":
                self.cell.kill()
                await trio.sleep_forever()
            case ("sleep", seconds):
                await trio.sleep(seconds)
        return self.generation


class Boom(Exception):
    """What a worker raises when it is told to."""


class Stage(NullObserver):
    """Makes specs of workers, notes what they do, and watches the restarts."""

    def __init__(self, system):
        from actors.kernel import ExitKind

        self.shutdown = ExitKind.SHUTDOWN
        self.system = system
        self.events = []
        self.restarts = []
        self.script = defaultdict(deque)
        self.stops = defaultdict(deque)
        self.ignored = set()
        self.came_up = defaultdict(trio.Event)
        system.observer = self
        system.dead_letters.listener = self.dead_letter

    def restarted(self, address, restarts, error):
        self.restarts.append((address, restarts))

    def ended(self, address, generation, exit_):
        self.events.append(("end", address.rpartition("/")[2], exit_.kind.value))

    def worker(self, name, **spec):
        spec.setdefault("address", name)
        return ChildSpec(
            id=name,
            start=lambda: None if name in self.ignored else Worker(self, name),
            **spec,
        )

    def supervisor(self, *children, id="top", **spec):  # noqa: A002 - it is the id of a spec
        spec.setdefault("backoff", Backoff.none())
        spec.setdefault("intensity", 3)
        spec.setdefault("period_seconds", 10.0)
        spec.setdefault("address", id)
        return SupervisorSpec(
            id=id,
            children=tuple(self.worker(child) if isinstance(child, str) else child for child in children),
            **spec,
        )

    def open(self, *children, **spec):
        """Open a tree of workers (names or specs) under one supervisor."""
        return open_tree(self.system, self.supervisor(*children, **spec))

    def tell(self, name, message):
        self.system.ref(name).tell(message)

    async def crash(self, *names):
        """Let all of `names` fail in the same moment, and wait until everybody is at rest."""
        for name in names:
            self.tell(name, "boom")
        await self.rest()

    async def crash_and_time(self, name):
        """Let `name` fail; return the seconds until it was ready again."""
        self.came_up[name] = trio.Event()
        began = trio.current_time()
        self.tell(name, "boom")
        await self.came_up[name].wait()
        return trio.current_time() - began

    async def rest(self):
        await trio.testing.wait_all_tasks_blocked()

    def generations(self, *names):
        return [self.system.ref(name).generation for name in names]

    def alive(self, *names):
        return [name for name in names if self.system.ref(name).is_alive()]

    def happened(self, kind):
        return [event[1] for event in self.events if event[0] == kind]
