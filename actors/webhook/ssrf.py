"""Where a webhook may go, so that nobody can use it to reach into the network that it is sent from. Pure.

Two gates. A URL is judged when an endpoint is made: https, no user info, no numbers in disguise. An address
is judged at every connect, after the name was resolved, and the connection is made to that very address: a
name that answers differently the second time gains nothing. Redirects are not followed at all.

A host that the operator lists may be on the local network and may use plain http; link-local addresses,
where clouds keep their credentials, stay closed even then unless the address itself is listed.
"""

import ipaddress
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

import httpx
import msgspec

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

MOST_URL = 2048
_HOST = re.compile(
    r"(?=.{1,253}\.?$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\.?",
    re.ASCII,
)
_NUMBER = re.compile(r"(0x[0-9a-f]*|[0-9]+)", re.ASCII)
_LINK_LOCAL = (ipaddress.ip_network("169.254.0.0/16"), ipaddress.ip_network("fe80::/10"))

_CLOSED = tuple(
    ipaddress.ip_network(each)
    for each in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/96",
        "::ffff:0:0/96",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)
"""What is not the open internet: own, private, shared, documentation, multicast, reserved, and the wrappings
of IPv4 in IPv6 that lead to any of them. A list of ours, since libraries differ by version.
"""
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")


class Forbidden(Exception):
    """A place where no webhook may go; `what` was asked for, `why` it is refused."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what[:120]!r}: {why}")
        self.what = what
        self.why = why


class Allowed(msgspec.Struct, frozen=True):
    """Hosts on the local network that may be reached: (host, port or None for any)."""

    hosts: tuple[tuple[str, int | None], ...] = ()

    @classmethod
    def read(cls, texts: Sequence[str]) -> "Allowed":
        """From `host`, `host:port` or `[v6]:port`; raise ValueError for anything else."""
        hosts = []
        for text in texts:
            try:
                split = urlsplit(f"//{text if text.count(':') < 2 or '[' in text else f'[{text}]'}")
                host, port = split.hostname, split.port
            except ValueError:
                raise ValueError(f"{text!r} is no host, nor host:port") from None
            if not host or split.path or split.username or split.query:
                raise ValueError(f"{text!r} is no host, nor host:port")
            hosts.append((_normal(host), port))
        return cls(tuple(hosts))

    def lists(self, host: str, port: int) -> bool:
        """Whether the operator named this host, with this port or without one."""
        name = _normal(host)
        return any(name == listed and each in (None, port) for listed, each in self.hosts)


class Target(msgspec.Struct, frozen=True):
    """Where a URL leads."""

    scheme: str
    host: str
    port: int


def check_url(url: str, allowed: Allowed) -> Target:
    """Judge a URL before any name is resolved; raise Forbidden."""
    if len(url) > MOST_URL or not url.isascii() or any(ord(each) <= 32 or ord(each) == 127 for each in url):
        raise Forbidden(url, "a URL has at most 2048 printable ASCII characters and no spaces")
    if "\\" in url:
        raise Forbidden(url, "a backslash does not belong into a URL")
    try:
        split = urlsplit(url)
        port = split.port
    except ValueError as error:
        raise Forbidden(url, f"it is malformed ({error})") from None
    if split.scheme not in ("https", "http"):
        raise Forbidden(url, "the scheme must be https")
    if "@" in split.netloc:
        raise Forbidden(url.rpartition("@")[2], "user info does not belong into it")
    if split.fragment or not split.hostname or port == 0:
        raise Forbidden(url, "a host is needed, no fragment, and a port from 1 to 65535")
    host = split.hostname
    target = Target(split.scheme, host, port or (443 if split.scheme == "https" else 80))
    literal = literal_of(host)
    if literal is None and _HOST.fullmatch(host) is None:
        raise Forbidden(url, "that is no host name")
    if not _is_readable(url):
        raise Forbidden(url, "its host can't be read: what begins with xn-- must be a name by IDNA 2008")
    listed = allowed.lists(host, target.port)
    if split.scheme == "http" and not listed:
        raise Forbidden(url, "plain http is only for hosts in WEBHOOKS__ALLOW_HOSTS; use https")
    if literal is not None:
        check_addresses(target, (literal,), allowed)
    return target


def _is_readable(url: str) -> bool:
    """Whether who sends can read it: httpx decodes a host in Punycode, and raises for one that is none."""
    try:
        return bool(httpx.URL(url).host)
    except (httpx.InvalidURL, UnicodeError):
        return False


def literal_of(host: str) -> Address | None:
    """The address that a host is written as, or None for a name; raise Forbidden for one in disguise."""
    if "%" in host:
        raise Forbidden(host, "an address with a zone leads to the local network")
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    last = host.rstrip(".").rpartition(".")[2]
    if _NUMBER.fullmatch(last):
        raise Forbidden(host, "an address is written in the usual way: 192.0.2.1, [2001:db8::1]")
    return None


def check_addresses(target: Target, addresses: Sequence[Address], allowed: Allowed) -> tuple[Address, ...]:
    """Judge what a name was resolved to; all must be permitted. Raise Forbidden."""
    if not addresses:
        raise Forbidden(target.host, "the name has no address")
    listed = allowed.lists(target.host, target.port)
    for address in addresses:
        why = refusal(address, listed=listed, literal=_is_literal(target.host, address))
        if why is not None:
            raise Forbidden(target.host, f"{address} {why}")
    return tuple(addresses)


def refusal(address: Address, *, listed: bool, literal: bool) -> str | None:
    """Why an address may not be connected to; None when it may."""
    inner = unwrapped(address)
    if inner.is_multicast or inner.is_unspecified:
        return "is no address of a host"
    if listed:
        if not literal and any(inner in network for network in _LINK_LOCAL):
            return "is link-local, which a listed name may not lead to"
        return None
    for each in (address, inner):
        if any(each in network for network in _CLOSED if network.version == each.version):
            return "is not on the open internet; WEBHOOKS__ALLOW_HOSTS lists the exceptions"
    return None


def unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, or the address itself."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _TRANSLATED or _is_isatap(address):
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if address.sixtofour is not None:
            return address.sixtofour
    return address


def _is_isatap(address: ipaddress.IPv6Address) -> bool:
    return (int(address) >> 32) & 0xFCFFFFFF == 0x00005EFE


def _is_literal(host: str, address: Address) -> bool:
    try:
        return ipaddress.ip_address(host) == address
    except ValueError:
        return False


def _normal(host: str) -> str:
    name = host.lower().rstrip(".")
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name
