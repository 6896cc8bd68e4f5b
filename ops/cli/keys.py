"""The keys of backups, for the subcommands that need them."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from config import Settings
from ops.cli.command import settings

if TYPE_CHECKING:
    from persistence.backup import Keys


def configure_keys(parser: argparse.ArgumentParser) -> None:
    """Which key file to use. A key itself is never an argument: others could read it."""
    parser.add_argument(
        "--keys", type=Path, metavar="FILE", help="the key file of the backups, if not that of the settings"
    )


def keys_file(chosen: Settings) -> Path:
    """Where the keys lie."""
    return chosen.backup.keys_file or chosen.data_dir / "backup.key"


def keys_of(file: Path | None) -> "Keys":
    """The keys of the file, or those of the settings; raises BackupError."""
    from persistence.backup.sealing import read_keys

    return read_keys(file or keys_file(settings()))
