"""`make bench`: everything that is measured, one JSON object a line, `{"name", "value", "unit"}`.

Kernel, journal and risk are measured in this process, the service in processes of its own. `--quick` leaves
out the 100,000 orders of the memory figures.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping

import trio

from ops.bench import journal, kernel, kill, risk, service


def rows(*, quick: bool) -> Iterator[Mapping[str, object]]:
    """All figures, in the order of how long they take."""
    yield from trio.run(kernel.measure)
    yield from risk.measure()
    yield from journal.measure()
    yield from kill.measure()
    yield from service.run(with_memory=not quick)


def show(found: Iterable[Mapping[str, object]]) -> None:
    """Print each row as soon as it is there."""
    for row in found:
        sys.stdout.write(json.dumps(row) + "\n")
        sys.stdout.flush()


def main(arguments: list[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m ops.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="leave out the memory figures")
    show(rows(quick=parser.parse_args(arguments).quick))


if __name__ == "__main__":
    main(sys.argv[1:])
