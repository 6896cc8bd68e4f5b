"""What is done to an installation in the middle of its load; every kind of crash by its name.

Each returns when the damage is done and what caused it is over; whether the process lives then depends on the
kind. `Site` is what they may lay hands on.
"""

import time
from collections.abc import Callable
from random import Random

import httpx
import msgspec

from ops.proof.crash.disk import SmallDisk
from ops.proof.crash.link import Link
from ops.proof.crash.points import AT_KILL, AT_RESUME, AT_START, UNDER_LOAD
from ops.proof.crash.service import Service

POINT_SECONDS = 15.0
"""How long a process under load may take to reach the point at which it is to die."""


class Site(msgspec.Struct, kw_only=True):
    """One installation. Without `link` and `disk` it keeps its own database, at home."""

    service: Service
    rng: Random
    link: Link | None = None
    disk: SmallDisk | None = None
    note: str = ""
    """What besides the kind says what happened, for the report."""

    def pull(self) -> bool:
        """Pull the kill switch; whether it was acknowledged as durable."""
        try:
            answer = httpx.post(
                f"{self.service.url}/operator/kill",
                json={"reason": "crash test", "level": "halt"},
                headers={"authorization": f"Bearer {self.service.token}"},
                timeout=10.0,
            )
        except httpx.HTTPError:
            return False
        return answer.status_code == 200


def process(site: Site) -> None:
    """`kill -9`."""
    site.service.kill()


def during_the_start(site: Site) -> None:
    """Once more while it comes up."""
    site.service.kill()
    site.service.start()
    time.sleep(site.rng.uniform(0.2, 3.0))
    site.service.kill()


def at_a_point(site: Site) -> None:
    """At a named point under load."""
    point = site.rng.choice(UNDER_LOAD)
    site.service.arm(point, 1 if "snapshot" in point else site.rng.randint(1, 30))
    _die_there(site, point)


def at_a_point_of_the_start(site: Site) -> None:
    """At a named point while it comes up."""
    site.service.kill()
    point = site.rng.choice(AT_START)
    site.service.arm(point, 1)
    site.service.start()
    _die_there(site, point)


def at_a_point_of_a_kill(site: Site) -> None:
    """Between the kill switch and its latch: nobody was told that it holds."""
    point = site.rng.choice(AT_KILL)
    site.service.arm(point, 1)
    site.pull()
    _die_there(site, point)


def at_a_point_of_a_resume(site: Site) -> None:
    """Between a resume that is journaled and the latch that still stands."""
    point = site.rng.choice(AT_RESUME)
    if site.pull():
        site.service.arm(point, 1)
        resume(site)
        _die_there(site, point)


def _die_there(site: Site, point: str) -> None:
    reached = site.service.wait_dead(POINT_SECONDS)
    site.note = point if reached else f"{point}, not reached"
    site.service.kill()
    site.service.disarm()


def resume(site: Site) -> bool:
    """Lift every kill; whether that was answered."""
    try:
        answer = httpx.post(
            f"{site.service.url}/operator/resume",
            json={"reason": "crash test"},
            headers={"authorization": f"Bearer {site.service.token}"},
            timeout=20.0,
        )
    except httpx.HTTPError:
        return False
    return answer.status_code == 200


def database(site: Site) -> None:
    """Kill the server and all its backends."""
    site.service.kill_database()
    if site.link is not None:
        time.sleep(site.rng.uniform(0.0, 2.0))
        site.service.start_database()


def database_frozen(site: Site) -> None:
    """Stop the server's processes for a while, as a machine that swaps does."""
    site.service.freeze_database(site.rng.uniform(0.5, 4.0))


def database_and_process(site: Site) -> None:
    """Both at once, as a power cut."""
    site.service.kill()
    database(site)


def link_cut(site: Site) -> None:
    """The line to the database is reset, and there is none for a while."""
    link = _link(site)
    link.cut()
    time.sleep(site.rng.uniform(0.2, 4.0))
    link.heal()


def link_cut_and_process(site: Site) -> None:
    """The line goes first, then the process."""
    link = _link(site)
    link.cut()
    time.sleep(site.rng.uniform(0.0, 1.0))
    site.service.kill()
    link.heal()


def link_slow(site: Site) -> None:
    """Each piece takes a while, in both directions."""
    link = _link(site)
    link.delay_seconds = site.rng.uniform(0.05, 0.8)
    time.sleep(site.rng.uniform(2.0, 5.0))
    link.heal()


def link_silent(site: Site) -> None:
    """Nothing passes and nothing breaks; then all that waits is lost."""
    link = _link(site)
    link.held = True
    time.sleep(site.rng.uniform(1.0, 6.0))
    link.heal()


def answers_lost(site: Site) -> None:
    """The server does what it is asked and nobody hears of it: commits of unknown outcome."""
    link = _link(site)
    link.deaf = True
    time.sleep(site.rng.uniform(0.3, 3.0))
    link.heal()


def answers_lost_and_process(site: Site) -> None:
    """The same, and the process dies before it can find out."""
    link = _link(site)
    link.deaf = True
    time.sleep(site.rng.uniform(0.1, 1.0))
    site.service.kill()
    link.heal()


def disk_full(site: Site) -> None:
    """No room for journal, tables or the write-ahead log."""
    disk = _disk(site)
    disk.fill()
    time.sleep(site.rng.uniform(1.0, 4.0))
    if site.rng.random() < 0.5:
        site.service.kill()
        site.note = "then process"
    disk.free()
    site.service.start_database()


def _link(site: Site) -> Link:
    assert site.link is not None
    return site.link


def _disk(site: Site) -> SmallDisk:
    assert site.disk is not None
    return site.disk


AT_HOME: dict[str, Callable[[Site], None]] = {
    "process": process,
    "process during its start": during_the_start,
    "process at a point": at_a_point,
    "process at a point of its start": at_a_point_of_the_start,
    "process at a point of a kill": at_a_point_of_a_kill,
    "process at a point of a resume": at_a_point_of_a_resume,
    "database": database,
    "database frozen": database_frozen,
    "database and process": database_and_process,
}
LINKED: dict[str, Callable[[Site], None]] = {
    "process": process,
    "process at a point": at_a_point,
    "database": database,
    "database frozen": database_frozen,
    "link cut": link_cut,
    "link cut, then process": link_cut_and_process,
    "link slow": link_slow,
    "link silent": link_silent,
    "answers lost": answers_lost,
    "answers lost, then process": answers_lost_and_process,
    "disk full": disk_full,
}
KILL_SWITCH = "kill switch, then process"
KILL_SWITCH_DISK = "kill switch on a full disk, then process"
