"""A hundred secrets are planted wherever the service takes one, and looked for wherever it leaves a trace."""

import base64
import json
import os
import secrets
import signal
import threading
from collections import Counter
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import httpx
import psycopg
import pytest
from websockets.sync.client import connect

from persistence.embedded import borrowed
from tests.fixtures.service import TOKEN, Service

ORDER = {"symbol": "BTC/USDT", "side": "buy", "type": "market", "qty": "0.001"}
HOOK = """
[hooks.{name}]
user = "chart"
secret_sha256 = ["{digest}"]
secret_field = "passphrase"
symbols = ["BTC/USDT"]
max_qty = "0.1"
per_minute = 60
[hooks.{name}.order]
symbol = {{ value = "BTC/USDT" }}
side = {{ field = "{side}" }}
type = {{ value = "market" }}
qty = {{ value = "0.001" }}
"""


class Planted:
    """The secrets by where they were planted. They look like nothing else, so that each find is one."""

    def __init__(self) -> None:
        self.by_place: dict[str, list[str]] = {}

    def new(self, place: str) -> str:
        """A fresh one."""
        return self.known(place, f"planted{secrets.token_hex(16)}")

    def known(self, place: str, secret: str) -> str:
        """One that the service made."""
        self.by_place.setdefault(place, []).append(secret)
        return secret

    def found_in(self, text: bytes) -> list[str]:
        """The places whose secrets are in a text, as they are or in a usual disguise."""
        return [place for place, found in self.by_place.items() for each in found if _holds(text, each)]


def _holds(text: bytes, secret: str) -> bool:
    raw = secret.encode()
    shapes = {raw, base64.b64encode(raw).rstrip(b"="), raw.hex().encode(), quote(secret).encode()}
    return any(shape in text for shape in shapes)


@pytest.fixture(scope="module")
def collector():
    """A receiver of traces that keeps every byte, headers too."""
    kept: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            kept.append(str(self.headers).encode())
            kept.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,)).start()
    yield server.server_address[1], kept
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def planted():
    return Planted()


@pytest.fixture(scope="module")
def service(tmp_path_factory, services, planted, collector) -> Service:
    """The service with a secret in every setting that takes one."""
    hook, folder = planted.new("hook"), tmp_path_factory.mktemp("hooks")
    digest = sha256(hook.encode()).hexdigest()
    right, wrong = {"name": "chart", "side": "side"}, {"name": "mistaken", "side": "passphrase"}
    (folder / "hooks.toml").write_text("".join(HOOK.format(digest=digest, **each) for each in (right, wrong)))
    (folder / "api_secret").write_text(planted.new("setting in a file"))
    planted.known("development token", TOKEN)
    return services(
        EXCHANGES='["dummy"]',
        EXCHANGE__DUMMY__API_KEY=planted.new("setting"),
        EXCHANGE__DUMMY__API_SECRET_FILE=str(folder / "api_secret"),
        REDIS_URL=f"redis://:{planted.new('setting')}@127.0.0.1:9/0",
        TRACING__OTLP_URL=f"http://127.0.0.1:{collector[0]}/{planted.new('setting')}",
        TRACING__RATIO="1",
        WEB__HOOKS=str(folder / "hooks.toml"),
    )


@pytest.fixture(scope="module")
def answers(service, planted) -> list[bytes]:
    """Secrets in every place of a request, right ones and wrong ones; all that was answered."""
    heard: list[bytes] = []
    client = httpx.Client(base_url=f"http://{service.address}", timeout=20)

    def ask(method, path, headers=None, *, shown=False, **more):
        given = ({} if path.startswith("/hooks/") else _bearer(TOKEN)) | (headers or {})
        answer = client.request(method, path, headers=given, **more)
        heard.append(str(answer.headers).encode())
        if not shown:
            heard.append(answer.content)
        return answer

    bearer = [_make(ask, planted) for _ in range(20)]
    for token in bearer:
        assert ask("POST", "/orders", _bearer(token), json=ORDER).status_code == 201
        assert ask("GET", "/positions", _bearer(token)).status_code == 200
    _rotate_and_revoke(ask, planted, bearer)
    _guess(ask, planted)
    _misplace(ask, planted)
    _alert(ask, planted)
    _over_sockets(service, planted, bearer[0], heard)
    for path in ("/metrics", "/operator/tree", "/operator/tokens", "/operator/audit?limit=1000", "/risk"):
        ask("GET", path)
    heard.append(json.dumps(list(service.events())).encode())
    client.close()
    return heard


def _bearer(token):
    return {"Authorization": f"Bearer {token}"}


def _make(ask, planted):
    body = {"user": "ann", "scopes": ["read", "trade", "cancel"], "note": "planted"}
    made = ask("POST", "/operator/tokens", json=body, shown=True).json()
    return planted.known("token", made["token"])


def _rotate_and_revoke(ask, planted, tokens):
    listed = ask("GET", "/operator/tokens").json()["tokens"]
    for record in listed[1:11]:
        path = f"/operator/tokens/{record['tokenId']}"
        made = ask("POST", f"{path}/rotate", json={"overlapSeconds": 0}, shown=True).json()
        planted.known("rotated token", made["token"])
        ask("DELETE", path)
    for token in tokens[1:6]:
        ask("GET", "/risk", _bearer(token))


def _guess(ask, planted):
    for scheme in ("Bearer", "bearer", "Basic", "Token", ""):
        for _ in range(4):
            header = {"Authorization": f"{scheme} {planted.new('guess')}".strip()}
            assert ask("POST", "/orders", header, json=ORDER).status_code == 401


def _misplace(ask, planted):
    """Where secrets end up by mistake."""
    for name in ("token", "access_token", "apiKey", "key"):
        assert ask("GET", f"/orders?{name}={planted.new('query')}").status_code == 400
        assert ask("POST", f"/orders?{name}={planted.new('query')}", json=ORDER).status_code == 400
        assert ask("POST", "/orders", json=ORDER | {name: planted.new("body")}).status_code == 400
        ask("POST", "/orders/batch", json={"orders": [ORDER | {name: planted.new("body")}]})
    for name in ("X-Api-Key", "Cookie", "Proxy-Authorization", "X-Auth-Token"):
        ask("POST", "/orders", {name: planted.new("header")}, json=ORDER)
    for _ in range(3):
        url = f"https://user:{planted.new('address of a webhook')}@hooks.example.com/x"
        assert ask("POST", "/webhooks", json={"url": url}).status_code == 422
    ask("POST", "/orders", content=b'{"apiSecret":"' + planted.new("broken body").encode())


def _alert(ask, planted):
    [right] = planted.by_place["hook"]
    assert ask("POST", "/hooks/chart", json={"passphrase": right, "side": "buy"}).status_code == 201
    assert ask("POST", "/hooks/mistaken", json={"passphrase": right}).status_code == 400
    assert ask("POST", "/hooks/chart", json={"side": "sell"}, headers=_bearer(right)).status_code == 201
    for _ in range(10):
        ask("POST", "/hooks/chart", json={"passphrase": planted.new("wrong alert"), "side": "buy"})


def _over_sockets(service, planted, token, heard):
    for given in (token, *(planted.new("first frame") for _ in range(5))):
        with connect(f"ws://{service.address}/ws/trade") as talk:
            talk.send(json.dumps({"action": "auth", "token": given}))
            talk.send(json.dumps({"action": "place", "id": "1", "order": ORDER}))
            talk.send(json.dumps({"action": "place", "id": "2", "apiKey": planted.new("frame")}))
            try:
                heard += [str(talk.recv(timeout=5)).encode() for _ in range(2)]
            except Exception as closed:  # noqa: BLE001 - the close is an answer too
                heard.append(str(closed).encode())


def test_a_hundred_secrets_are_planted(answers, planted):
    counted = Counter({place: len(found) for place, found in planted.by_place.items()})
    assert counted.total() >= 100
    assert len(counted) >= 12


def test_no_answer_holds_one(answers, planted):
    assert [planted.found_in(each) for each in answers if planted.found_in(each)] == []


def test_no_table_holds_one(answers, service, planted):
    """Every row of every table, and what the database says of its sessions."""
    found: dict[str, list[str]] = {}
    with (
        borrowed(service.folder / "data" / "postgres") as dsn,
        psycopg.connect(dsn) as connection,
    ):
        names = connection.execute(
            "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables "
            "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        assert len(names) > 10
        for (name,) in [*names, ("pg_stat_activity",), ("pg_settings",)]:
            rows = connection.execute(f"SELECT t::text, row_to_json(t)::text FROM {name} AS t").fetchall()
            text = "\n".join(part for row in rows for part in row).encode()
            if planted.found_in(text):
                found[name] = planted.found_in(text)
    assert found == {}


def test_no_log_no_dump_and_no_trace_holds_one(answers, service, planted, collector):
    """The log with the live tree in it, what was sent as traces, and what `ps` shows to everybody."""
    os.kill(service.process.pid, signal.SIGUSR1)
    command = Path(f"/proc/{service.process.pid}/cmdline").read_bytes()
    assert planted.found_in(command) == []
    service.stop()
    log = service.log.read_bytes()
    assert b"order_created" in log
    assert planted.found_in(log) == []
    _, kept = collector
    assert sum(b"order" in each for each in kept) > 0
    assert planted.found_in(b"\n".join(each for each in kept if not each.startswith(b"Host:"))) == []


def test_no_file_of_the_data_folder_holds_one(answers, service, planted):
    """Not even in the database's own files and its write-ahead log, where deleted rows stay for a while."""
    found = {}
    for path in (service.folder / "data").rglob("*"):
        if path.is_file() and not path.is_symlink():
            places = planted.found_in(path.read_bytes())
            if places:
                found[path.name] = places
    assert found == {}
