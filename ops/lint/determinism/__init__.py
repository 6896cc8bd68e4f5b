"""The lint that keeps the core repeatable: same seed, same inputs, same journal, byte for byte.

In the checked folders there is no wall clock, no random identifier, no randomness that was not handed in,
and no walk over a set, whose order changes from process to process. Clocks, ids and generators are
injected. A line that must do it all the same says why, with the one marker ``# not-deterministic: reason``.
"""

from ops.lint.determinism.check import CHECKED_FOLDERS, check_files, check_sources
from ops.lint.determinism.finding import MARKER, Finding

__all__ = ["CHECKED_FOLDERS", "MARKER", "Finding", "check_files", "check_sources"]
