"""`make risk-proof`: a million attempts against the risk check, judged from the journal alone.

Fifty clients place orders of every kind, most of them near a limit, while orders are acknowledged, filled in
parts, cancelled, lost and found, filled after their end; prices move, limits change, kills come and go, the
store fails, RiskActor is restarted. An independent judge reads every committed event and stops the run at the
first acceptance that takes a limit past its value. In the end everything is closed, and nothing may be left
reserved. The run is a function of its seed.
"""

import argparse
import decimal
import hashlib
import json
import logging
import sys
from collections.abc import Callable
from decimal import Decimal

import trio

from actors.kernel import open_system
from ops.proof import determinism
from ops.proof.risk_checker import Unfounded
from ops.proof.risk_driver import LIMITS, Driver
from ops.proof.risk_world import RiskWorld

EPISODE = 10_000
"""Attempts in one world."""


class Told:
    """What a proof counted, summed up over its episodes."""

    def __init__(self, seed: str) -> None:
        self.seed = seed
        self.episodes = self.attempts = self.events = self.accepted = 0
        self.refused = self.restarts = self.breaches = 0
        self.denied: dict[str, int] = {}
        self.tightest: dict[str, Decimal] = {}
        self._hash = hashlib.sha256()

    def add(self, driver: Driver) -> None:
        """An episode is over, and good."""
        world, checker = driver.world, driver.world.checker
        self.episodes += 1
        self.attempts += driver.attempts
        self.events += world.log.head
        self.accepted += checker.accepted
        self.refused += driver.refused
        self.restarts += driver.restarts
        self.breaches += checker.breached
        for code, count in checker.denied.items():
            self.denied[code] = self.denied.get(code, 0) + count
        for name, used in checker.tightest.items():
            self.tightest[name] = max(used, self.tightest.get(name, used))
        self._hash.update(world.log.head_hash)

    def numbers(self) -> dict[str, object]:
        """All of it; `tightest` is the largest share of each limit that an accepted order reached."""
        return {
            "seed": self.seed,
            "attempts": self.attempts,
            "episodes": self.episodes,
            "events": self.events,
            "accepted": self.accepted,
            "denied": dict(sorted(self.denied.items())),
            "refused": self.refused,
            "restarts": self.restarts,
            "breaches": self.breaches,
            "tightest": {name: f"{used:.6f}" for name, used in sorted(self.tightest.items())},
            "journal": self._hash.hexdigest(),
        }


async def episode(seed: str, attempts: int) -> Driver:
    """Open a fresh world, drive it, close everything; raise Unfounded when it fails."""
    async with open_system() as system:
        world = RiskWorld(system, seed, LIMITS)
        await world.open()
        driver = Driver(world, seed)
        await driver.begin()
        await trio.sleep(1)
        world.store.trouble = 0.0005
        while driver.attempts < attempts:
            await driver.step()
            if world.store.verdict is not None:
                raise world.store.verdict
        await driver.close_everything()
        driver.check_nothing_reserved()
        world.checker.finish()
        if world.store.verdict is not None:
            raise world.store.verdict
        if world.checker.books.working:
            raise Unfounded(f"the judge has {len(world.checker.books.working)} orders open")
        return driver


def prove(seed: str, attempts: int, tell: Callable[[str], None]) -> dict[str, object]:
    """Run the whole proof in episodes; raise Unfounded when it fails. Returns what happened, in numbers.

    Each episode begins with fresh accounts, for in a long one the clients would sooner or later have lost all
    their money, and then nothing but the margin would be tested.
    """
    told = Told(seed)
    # The judge's sums must be exact; what decides in the room carries its own context.
    with decimal.localcontext(decimal.Context(prec=76)):
        while told.attempts < attempts:
            name = f"{seed}/{told.episodes}"
            wanted = min(EPISODE, attempts - told.attempts)
            try:
                told.add(determinism.run(episode, name, wanted, seed=name))
            except Unfounded as error:
                raise Unfounded(f"in episode {told.episodes}: {error}") from error
            tell(f"{told.attempts} attempts, {told.accepted} accepted, {told.events} events")
    return told.numbers()


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], epilog="example: make risk-proof SEED=7"
    )
    parser.add_argument("--seed", default="1")
    parser.add_argument("--attempts", type=int, default=1_000_000)
    chosen = parser.parse_args()
    logging.disable(logging.WARNING)
    try:
        result = prove(chosen.seed, chosen.attempts, lambda line: print(line, file=sys.stderr))
    except Unfounded as error:
        print(f"risk-proof: FAILED with seed {chosen.seed}: {error}", file=sys.stderr)
        return 1
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
