"""The entry point: finds the subcommand, loads only what it needs, and turns failures into one line.

A subcommand is a module of `ops.cli` with a `COMMAND`. It is imported when it is called, so that
`tradewarden token` does not wait for the exchange library.
"""

import argparse
import importlib
import io
import os
import sys
from collections.abc import Sequence

from config import SettingsError
from ops.cli.command import BAD_SETTINGS, FAILED, OK, Command, Failed, bare, complain

MODULES: dict[str, tuple[str, str]] = {
    "run": ("ops.cli.run", "start the service"),
    "migrate": ("ops.cli.migrate", "bring the database's schema up to date"),
    "token": ("ops.cli.token", "make, list, rotate and revoke tokens"),
    "kill": ("ops.cli.kill", "stop trading, now"),
    "resume": ("ops.cli.resume", "let trading go on after a kill"),
    "verdict": ("ops.cli.verdict", "say that an exchange never took an unknown order"),
    "adjust": ("ops.cli.adjust", "record a balance change that no record tells"),
    "watch": ("ops.cli.watch", "show live orders, fills and positions"),
    "tree": ("ops.cli.tree", "show the live tree of supervisors and actors"),
    "audit": ("ops.cli.audit", "show who changed what, and from where"),
    "limits": ("ops.cli.limits", "show and change the risk limits, and what is used of them"),
    "webhook": ("ops.cli.webhook", "manage who is notified"),
    "watchdog": ("ops.cli.watchdog", "cancel our orders when the service falls silent"),
    "replay": ("ops.cli.absent", "fold the journal again and compare"),
    "simulate": ("ops.cli.absent", "play seeds of the deterministic simulation"),
    "venue": ("ops.cli.absent", "start a local exchange to trade against"),
    "verify": ("ops.cli.verify", "check the journal and all tables, also against a backup"),
    "backup": ("ops.cli.backup", "write a backup, list, check and try them, show the key"),
    "restore": ("ops.cli.restore", "bring a backup into an empty system, halted"),
    "secret": ("ops.cli.secret", "seal the keys of exchange accounts"),
    "doctor": ("ops.cli.doctor", "look for what would keep the service from working"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; the exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that has fewer signs is shown what it can show.
        sys.stdout.reconfigure(errors="replace")
    try:
        try:
            return _main(list(sys.argv[1:] if arguments is None else arguments))
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except (KeyboardInterrupt, OSError) as error:
        return tell(error) or FAILED


def _main(given: Sequence[str]) -> int:
    if not given or given[0] in {"-h", "--help", "help"}:
        print(overview())
        return OK
    if given[0] in {"-V", "--version"}:
        print(version())
        return OK
    name, rest = given[0], given[1:]
    if name not in MODULES:
        complain(f"there is no subcommand {name!r}; there are: {' '.join(MODULES)}")
        return 2
    command: Command = importlib.import_module(MODULES[name][0]).command(name)
    parser = parser_of(name, command)
    asked, unknown = parser.parse_known_args(rest)
    asked.rest = unknown
    if unknown and not getattr(asked, "passes_on", False):
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    return run(command, asked)


def run(command: Command, asked: argparse.Namespace) -> int:
    """Run a subcommand; what goes wrong becomes one line."""
    try:
        return command.run(asked)
    except BaseException as raised:
        code = tell(bare(raised))
        if code is None:
            raise
        return code


def tell(error: BaseException) -> int | None:
    """Say what went wrong, as the exit code does; None for a fault of ours, whose traceback is wanted."""
    match error:
        case Failed():
            complain(error.line)
            return error.code
        case SettingsError():
            complain(str(error))
            return BAD_SETTINGS
        case KeyboardInterrupt():
            return 130
        case BrokenPipeError():
            # Whoever read has had enough; nothing more can be told, not even at the end of the process.
            sys.stderr.close()
            return FAILED
        case OSError():
            _close_output()
            where = "" if error.filename is None else f"{error.filename}: "
            complain(f"{where}{error.strerror or error}")
            return FAILED
        case _:
            return None


def _close_output() -> None:
    """Where standard output takes nothing more, what is left goes nowhere: the end would stumble over it."""
    try:
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def parser_of(name: str, command: Command) -> argparse.ArgumentParser:
    """The parser of a subcommand, with its example under the help."""
    parser = argparse.ArgumentParser(
        prog=f"tradewarden {name}",
        description=command.summary,
        epilog=f"example:\n  {command.example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=not command.own_help,
    )
    command.configure(parser)
    return parser


def overview() -> str:
    """What there is."""
    width = max(len(name) for name in MODULES)
    lines = ["usage: tradewarden SUBCOMMAND [OPTIONS]", "", "subcommands:"]
    lines += [f"  {name:<{width}}  {summary}" for name, (_, summary) in MODULES.items()]
    lines += [
        "",
        "Settings come from the environment (TRADEWARDEN_...) or the file that TRADEWARDEN_CONFIG names.",
    ]
    lines += ["`tradewarden SUBCOMMAND --help` says more, with an example."]
    return "\n".join(lines)


def version() -> str:
    """The version that is installed."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("tradewarden")
    except PackageNotFoundError:
        return "0 (not installed)"


if __name__ == "__main__":
    sys.exit(main())
