"""What many seeds came to: how large they were, which faults fired, what was reached, what was violated."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from ops.proof.plan import KINDS
from ops.proof.play import Result
from ops.proof.results import commit
from ops.proof.sometimes import EDGES, MARKERS


def tell_failure(result: Result, played: str = "") -> None:
    """Print what a seed violated and how to see it again."""
    if not result.violations:
        return
    for violation in result.violations[:10]:
        print(f"seed {result.seed}: {violation.rule}: {violation.what}")
    more = len(result.violations) - 10
    print(f"seed {result.seed}: {len(result.violations)} violations at commit {played or commit()}")
    print(
        f"  replay: make simulate SEED={result.seed}" + (f"   ({more} more)" if more > 0 else ""), flush=True
    )


def report(results: Sequence[Result], seconds: float) -> None:
    """Print it all. `seconds` is how long it took on the wall."""
    cpu = sum(result.cpu_seconds for result in results)
    print(f"{len(results)} seeds in {seconds:.0f} s, {cpu:.0f} s of processor time")
    print(
        f"a seed on average: {_mean(results, lambda r: r.orders)} orders,"
        f" {_mean(results, lambda r: r.clients)} clients,"
        f" {_mean(results, lambda r: r.exchanges)} exchanges, {_mean(results, lambda r: r.symbols)} symbols,"
        f" {_mean(results, lambda r: r.records)} records, {_mean(results, lambda r: r.processes)} processes,"
        f" {_mean(results, lambda r: r.cpu_seconds)} s of processor time"
    )
    _table("faults fired:", KINDS, [result.fired for result in results])
    _table("sometimes:", MARKERS, [result.markers for result in results])
    _table("edges of the order table:", EDGES, [result.edges for result in results])
    failed = [result.seed for result in results if result.violations]
    print(f"violations: {len(failed)} seeds {failed[:20] if failed else ''}")


def _mean(results: Sequence[Result], of: Callable[[Result], float]) -> str:
    return f"{sum(map(of, results)) / max(1, len(results)):.1f}"


def _table(title: str, expected: Iterable[str], counted: Sequence[dict[str, int]]) -> None:
    """Everything that was expected and everything that came besides; what never came is said at the end."""
    total, seeds = Counter[str](), Counter[str]()
    for counts in counted:
        total.update(counts)
        seeds.update(name for name, count in counts.items() if count)
    names = (*expected, *sorted(total.keys() - set(expected)))
    print(title)
    for name in names:
        print(f"  {name:60} {total[name]:8}   in {seeds[name]} seeds")
    never = [name for name in names if not total[name]]
    print(f"  never: {', '.join(never) if never else 'none'}")
