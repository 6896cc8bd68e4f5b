"""`tradewarden verify`: the whole database, checked against itself and against a backup's manifest."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ops.cli.command import FAILED, OK, Command, Failed, complain, settings
from ops.cli.keys import configure_keys, keys_of

if TYPE_CHECKING:
    from persistence.backup import Manifest


def command(_name: str) -> Command:
    """The subcommand."""
    return Command(
        "Check the journal's chain, its head, and every order, fill, position and snapshot against a replay. "
        "A journal that was cut at its end is found with --manifest: it holds where the journal once stood. "
        "The service may run meanwhile. Prints the number of records and the head's hash; exit 1 if anything "
        "is wrong.",
        "tradewarden verify --manifest backups/20261125T030000Z-4711/manifest.json",
        configure,
        run,
    )


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument(
        "--manifest", type=Path, help="a backup's folder or manifest.json; its proof is checked too"
    )
    configure_keys(parser)


def run(asked: argparse.Namespace) -> int:
    """Check everything and print what was found."""
    import psycopg

    from ops.cli.database import database, up_to_date
    from persistence.postgres.audit import Anchor, audit

    anchor = None
    if asked.manifest is not None:
        head = _believed(asked.manifest, asked.keys).head
        anchor = Anchor(seq=head.seq, hash=head.hash)
    with database(settings()) as dsn:
        up_to_date(dsn)
        try:
            found = audit(dsn, anchor)
        except psycopg.Error as error:
            raise Failed(f"the database can't be read: {' '.join(str(error).split())}") from error
    for finding in found.findings:
        complain(str(finding))
    print(f"{found.seq} records, {'broken' if found.findings else 'unbroken'}\n{found.hash}")
    compared = f"{found.orders} orders, {found.fills} fills, {found.positions} positions compared"
    if anchor is not None and not found.findings:
        compared += f"; it contains the journal of the manifest, which ended at {anchor.seq}"
    print(compared, file=sys.stderr)
    return FAILED if found.findings else OK


def _believed(path: Path, keys_file: Path | None) -> "Manifest":
    from persistence.backup import manifest as manifests
    from persistence.backup.errors import BackupError
    from persistence.backup.shelf import read_manifest

    try:
        manifest = read_manifest(path.resolve() if path.is_dir() else path.resolve().parent)
        manifests.authenticate(manifest, keys_of(keys_file))
    except BackupError as error:
        raise Failed(f"{error.code}: {error}") from error
    return manifest
