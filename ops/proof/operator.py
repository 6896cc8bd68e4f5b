"""The operator: pulls the kill switch, lifts it again, gives verdicts, and writes down what was answered.

A kill whose process dies before it answers is pulled again at the next process, as a person would.
"""

from random import Random

import trio

from actors.model import results as r
from actors.model.messages import RecordAbsence
from actors.model.order import Submission
from ops.proof.people import Call, KillNote, ResumeNote
from ops.proof.weather import Gust
from ops.proof.world import World

REFUSING_SECONDS = 3.0

VERDICT_AFTER = 20.0
"""How long an order may be unresolved before the operator says that it was never taken; longer than any
request can be on its way.
"""


async def pull_and_resume(world: World, rng: Random, seconds: float) -> None:
    """One kill, kept for a while, then lifted."""
    exchange = rng.choice((None, None, rng.choice(world.plan.exchanges)))
    symbol = rng.choice((None, None, rng.choice(world.plan.symbols)))
    await pull(world, rng.choice(("halt", "cancel", "flatten")), exchange, symbol)
    await trio.sleep(seconds)
    await resume(world)


async def pull(world: World, level: str, exchange: str | None, symbol: str | None) -> KillNote:
    """Pull the kill switch until somebody has acknowledged it."""
    while True:
        process = world.process
        note = KillNote(
            life=0 if process is None else process.life.number,
            level=level,
            exchange=exchange,
            symbol=symbol,
            began=trio.current_time(),
            ready=process is not None and not process.runtime.readiness(),
            sending=tuple(
                submit.order_id
                for submit in world.submits
                if submit.over is None and process is not None and submit.life == process.life.number
            ),
        )
        call = Call(client=-1, what="kill", request="", life=0, began=note.began)
        result = await world.ask(
            call,
            lambda port: port.kill(
                level=level,
                exchange=exchange,
                symbol=symbol,
                reason="simulated",
                by="operator",
                correlation_id="kill",
            ),
        )
        if isinstance(result, r.KillResult):
            note.acknowledged = trio.current_time()
            note.kill_id, note.durable, note.in_flight = result.kill_id, result.durable, result.in_flight
            world.kills.append(note)
            return note
        await trio.sleep(0.2)


async def resume(world: World) -> None:
    """Resume until somebody says that nothing is held any more."""
    while True:
        process = world.process
        note = ResumeNote(life=0 if process is None else process.life.number, asked=trio.current_time())
        world.resumes.append(note)
        call = Call(client=-1, what="resume", request="", life=0, began=note.asked)
        result = await world.ask(
            call, lambda port: port.resume(reason="simulated", by="operator", correlation_id="resume")
        )
        if isinstance(result, r.Resumed):
            note.answered, note.kill_ids = trio.current_time(), result.kill_ids
            return
        await trio.sleep(0.5)


async def office(world: World) -> None:
    """Resume what the faults left behind, and give verdicts where nothing can be proven."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_give_verdicts, world)
        await trio.sleep_until(world.plan.calm_from)
        for _ in range(3):
            await resume(world)
            await trio.sleep(10.0)
        if world.plan.ends_killed:
            nursery.start_soon(_refuse_cancels, world)
            await pull(world, world.plan.ends_killed, None, None)
        await trio.sleep_forever()


async def _refuse_cancels(world: World) -> None:
    """The kill that stays meets exchanges that let go of nothing at first: asking once is not enough."""
    if not world.plan.faults:
        return
    gust = Gust(kind="cancel_refused", chance=1.0, rng=Random(world.plan.seed))
    for weather in world.weathers.values():
        weather.gusts.append(gust)
    await trio.sleep(REFUSING_SECONDS)
    for weather in world.weathers.values():
        weather.gusts.remove(gust)


async def _give_verdicts(world: World) -> None:
    unresolved: dict[str, float] = {}
    while True:
        await trio.sleep(5.0)
        process = world.process
        if process is None:
            continue
        now = trio.current_time()
        for order in tuple(process.runtime.port.book.orders.values()):
            intent = order.intent
            if (
                intent.exchange not in world.plan.no_proof_of_absence
                or order.submission is not Submission.UNKNOWN
            ):
                unresolved.pop(order.order_id, None)
                continue
            since = unresolved.setdefault(order.order_id, now)
            taken = any(
                item.venue_id == intent.venue_id for item in world.venues[intent.exchange].listed.values()
            )
            if now - since > VERDICT_AFTER and not taken:
                verdict = RecordAbsence(order_id=order.order_id, by="operator", reason="looked, not there")
                process.runtime.system.ref(f"broker/{intent.exchange}").tell(verdict)
                world.markers["an operator's verdict"] += 1
