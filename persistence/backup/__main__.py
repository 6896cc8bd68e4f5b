"""The child process that takes backups and tries them; see `persistence.backup.job`."""

import os
import sys

import msgspec

from persistence.backup.job import NICENESS, Job, perform

if __name__ == "__main__":
    os.nice(NICENESS)
    sys.stdout.buffer.write(
        msgspec.json.encode(perform(msgspec.json.decode(sys.stdin.buffer.read(), type=Job))) + b"\n"
    )
