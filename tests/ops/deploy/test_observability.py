"""What Prometheus and Grafana are given fits the metrics that there are, and leads to a page that helps."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import yaml
from prometheus_client import CollectorRegistry, generate_latest

from supervisors.backups import BackupMetrics
from supervisors.disk import DiskMetrics
from supervisors.gauges import Trading
from supervisors.webhooks import attempt_counters
from tests.fixtures.runtime import Machine, intent
from tests.fixtures.shared import shared_twins
from web.observability import Metrics

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "ops" / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yaml"
ALERT_TESTS = DEPLOY / "prometheus" / "alerts.test.yaml"
DASHBOARDS = sorted((DEPLOY / "grafana").glob("*.json"))
PROMETHEUS_OWN = {"up"}
WORDS = {"or", "and", "unless", "by", "without", "on", "ignoring", "offset", "bool"}

promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not on the path")


def run_promtool(*command: str, given: str | None = None) -> None:
    done = subprocess.run(
        ["promtool", *command], cwd=ALERTS.parent, input=given, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def alerts() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def expressions() -> Iterator[tuple[str, str]]:
    for rule in alerts():
        yield rule["alert"], rule["expr"]
    for board in DASHBOARDS:
        for panel in json.loads(board.read_text())["panels"]:
            for target in panel["targets"]:
                yield f"{board.stem}: {panel['title']}", target["expr"]


def metrics_in(expression: str) -> set[str]:
    """The metrics that an expression reads."""
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]|\"[^\"]*\"", " ", expression)
    bare = re.sub(r"\b(by|without)\s*\([^)]*\)", " ", bare)
    names = re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*(?!\s*\()\b(?!\s*\()", bare)
    return {name for name in names if name not in WORDS} - PROMETHEUS_OWN


def exposed(text: str) -> set[str]:
    """The sample names of what was scraped, families without samples included."""
    names: set[str] = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE):
        names |= {name + part for part in ("_bucket", "_sum", "_count")} if kind == "histogram" else {name}
    return names


@pytest.fixture
async def scraped(autojump_clock) -> str:
    """The metrics of a runtime that has taken an order, with everything that can be configured."""
    machine = Machine()
    machine.shared = shared_twins(machine.clock).outside
    async with machine.boot() as runtime:
        await runtime.port.place(intent(), wait_seconds=5, correlation_id="c-1")
        metrics = Metrics(runtime.metrics.registry)
        metrics.follow_positions(runtime.port.position_views)
        of_the_service = CollectorRegistry()
        of_the_service.register(Trading(runtime.gate, runtime.log, machine.clock, lambda: 3))
        attempt_counters(of_the_service)
        BackupMetrics(of_the_service)
        DiskMetrics(of_the_service)
        wanted = ("webhook", "backup", "drill", "disk")
        lines = generate_latest(of_the_service).decode().splitlines()
        extra = [line for line in lines if any(word in line for word in wanted)]
        return metrics.text().decode() + "\n".join(extra) + "\n"


async def test_every_metric_that_an_alert_or_a_dashboard_reads_exists(scraped):
    there = exposed(scraped)
    missing = {
        (where, metric) for where, expression in expressions() for metric in metrics_in(expression) - there
    }
    assert not missing


async def test_what_an_alert_counts_is_there_before_it_happens(scraped):
    """Prometheus sees no increase where a counter begins with one: the first time would be told to nobody."""
    counted = {metric for rule in alerts() for metric in re.findall(r"increase\((\w+)", rule["expr"])}
    assert counted
    there = set(re.findall(r"^(\w+)(?:\{[^}]*\})? ", scraped, re.MULTILINE))
    assert not counted - there


async def test_an_order_is_seen_in_the_stages_of_its_way_and_in_the_journal(scraped):
    for stage in ("request", "risk", "broker", "exchange"):
        assert f'order_stage_seconds_count{{stage="{stage}"}} 1.0' in scraped
    assert 'journal_events_total{type="OrderAccepted"} 1.0' in scraped
    assert 'trading_state{scope="*",state="active"} 1.0' in scraped
    assert "journal_available 1.0" in scraped


def test_the_reader_of_expressions_finds_metrics_and_nothing_else():
    expression = 'histogram_quantile(0.99, sum by (le, room) (rate(a_bucket{x="y_z"}[5m]))) > 1 or b_c == 0'
    assert metrics_in(expression) == {"a_bucket", "b_c"}


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_every_alert_has_a_runbook_that_says_what_to_do(rule):
    page = ROOT / rule["annotations"]["runbook"]
    assert page.is_file()
    text = page.read_text()
    assert rule["alert"] in text
    assert "## What to do" in text or "## Stop" in text


def test_every_alert_is_tested_quiet_and_told():
    tested: dict[str, set[bool]] = {}
    for case in yaml.safe_load(ALERT_TESTS.read_text())["tests"]:
        for check in case["alert_rule_test"]:
            tested.setdefault(check["alertname"], set()).add(bool(check["exp_alerts"]))
    assert tested == {rule["alert"]: {True, False} for rule in alerts()}


@promtool
def test_prometheus_takes_the_rules_and_they_tell_what_they_should():
    for command in (["check", "rules", ALERTS.name], ["test", "rules", ALERT_TESTS.name]):
        run_promtool(*command)


@promtool
async def test_prometheus_finds_nothing_wrong_with_the_names_of_the_metrics(scraped):
    await trio.to_thread.run_sync(partial(run_promtool, "check", "metrics", given=scraped))


@pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: board.stem)
def test_a_dashboard_can_be_imported_and_its_panels_do_not_overlap(board):
    found = json.loads(board.read_text())
    assert found["uid"].startswith("tradewarden-")
    taken: set[tuple[int, int]] = set()
    for panel in found["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        assert panel["description"]
        taken |= cells
