"""`python -m ops.venue`."""

import sys

from ops.venue.main import run

if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
