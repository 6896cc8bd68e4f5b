"""The running service with Redis: shared budgets, cached positions, and an outage under load."""

import threading
import time

from tests.end_to_end.load import order
from tests.end_to_end.outage import metric, outage
from tests.fixtures.redis import RedisServer
from tests.fixtures.service import Service

SECRET = "a-redis-password"


def test_redis_that_hangs_under_load_fails_no_order_and_no_read_is_older(tmp_path):
    """A small outage; the one of a minute is `make redis-outage`."""
    found = outage(tmp_path, seconds=3.0, away_seconds=3.0, orders_pause=0.2)
    assert (found["failed_orders"], found["failed_reads"], found["older_reads"]) == (0, 0, 0)
    assert found["redis_up_without"] == 0
    assert found["losses"] >= 1
    assert found["without"]["p50_ms"] < 2 * found["before"]["p50_ms"]
    assert min(found["hit_share_before"], found["hit_share_after"]) > 0.5


def test_every_part_uses_redis_under_its_documented_key_and_the_password_is_not_logged(services, own_redis):
    own_redis.ask("CONFIG", "SET", "requirepass", SECRET)
    service: Service = services(REDIS_URL=f"unix://:{SECRET}@{own_redis.socket}")
    assert service.order().status_code == 201
    for _ in range(20):
        service.get("/positions")
    threads = [threading.Thread(target=lambda: order(service.client, "buy")) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for part in ("rates", "positions", "pending", "breakers"):
        calls = f'redis_calls_total{{outcome="done",part="{part}"}}'
        until(lambda calls=calls: metric(service, calls) > 0)
    assert {"positions:BTC/USDT", "breakers:sim"} <= set(own_keys(own_redis))
    assert metric(service, "redis_up") == 1
    assert SECRET not in service.log.read_text()


def until(condition, seconds: float = 20.0) -> None:
    """Wait for real processes."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "it did not happen in time"
        time.sleep(0.05)


def own_keys(server: RedisServer) -> list[str]:
    answer = server.ask_all(("AUTH", SECRET), ("KEYS", "*"))
    return [line for line in answer.decode().splitlines() if not line.startswith(("$", "*", "+"))]
