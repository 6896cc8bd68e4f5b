"""`tradewarden watchdog`: the second process that cancels our orders when the service falls silent."""

import argparse
import signal

from config import Settings
from ops.cli.command import OK, Command, Failed, complain, nothing, settings


def command(_name: str) -> Command:
    """The subcommand."""
    return Command(
        "Cancel our orders when the service is silent for longer than DEAD_MAN_SECONDS, at exchanges that "
        "have no dead-man's switch of their own. Runs beside the service, until SIGTERM or Ctrl+C.",
        "TRADEWARDEN_CONFIG=~/.config/tradewarden/tradewarden.toml tradewarden watchdog",
        nothing,
        run,
    )


def run(_asked: argparse.Namespace) -> int:
    """Guard until asked to stop."""
    chosen = settings()
    import trio

    from config import logs

    logs.configure(chosen.log.level)
    try:
        trio.run(_guard, chosen)
    except OSError as error:
        raise Failed(f"can't start: {error}") from error
    return OK


def _complain(what: str, error: BaseException | None) -> None:
    complain(f"{what}: {error!r}")


async def _guard(chosen: Settings) -> None:
    import trio

    from ops.cli.choices import exchange_choices
    from persistence.postgres.pool import open_bridge
    from supervisors.deadman.line import SOCKET
    from supervisors.deadman.memory import FileMemory
    from supervisors.deadman.watchdog import Watchdog, serve_watchdog
    from supervisors.exchanges import guarded_by_watchdog, real_exchange
    from supervisors.process import SystemClock, instance_name

    clock, instance = SystemClock(), instance_name(chosen.data_dir)
    guarded = [each for each in exchange_choices(chosen) if guarded_by_watchdog(each)]
    if not guarded:
        raise Failed("no exchange of the settings wants a watchdog: see DEAD_MAN_SECONDS and DEAD_MAN")
    ports = {each.name: real_exchange(each, clock, instance, for_watchdog=True) for each in guarded}
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as stops:
        async with open_bridge(_complain), trio.open_nursery() as nursery:
            watchdog = Watchdog(FileMemory(chosen.data_dir), ports, clock)
            await nursery.start(serve_watchdog, watchdog, chosen.data_dir / SOCKET)
            print(f"watchdog: guards {', '.join(ports)} at {chosen.data_dir / SOCKET}", flush=True)
            async for _ in stops:
                break
            nursery.cancel_scope.cancel()
        for port in ports.values():
            await port.close()
