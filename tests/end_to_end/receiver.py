"""A receiver of webhooks on loopback, in threads of the test's process."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    """A sender that was killed in the middle is no error of the receiver's."""

    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


class Receiver:
    """`taken` is the first body under each id that was answered with success, `order` every such id as it
    came, `seen` every attempt, `plain` what came without an id. `status` decides what an attempt is answered
    with; 0 hangs up.
    """

    def __init__(self) -> None:
        self.taken: dict[str, bytes] = {}
        self.order: list[str] = []
        self.plain: list[dict] = []
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        self.lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                length = int(self.headers["content-length"])
                body = self.rfile.read(length)
                if len(body) < length:
                    # Its sender was killed in the middle: that was no request.
                    self.close_connection = True
                    return
                headers = {name.lower(): value for name, value in self.headers.items()}
                status = outer.take(headers, body)
                if not status:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def status(self, message_id: str) -> int:
        return 204

    def take(self, headers: dict[str, str], body: bytes) -> int:
        message_id = headers.get("webhook-id")
        if message_id is None:
            self.plain.append(json.loads(body))
            return 200
        with self.lock:
            status = self.status(message_id)
            self.seen.append((message_id, headers, body))
            if 200 <= status < 300:
                self.taken.setdefault(message_id, body)
                self.order.append(message_id)
        return status

    def events(self) -> list[dict]:
        with self.lock:
            return [json.loads(body) for body in self.taken.values()]

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
