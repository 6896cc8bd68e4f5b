"""`tradewarden secret`: the key pairs of exchange accounts, sealed in the data folder.

A secret is never an argument, where every user of the machine could read it: it is typed, or comes by
standard input.
"""

import argparse
import getpass
import sys
from pathlib import Path

from config import Settings
from ops.cli.command import OK, Command, Failed, settings
from persistence.backup.errors import BackupError
from persistence.backup.sealing import read_keys
from persistence.vault import NAME, Pair, Vault, VaultError


def command(_name: str) -> Command:
    """The subcommand."""
    return Command(
        "Seal the key pair of an exchange account in the data folder, list the names, or remove one. "
        "A running service takes a new pair within seconds. The passphrase is that of the settings "
        "(TRADEWARDEN_SECRETS__PASSPHRASE_FILE), or the keys (TRADEWARDEN_SECRETS__KEYS).",
        "tradewarden secret set binance < key-and-secret.txt",
        configure,
        run,
    )


def configure(parser: argparse.ArgumentParser) -> None:
    """The actions and their arguments."""
    actions = parser.add_subparsers(required=True, metavar="set|list|remove|reseal", dest="action")
    for name, text in (
        ("set", "take the key and the secret, typed or as two lines of standard input"),
        ("remove", "forget the pair of an exchange"),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument("exchange", help="its name in TRADEWARDEN_EXCHANGES")
    actions.add_parser("list", help="the exchanges that have a pair")
    reseal = actions.add_parser("reseal", help="seal everything anew with the passphrase of the settings")
    reseal.add_argument(
        "--old-passphrase-file", type=Path, required=True, help="a file with the passphrase until now"
    )


def run(asked: argparse.Namespace) -> int:
    """Do it; what goes wrong becomes one line that shows no secret."""
    chosen = settings()
    chosen.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        vault = vault_of(chosen)
        if asked.action == "reseal":
            old = asked.old_passphrase_file.read_text(encoding="utf-8-sig").strip()
            pairs = Vault(chosen.data_dir / NAME, passphrase=old).read()
            vault.write(pairs)
            print(f"{len(pairs)} pairs sealed anew")
            return OK
        return _change(asked, vault)
    except (VaultError, BackupError) as error:
        raise Failed(f"{error.code}: {error}") from error
    except OSError as error:
        raise Failed(f"{asked.old_passphrase_file}: {error.strerror}") from error


def vault_of(chosen: Settings) -> Vault:
    """The vault of the settings; raises BackupError when its key file can't be read."""
    secrets = chosen.secrets
    return Vault(
        chosen.data_dir / NAME,
        passphrase=None if secrets.passphrase is None else secrets.passphrase.reveal(),
        keys=None if secrets.keys_file is None else read_keys(secrets.keys_file),
    )


def _change(asked: argparse.Namespace, vault: Vault) -> int:
    pairs = vault.read()
    if asked.action == "list":
        for name in sorted(pairs):
            print(name)
        return OK
    if asked.action == "set":
        pairs[asked.exchange] = _ask()
    elif pairs.pop(asked.exchange, None) is None:
        raise Failed(f"there is no pair for {asked.exchange}")
    vault.write(pairs)
    return OK


def _ask() -> Pair:
    if sys.stdin.isatty():
        pair = Pair(api_key=getpass.getpass("API key: "), api_secret=getpass.getpass("API secret: "))
    else:
        lines = [line.strip() for line in sys.stdin.read().splitlines() if line.strip()]
        if len(lines) != 2:
            raise Failed("standard input has to hold two lines: the key, then the secret")
        pair = Pair(api_key=lines[0], api_secret=lines[1])
    if not pair.api_key or not pair.api_secret:
        raise Failed("the key and the secret must not be empty")
    return pair
