"""Control and bidirectional characters in names and errors are visible wherever a run shows them, and obeyed nowhere."""

from __future__ import annotations

import re
import urllib.request

from processes import Piswarm

HIDDEN = re.compile("[\0\x07\x1b\u202e\u2066]")
LOCUSTFILE = r"""
from locust import constant, task
from worker.http import HttpUser

class Visitor(HttpUser):
    wait_time = constant(0.1)

    @task
    def health(self):
        self.client.get("/health", name="\x1b]0;title\x07\u202ename\0")
        with self.client.get("/health", name="failing", catch_response=True) as response:
            response.failure("\x1b[2J cleared \u202e")
        raise RuntimeError("\x1b[31m red \u2066")
"""


def test_foreign_text_is_visible_wherever_it_is_shown(piswarm: Piswarm) -> None:
    """Terminal, metrics, result, report and junit.xml have the escapes of control characters, and not the characters."""
    rule = r"GET \x1b]0;title\x07\u202ename\x00 rate > 0/s"
    file = piswarm.scenario(
        thresholds=[rule, "exceptions >= 1", "errors > 1 %"], load=[{"users": 4, "spawn_rate": 20, "hold": "12s"}]
    )
    (file.parent / "visitors.py").write_text(LOCUSTFILE)
    started = piswarm.start(file, "--metrics-port", "0")
    url = started.wait_for("metrics on ").split()[-1]
    started.wait_for("stage 1 of 1, hold")
    started.wait_for("stage 1 of 1, hold")
    with urllib.request.urlopen(url, timeout=10) as answer:
        metrics = answer.read().decode()
    finished = started.finish()

    assert finished.status == 0, finished.output
    texts = [finished.output, metrics]
    texts += [(finished.directory / name).read_text("utf-8") for name in ("report.html", "junit.xml", "scenario.yml")]
    texts += [row["rule"] for row in finished.result["thresholds"]]
    texts += [text for row in finished.result["endpoints"] for text in (row["method"], row["name"])]
    for text in texts:
        assert not HIDDEN.search(text), HIDDEN.findall(text)
    assert r"\x1b]0;title\x07\u202ename\x00" in finished.output
    assert r"\\x1b]0;title\\x07\\u202ename\\x00" in metrics
    assert finished.result["thresholds"][0]["ok"]
