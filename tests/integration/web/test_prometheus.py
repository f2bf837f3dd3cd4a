"""The shipped rules and dashboards on a real Prometheus: every alert fires for a sick run and none for a well one, no panel is empty."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from free_ports import free_ports

CONFIGS = Path(__file__).parents[3] / "configs"
ALERTS = CONFIGS / "prometheus" / "alerts.yml"
DASHBOARDS = sorted((CONFIGS / "grafana" / "dashboards").glob("*.json"))
SOURCE = Path(__file__).with_name("metrics_source.py")
WAIT_S = 90.0

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="Debian's package prometheus is not installed"
)


class Prometheus:
    """A real one, that scrapes a well run and a sick one each second."""

    def __init__(self, folder: Path) -> None:
        self._port = free_ports(3)
        self.instances = {name: f"127.0.0.1:{self._port + 1 + place}" for place, name in enumerate(("healthy", "sick"))}
        config = yaml.safe_load((CONFIGS / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["rule_files"] = [str(ALERTS)]
        config["scrape_configs"][0]["static_configs"][0]["targets"] = list(self.instances.values())
        path = folder / "prometheus.yml"
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        commands = [
            *([sys.executable, SOURCE, name, address.split(":")[1]] for name, address in self.instances.items()),
            [
                "prometheus",
                f"--config.file={path}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self._port}",
            ],
        ]
        self._log = (folder / "log").open("wb")
        self._children = [subprocess.Popen(command, stdout=self._log, stderr=self._log) for command in commands]

    def close(self) -> None:
        for child in self._children:
            child.kill()
            child.wait()
        self._log.close()

    def ask(self, path: str, **query: str) -> Any:
        """The data of an answer of its API; None while there is none."""
        url = f"http://127.0.0.1:{self._port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except OSError:
            return None

    def firing(self, instance: str) -> set[str]:
        """The names of the alerts that fire for one of the runs."""
        alerts = (self.ask("alerts") or {"alerts": []})["alerts"]
        return {
            alert["labels"]["alertname"]
            for alert in alerts
            if alert["state"] == "firing" and alert["labels"]["instance"] == self.instances[instance]
        }


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    started = Prometheus(tmp_path_factory.mktemp("prometheus"))
    yield started
    started.close()


def alert_names() -> set[str]:
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return {rule["alert"] for group in groups for rule in group["rules"]}


def panels(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["panels"]
    return found


QUERIES = [
    pytest.param(target["expr"], id=f"{path.stem}-{panel['title']}-{target['refId']}")
    for path in DASHBOARDS
    for panel in panels(path)
    for target in panel["targets"]
]


def test_every_alert_fires_for_a_sick_run_and_none_for_a_well_one(prometheus: Prometheus) -> None:
    """Each shipped alert fires when its cause is there, and stays silent while a run is well."""
    deadline_s = time.monotonic() + WAIT_S
    while prometheus.firing("sick") != alert_names() and time.monotonic() < deadline_s:
        time.sleep(0.5)
    assert prometheus.firing("sick") == alert_names()
    assert prometheus.firing("healthy") == set()


@pytest.mark.parametrize("query", QUERIES)
def test_every_panel_has_data(prometheus: Prometheus, query: str) -> None:
    """Each query of each dashboard finds something in a run that has everything."""
    query = query.replace("$__rate_interval", "10s").replace("$node", "pi1")
    assert "$" not in query
    deadline_s = time.monotonic() + WAIT_S
    while not (found := (prometheus.ask("query", query=query) or {"result": []})["result"]):
        assert time.monotonic() < deadline_s, query
        time.sleep(0.5)
    assert all(re.fullmatch(r"[-+0-9.e]+", row["value"][1]) for row in found), "no NaN"


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_can_be_provisioned(path: Path) -> None:
    """It has an identity of its own, panels that do not lie on each other, and only the data source that is provisioned."""
    dashboard = json.loads(path.read_text(encoding="utf-8"))
    source = yaml.safe_load((CONFIGS / "grafana/provisioning/datasources/piswarm.yml").read_text(encoding="utf-8"))
    assert dashboard["uid"] == f"piswarm-{path.stem}"
    assert dashboard["schemaVersion"] >= 36
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert place["x"] + place["w"] <= 24
        assert not taken & cells, panel["title"]
        taken |= cells
        assert {each["datasource"]["uid"] for each in [panel, *panel["targets"]]} == {source["datasources"][0]["uid"]}
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


@pytest.mark.parametrize(("command", "name"), [("config", "prometheus.yml"), ("rules", "alerts.yml")])
def test_promtool_accepts_what_is_shipped(command: str, name: str) -> None:
    """Prometheus' own check accepts the shipped files."""
    checked = subprocess.run(
        ["promtool", "check", command, CONFIGS / "prometheus" / name], check=False, capture_output=True, timeout=30
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
