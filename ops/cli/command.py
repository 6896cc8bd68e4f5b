"""What a subcommand is, and how it fails.

Exit codes: 0 done; 1 it failed; 2 it was called wrongly; 3 this version does not have it; 78 the settings
are bad.
"""

import argparse
import os
import sys
from collections.abc import Callable
from typing import NamedTuple

from config import Settings, load

MOST_DIGITS = 9
OK, FAILED, MISUSED, ABSENT, BAD_SETTINGS = 0, 1, 2, 3, 78


class Command(NamedTuple):
    """One subcommand: its help, an example, its arguments, and what it does (returns the exit code).

    `own_help`: what it runs is asked for `--help` itself.
    """

    summary: str
    example: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    own_help: bool = False


class Failed(Exception):
    """Ends a subcommand with one line on standard error."""

    def __init__(self, line: str, code: int = FAILED) -> None:
        super().__init__(line)
        self.line = line
        self.code = code


def settings() -> Settings:
    """The settings of this environment; raises config.SettingsError."""
    return load(os.environ)


def plain(text: str) -> str:
    """The text with escapes in the place of what can't be seen and could steer a terminal, or feign a line.

    In a line of JSON they mean what they stand for.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _escape(each) for each in text)


def _escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def say(line: str) -> None:
    """One line for people, on standard output; what others wrote in it is made `plain`."""
    print(plain(line), flush=True)


def complain(line: str) -> None:
    """One line for people, on standard error, likewise."""
    print(plain(f"tradewarden: {line}"), file=sys.stderr)


def written(given: str) -> str:
    """What a person wrote in an argument, as text that can be sent and kept.

    A terminal may give any bytes. What is no UTF-8 is replaced: it must not be what keeps a kill from
    being pulled.
    """
    return os.fsencode(given).decode(errors="replace")


def at_least_one(given: str) -> int:
    """How many; raises argparse.ArgumentTypeError for a number that is none."""
    if not given.isascii() or not given.isdigit() or len(given) > MOST_DIGITS or int(given) < 1:
        raise argparse.ArgumentTypeError(f"{given!r}: a whole number from 1 on is needed")
    return int(given)


def nothing(_parser: argparse.ArgumentParser) -> None:
    """For a subcommand that takes no arguments."""


def bare(error: BaseException) -> BaseException:
    """The one failure that a nursery carried out, or what was given."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def leaves(error: BaseException) -> list[BaseException]:
    """All failures that nurseries carried out, in their order, or what was given."""
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    return [leaf for each in error.exceptions for leaf in leaves(each)]
