"""Where webhooks must not go: a corpus of hostile URLs, with the resolver and the connector injected.

Whatever a test asks for, the connector notes every address that a connection was made to.
"""

import ipaddress

import httpcore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.webhook import ssrf
from actors.webhook.adapters.http import HttpCarrier, default_tls
from actors.webhook.ssrf import Allowed, Forbidden, Target, check_addresses, check_url

TLS = default_tls()

NAMES = {
    "public.example": ["93.184.216.34"],
    "public6.example": ["2606:2800:220:1:248:1893:25c8:1946"],
    "loopback.example": ["127.0.0.1"],
    "loopback6.example": ["::1"],
    "private.example": ["10.1.2.3"],
    "private172.example": ["172.31.255.254"],
    "private192.example": ["192.168.1.1"],
    "shared.example": ["100.64.0.1"],
    "metadata.example": ["169.254.169.254"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "mapped-metadata.example": ["::ffff:169.254.169.254"],
    "sixtofour.example": ["2002:7f00:1::"],
    "teredo.example": ["2001:0:4136:e378:8000:63bf:3fff:fdd2"],
    "nat64.example": ["64:ff9b::7f00:1"],
    "nat64-local.example": ["64:ff9b:1::a00:1"],
    "isatap.example": ["2606:4700::5efe:10.0.0.1"],
    "compatible.example": ["::127.0.0.1"],
    "unique-local.example": ["fd00::1"],
    "link-local6.example": ["fe80::1"],
    "site-local6.example": ["fec0::1"],
    "multicast.example": ["224.0.0.1"],
    "multicast6.example": ["ff02::1"],
    "broadcast.example": ["255.255.255.255"],
    "unspecified.example": ["0.0.0.0"],
    "unspecified6.example": ["::"],
    "zero-net.example": ["0.1.2.3"],
    "benchmark.example": ["198.18.0.1"],
    "documentation.example": ["203.0.113.7"],
    "reserved.example": ["240.0.0.1"],
    "mixed.example": ["93.184.216.34", "127.0.0.1"],
    "mixed6.example": ["2606:2800:220:1:248:1893:25c8:1946", "::1"],
    "nowhere.example": [],
    "localhost": ["127.0.0.1"],
    "localhost.": ["127.0.0.1"],
    "metadata.google.internal": ["169.254.169.254"],
    "127.0.0.1.nip.example": ["127.0.0.1"],
}

HOSTILE = [
    *[f"https://{name}/hook" for name in NAMES if not name.startswith("public")],
    "http://public.example/hook",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://127.0.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0X7F.0.0.1/",
    "https://0177.0.0.1/",
    "https://017700000001/",
    "https://0127.0.0.1/",
    "https://127.0.0.0x1/",
    "https://127.0.0.1./",
    "https://0/",
    "https://0x/",
    "https://3232235777/",
    "https://10.0.0.1:8443/",
    "https://172.16.0.1/",
    "https://192.168.0.1/",
    "https://169.254.169.254/latest/meta-data/iam/",
    "https://100.100.100.200/latest/meta-data/",
    "https://2852039166/latest/meta-data/",
    "https://0xa9fea9fe/",
    "https://[::1]/",
    "https://[::]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::ffff:a9fe:a9fe]/",
    "https://[::127.0.0.1]/",
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fe80::1%eth0]/",
    "https://[fd00:ec2::254]/latest/",
    "https://[fc00::1]/",
    "https://[ff02::1]/",
    "https://[2002:7f00:1::]/",
    "https://[2002:a9fe:a9fe::]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b::a9fe:a9fe]/",
    "https://[2001::1]/",
    "https://[2001:db8::1]/",
    "https://[::1",
    "https://[v1.x]/",
    "https://user@public.example/",
    "https://user:password@127.0.0.1/",
    "https://public.example@127.0.0.1/",
    "https://public.example:443@127.0.0.1/",
    "https://127.0.0.1\\@public.example/",
    "https://public.example\\.private.example/",
    "https://public.example#@127.0.0.1/",
    "https://public.example:0/",
    "https://public.example:65536/",
    "https://public.example:x/",
    "https:///hook",
    "https://",
    "https:public.example",
    "//public.example/",
    "public.example/hook",
    "ftp://public.example/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "unix:///run/postgresql.sock",
    "javascript:alert(1)",
    "data:text/plain,hello",
    "https://public.example/\r\nX-Evil: 1",
    "https://public.example /",
    "https://public\t.example/",
    "https://\u2460\u2461\u2466.0.0.1/",
    "https://\uff11\uff12\uff17.0.0.1/",
    "https://127\u30020\u30020\u30021/",
    "https://-public.example/",
    "https://public..example/",
    "https://pub%6cic.example/",
    "https://%31%32%37.0.0.1/",
    "https://" + "a" * 64 + ".example/",
    "https://xn--a/",
    "https://XN--A.example/",
    "https://xn--i-7iq.ws/hook",
    "https://xn--bcher-kva.a_b.example/",
    "https://public.example/" + "a" * 2048,
]


class Connector(httpcore.AsyncNetworkBackend):
    """Connects to nothing; `made` lists the addresses that were asked for."""

    def __init__(self) -> None:
        self.made: list[str] = []

    async def connect_tcp(self, host, port, timeout=None, local_address=None, socket_options=None):
        self.made.append(host)
        raise httpcore.ConnectError("a test connects to nothing")

    async def connect_unix_socket(self, path, timeout=None, socket_options=None):
        self.made.append(path)
        raise httpcore.ConnectError("a test connects to nothing")

    async def sleep(self, seconds):
        return None


async def resolve(host, port):
    if host not in NAMES:
        raise OSError(f"{host} has no address")
    return [ipaddress.ip_address(each) for each in NAMES[host]]


def test_the_corpus_has_at_least_sixty_urls():
    assert len(set(HOSTILE)) >= 100


@pytest.mark.parametrize("url", HOSTILE)
async def test_no_connection_is_made_for_a_hostile_url(url):
    connector = Connector()
    line = HttpCarrier(Allowed(), resolve=resolve, connector=connector, tls=TLS).line()
    answer = await line.send(url, [], b"{}")
    await line.close()
    assert answer.status is None
    assert answer.error
    assert connector.made == []


@pytest.mark.parametrize("url", ["https://xn--a/", "https://xn--i-7iq.ws/hook"])
def test_a_host_that_the_sender_cant_read_is_refused_when_the_endpoint_is_made(url):
    """Taken, it would fail at every attempt; a person hears of it at once instead."""
    with pytest.raises(Forbidden, match="can't be read"):
        check_url(url, Allowed.read(["xn--a", "xn--i-7iq.ws"]))


@pytest.mark.parametrize("host", ["xn--bcher-kva.example", "hooks.xn--i-7iq.ws", "a_b.example."])
def test_a_host_in_punycode_that_can_be_read_is_taken(host):
    """Names of other scripts are written so, and nobody may lose an endpoint that works."""
    assert check_url(f"https://{host}/hook", Allowed()).host == host


@pytest.mark.parametrize(
    "url", ["https://public.example/x", "https://public6.example/x", "https://93.184.216.34/"]
)
async def test_a_connection_to_a_public_host_goes_to_the_address_that_was_judged(url):
    connector = Connector()
    line = HttpCarrier(Allowed(), resolve=resolve, connector=connector, tls=TLS).line()
    await line.send(url, [], b"{}")
    await line.close()
    host = check_url(url, Allowed()).host
    assert connector.made == NAMES.get(host, [host])


async def test_a_name_that_answers_differently_the_second_time_gains_nothing():
    """It is resolved once for each connection, and judged each time."""
    answers = iter([["93.184.216.34"], ["127.0.0.1"], ["93.184.216.34"]])
    connector = Connector()

    async def rebinding(host, port):
        return [ipaddress.ip_address(each) for each in next(answers)]

    line = HttpCarrier(Allowed(), resolve=rebinding, connector=connector, tls=TLS).line()
    errors = [(await line.send("https://rebinding.example/", [], b"{}")).error for _ in range(3)]
    await line.close()
    assert connector.made == ["93.184.216.34", "93.184.216.34"]
    assert "not on the open internet" in errors[1]


LISTED = Allowed.read(["nas.local", "192.168.1.5:8080", "[fd00::5]:8443", "fd00::6", "meta.local"])


@pytest.mark.parametrize(
    "url",
    [
        "http://nas.local/hook",
        "https://NAS.local:8443/hook",
        "http://192.168.1.5:8080/",
        "https://[fd00::5]:8443/",
        "http://[fd00::6]/",
        "http://[fd00:0::0:6]/",
    ],
)
def test_a_listed_host_may_be_local_and_use_plain_http(url):
    check_url(url, LISTED)


@pytest.mark.parametrize(
    "url",
    ["http://192.168.1.5/", "http://192.168.1.6:8080/", "http://nas.local.evil.example/", "http://local/"],
)
def test_what_is_not_listed_stays_closed(url):
    with pytest.raises(Forbidden):
        check_url(url, LISTED)


@pytest.mark.parametrize(
    ("address", "refused"),
    [
        ("192.168.7.7", False),
        ("127.0.0.1", False),
        ("169.254.169.254", True),
        ("fe80::1", True),
        ("224.0.0.1", True),
    ],
)
def test_a_listed_name_may_lead_to_the_local_network_but_never_to_link_local_addresses(address, refused):
    target = Target("http", "meta.local", 80)
    try:
        check_addresses(target, [ipaddress.ip_address(address)], LISTED)
    except Forbidden:
        assert refused
    else:
        assert not refused


@pytest.mark.parametrize("text", ["", "http://x", "a b/c", "host:port", "u@h", "[::1"])
def test_a_list_of_hosts_that_makes_no_sense_is_refused(text):
    with pytest.raises(ValueError, match="no host"):
        Allowed.read([text])


@given(st.integers(0, 2**32 - 1))
def test_every_wrapping_of_an_address_in_ipv6_is_judged_like_the_address(number):
    plain = ipaddress.IPv4Address(number)
    if ssrf.refusal(plain, listed=False, literal=False) is None:
        return
    for wrapped in (0xFFFF << 32, 0x2002 << 112, 0x64FF9B << 96, 0x5EFE << 32 | 0x2606 << 112):
        shift = 80 if wrapped >> 112 == 0x2002 else 0
        address = ipaddress.IPv6Address(wrapped | number << shift)
        assert ssrf.refusal(address, listed=False, literal=False) is not None, address


@given(st.ip_addresses(v=4))
def test_an_address_that_may_be_reached_is_global_in_the_eyes_of_the_standard_library_too(address):
    if ssrf.refusal(address, listed=False, literal=False) is None:
        assert address.is_global
        assert not address.is_multicast
