"""The runtime of a simulated process: the tree as it is, whose actors can be made to fail in any handler.

A failing handler raises before it has done its work, or after it: then what it told others is on its way and
its own state is lost, which is the worse of the two.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from types import CoroutineType

from actors.kernel import TrioActor
from actors.kernel.mailbox import Mailbox
from supervisors.otp import ChildSpec, SupervisorSpec
from supervisors.tree import Choices, Outside, Runtime

SMALL_MAILBOX = 2048
"""Mailboxes hold no more than this, so that filling one takes no time worth mentioning."""


class Sabotaged(Exception):
    """The failure that was asked for."""


class Saboteur:
    """Which actors fail at their next message, and how."""

    def __init__(self) -> None:
        self._armed: dict[str, tuple[str, str]] = {}
        self.struck: list[tuple[str, str]] = []
        self.addresses: dict[str, None] = {}

    def arm(self, address: str, when: str, message: str = "") -> None:
        """Make the actor at the address fail `before` or `after` it handles its next message, or the next one
        whose type is called so or begins so.
        """
        self._armed[address] = when, message

    def disarm(self) -> None:
        """Let everybody live."""
        self._armed.clear()

    def wrap(self, address: str, actor: TrioActor) -> TrioActor:
        """The same actor with a handler that can be made to fail."""
        handle = actor.on_receive
        armed = self._armed
        self.addresses[address] = None

        def on_receive(message: object) -> object:
            when, wanted = armed.get(address, ("", ""))
            if not when or not type(message).__name__.startswith(wanted):
                return handle(message)
            del armed[address]
            self.struck.append((address, type(message).__name__))
            if when == "before":
                raise Sabotaged(f"{address} before {type(message).__name__}")
            result = handle(message)
            if isinstance(result, CoroutineType):
                return _then_fail(result, address)
            raise Sabotaged(f"{address} after {type(message).__name__}")

        actor.on_receive = on_receive  # type: ignore[method-assign]
        spec = replace(actor.mailbox, capacity=min(actor.mailbox.capacity, SMALL_MAILBOX))
        actor._create_actor_inbox = lambda: Mailbox(spec)  # type: ignore[method-assign]
        return actor


async def _then_fail(result: "CoroutineType[object, object, object]", address: str) -> object:
    await result
    raise Sabotaged(f"{address} after it had waited")


class SimRuntime(Runtime):
    """`supervisors.tree.Runtime`; every actor passes through the saboteur's hands when it is made."""

    def __init__(self, outside: Outside, choices: Choices, saboteur: Saboteur) -> None:
        super().__init__(outside, choices)
        self._saboteur = saboteur

    def root(self) -> SupervisorSpec:
        """The root as it is, with wrapped actors."""
        return self._wrapped(super().root())

    def trading(self) -> SupervisorSpec:
        """The rest of the tree as it is, with wrapped actors."""
        return self._wrapped(super().trading())

    def _wrapped(self, spec: SupervisorSpec) -> SupervisorSpec:
        return replace(spec, children=tuple(self._children(spec)))

    def _children(self, spec: SupervisorSpec) -> Iterator[ChildSpec | SupervisorSpec]:
        for child in spec.children:
            if isinstance(child, SupervisorSpec):
                yield self._wrapped(child)
            else:
                yield replace(child, start=self._start(child.address or child.id, child.start))

    def _start(self, address: str, start: Callable[[], TrioActor | None]) -> Callable[[], TrioActor | None]:
        def wrapped() -> TrioActor | None:
            actor = start()
            return None if actor is None else self._saboteur.wrap(address, actor)

        return wrapped
