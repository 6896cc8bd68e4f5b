"""``python -m ops.lint.determinism [FOLDER…]``: print findings and exit with 1 when there are any."""

import sys
from pathlib import Path

from ops.lint.determinism.check import CHECKED_FOLDERS, check_files


def main(arguments: list[str]) -> int:
    """Check the given folders, or those that are always checked."""
    findings = check_files([Path(each) for each in arguments] or CHECKED_FOLDERS)
    for finding in findings:
        print(finding, file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
