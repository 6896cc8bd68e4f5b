"""The running service, for subcommands that ask it over its API."""

import argparse
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import httpx
import trio

from config import Settings
from ops.cli.command import Failed, bare, settings
from web.client import ApiError, Client, Unreachable

T = TypeVar("T")
ClientT = TypeVar("ClientT", bound=Client)


def configure_access(parser: argparse.ArgumentParser, *, again: bool = False) -> None:
    """Where the service is and which token to use.

    A token itself is never an argument: others could read it. `again`: the parser of an action whose command
    takes the same options before it.
    """
    default = argparse.SUPPRESS if again else None
    parser.add_argument(
        "--url",
        dest="service",
        metavar="URL",
        default=default,
        help="where the service is (default: the address in the settings)",
    )
    parser.add_argument(
        "--token-file",
        type=Path,
        default=default,
        help="a file that holds the token (default: TRADEWARDEN_TOKEN, else `token` in the data folder)",
    )
    parser.add_argument(
        "--ca-file",
        type=Path,
        default=default,
        help="a certificate to trust (default: that of the settings, if any)",
    )


def ask(asked: argparse.Namespace, work: Callable[[Client], Awaitable[T]]) -> T:
    """Do something with the service; what goes wrong becomes one line."""
    return ask_as(Client, asked, work)


def ask_as(kind: type[ClientT], asked: argparse.Namespace, work: Callable[[ClientT], Awaitable[T]]) -> T:
    """Do something that this kind of client can."""
    chosen = settings()
    url = checked_url(asked.service) if asked.service else url_of(chosen)
    token = token_of(chosen, asked.token_file)
    trust = trust_of(chosen, asked.ca_file)

    async def main() -> T:
        client = kind(url, token, trust=trust, attempts=1)
        async with client:
            return await work(client)

    try:
        return trio.run(main)
    except (ApiError, Unreachable, BaseExceptionGroup) as raised:
        error = bare(raised)
        if isinstance(error, ApiError):
            raise Failed(f"{error.code}: {error.detail}") from error
        if isinstance(error, Unreachable):
            raise Failed(f"{error}; is it running? (`tradewarden run`)") from error
        raise


def checked_url(given: str) -> str:
    """The address as it was given, if it is one; raises Failed."""
    try:
        url = httpx.URL(given)
    except httpx.InvalidURL as error:
        raise Failed(f"--url {given[:100]!r} is no address: {error}") from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise Failed(f"--url {given[:100]!r} is no address such as http://127.0.0.1:8085")
    return given


def url_of(chosen: Settings) -> str:
    """Where the service of these settings listens."""
    host = chosen.bind.host
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104 - compared, not bound
        host = "127.0.0.1"
    scheme = "https" if chosen.tls else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{chosen.bind.port}"


def trust_of(chosen: Settings, file: Path | None) -> ssl.SSLContext | None:
    """What is trusted besides the usual authorities; None for them alone."""
    path = file or (chosen.tls.cert if chosen.tls else None)
    if path is None:
        return None
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(path)
    except OSError as error:
        raise Failed(f"{path} can't be used as a certificate: {error.strerror or error}") from error
    return context


def token_of(chosen: Settings, file: Path | None) -> str:
    """The token to use."""
    if file is None and chosen.token is not None:
        return chosen.token.reveal()
    path = file or chosen.data_dir / "token"
    try:
        token = path.read_text(encoding="ascii", errors="replace").strip()
    except OSError as error:
        raise Failed(
            f"no token: TRADEWARDEN_TOKEN is not set and {path} can't be read ({error.strerror}); "
            "make one with `tradewarden token create`, or name its file with --token-file"
        ) from error
    if not token:
        raise Failed(f"{path} is empty; a token is needed in it")
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise Failed(f"{path} holds no token: printable ASCII characters without spaces are needed")
    return token
