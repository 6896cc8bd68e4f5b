"""Subcommands whose capability comes as a program of its own, or is not part of this version.

A program that is there is run with the arguments as given; one that is not says so and fails.
"""

import argparse

from ops.cli.command import ABSENT, Command, complain
from ops.lint.run_if_there import exists, main

PROGRAMS = {
    "simulate": "ops.proof.simulate",
    "venue": "ops.venue",
    "replay": "ops.proof.replay",
}
EXAMPLES = {
    "simulate": "tradewarden simulate --seeds 100",
    "venue": "tradewarden venue",
    "replay": "tradewarden replay",
}


def command(name: str) -> Command:
    """The subcommand of this name."""
    program = PROGRAMS[name]
    there = exists(program)
    note = "Its own options: see " + program if there else "This version of tradewarden does not have it."

    def configure(parser: argparse.ArgumentParser) -> None:
        parser.set_defaults(passes_on=True)

    def run(asked: argparse.Namespace) -> int:
        if not there:
            complain(f"{name}: this version does not have it; nothing was done")
            return ABSENT
        return main([program, *asked.rest])

    return Command(note, EXAMPLES[name], configure, run, own_help=there)
