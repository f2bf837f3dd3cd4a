"""report.html: what hostile names can't do, and what a reader finds."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from plotly.offline import get_plotlyjs
from report_example import HOSTILE, SCENARIO_YAML, fill, fill_hot, nothing, result, unpacked

from master import formatting
from master.judge.result import ClockOffset, Gap, Result, ValidityResult
from master.report.html import packed, write_report
from master.report.page.context import MAX_ROWS
from master.store import Event, Store


class Page(HTMLParser):
    """The tags, texts and scripts of a page, as a browser would see them."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.scripts: list[tuple[str, str]] = []
        self.text = ""
        self._script: str | None = None
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self._script = (dict(attrs).get("type") or "") if tag == "script" else None

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._script = None

    def handle_data(self, data: str) -> None:
        if self._script is not None:
            self.scripts.append((self._script, data))
        else:
            self.text += data

    def says(self, text: str) -> bool:
        return text in re.sub(r"\s+", " ", self.text)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "run.db", create=True)
    yield store
    store.close()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "report.html"


def written(result: Result, store: Store, target: Path) -> tuple[str, Page]:
    write_report(result, store, SCENARIO_YAML, target)
    source = target.read_text(encoding="utf-8")
    return source, Page(source)


def test_hostile_names_are_text_and_nothing_else(store: Store, target: Path) -> None:
    """Endpoint names, errors, events, reasons and the scenario bring in no element, no attribute and no script."""
    fill(store)
    _, page = written(result(), store, target)
    assert "img" not in page.tags
    assert page.tags.count("script") == 3
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert page.text.count("<script>alert(1)</script>") >= 4
    assert "<script>alert(3)</script>" in page.text


def test_packed_data_can_not_leave_its_script_element(store: Store, target: Path) -> None:
    """What the charts are made of is letters and digits in the page, and reads back with what is hidden spelled out."""
    fill(store)
    source, page = written(result(), store, target)
    blocks = [text for kind, text in page.scripts if kind == "text/plain"]
    assert len(blocks) == 2
    assert all(re.fullmatch(r"[A-Za-z0-9+/=]+", block) for block in blocks)
    assert unpacked(source, "plotly") == get_plotlyjs()
    name = HOSTILE.replace("\u2028", r"\u2028").replace("\u202e", r"\u202e")
    assert json.loads(gzip.decompress(base64.b64decode(packed({"name": HOSTILE})))) == {"name": name}


def test_a_hostile_node_name_stays_within_the_data(store: Store, target: Path) -> None:
    """Names that reach the charts are escaped for the page and for Plotly's own markup."""
    fill(store)
    store.put_node("<b>pi</b></script>", msgspec.structs.replace(next(iter(store.nodes().values()))))
    source, _ = written(result(), store, target)
    data = json.loads(unpacked(source, "data"))
    (temperature,) = [chart for chart in data["charts"] if chart["id"] == "temperature"]
    assert "<b>pi</b></script>" in data["fleet"]["nodes"]
    labels = temperature["layout"]["yaxis"]["ticktext"]
    assert not any("<" in label for label in labels)


def test_the_page_may_run_its_own_scripts_only(store: Store, target: Path) -> None:
    """The page's policy forbids everything but its own scripts, by the hash of their text."""
    fill(store)
    source, page = written(result(), store, target)
    policy = next(value for _, value in page.attributes if value and value.startswith("default-src"))
    assert policy.startswith("default-src 'none'; ")
    scripts = [*re.findall(r"<script>(.*?)</script>", source, re.DOTALL), unpacked(source, "plotly")]
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    assert re.findall(r"'sha256-(.*?)'", policy) == hashes
    assert "unsafe-inline" not in policy.split("style-src")[0]


def test_nothing_is_loaded_from_anywhere(store: Store, target: Path) -> None:
    """No element of the page points elsewhere: there are links within the page, each to a heading that is there."""
    fill(store)
    _, page = written(result(), store, target)
    places = [value or "" for name, value in page.attributes if name in {"src", "href", "action", "data"}]
    assert [place for place in places if not place.startswith("#")] == ["data:,"]
    ids = [value for name, value in page.attributes if name == "id"]
    assert {place.removeprefix("#") for place in places if place.startswith("#")} <= set(ids)
    assert len(ids) == len(set(ids))


def test_the_report_says_what_the_result_says(store: Store, target: Path) -> None:
    """The report shows the result's verdict, figures, thresholds, checks, offenders, unfit nodes and dropped messages."""
    fill(store)
    _, page = written(result("FAIL"), store, target)
    for text in (
        "FAIL",
        "simulated nodes",
        "2026-05-04 03:02:01 UTC+02:00",
        "errors was 25 %, above 5 %",
        "✗ broken",
        "✓ held",
        "✗ not fit",
        "pi1, pi2, pi3 and 4 more",
        "loop lag above 50 ms (1 s), worker CPU unknown (1 s)",
        "fit nodes only, as above",
        "unknown key: 2",
        "1 worker never sent a final report",
    ):
        assert page.says(text), text


def test_excluded_requests_are_shown_with_what_they_would_change(store: Store, target: Path) -> None:
    """Excluded requests are shown by node and time, with the percentiles with and without them, and how many may be excluded."""
    fill(store)
    limit = ValidityResult(
        check="excluded_share",
        op="<=",
        limit_percent=5.0,
        limit_text="≤ 5 %",
        observed_percent=0.83,
        observed_text="0.83 %",
        ok=True,
        nodes=[],
        message="",
    )
    outcome = result()
    outcome.validity.append(limit)
    _, page = written(outcome, store, target)
    for text in (
        "0.83 % of the requests of the steady part were excluded; the limit is ≤ 5 %, and beyond it a run is INVALID.",
        "beyond one of these: loop_lag_p99 ≤ 50 ms, node_cpu ≤ 90 %; or when its loop lag or CPU is not known.",
        "all nodes2.003.0040.040.040.0900",
        "difference00000+860",
        "pi1loop lag above 50 ms (1 s), worker CPU unknown (1 s)10:15–0:16484.2",
    ):
        assert page.says(text), text
    _, page = written(msgspec.structs.replace(outcome, excluded_share=0.0), store, target)
    assert page.says("No request of the steady part was excluded, so all percentiles are of all requests;")
    assert not page.says("difference")


def test_throttling_flags_are_shown(store: Store, target: Path) -> None:
    """The report shows how long nodes were throttled, as far as known, with heat, clock and users, and which can't tell."""
    fill_hot(store, nodes=12, seconds=100)
    source, page = written(result(), store, target)
    for text in (
        "3 nodes of 12 had a throttling flag, or reached 80 °C",
        "Whether it was throttled is unknown of 1 node: pi3.",
        "Longest with a throttling flag or at 80 °C: pi1, for 46 s.",
        "7Raspberry Pi 4 Model B simulatedDebian 136.12.47+rpt-rpi-v83.13.5",
        "pi5Raspberry Pi Zero 2 W0 sunknown0 s10 s61.0 °C800 MHz (80 %)444",
        "pi1Raspberry Pi 4 Model B30 s0 s0 s0 s84.0 °C720 MHz (40 %)424",
    ):
        assert page.says(text), text
    data = json.loads(unpacked(source, "data"))
    assert [chart["id"] for chart in data["charts"]][-5:] == ["together", "temperature", "clock", "node-users", "cpu"]


def test_a_fleet_that_was_never_throttled_is_not_called_well(store: Store, target: Path) -> None:
    """Where no node could report throttling, the report says that it is unknown."""
    fill(store, seconds=10)
    _, page = written(result(), store, target)
    assert page.says("No node is known to have had a throttling flag, or to have reached 80 °C.")
    assert page.says("Whether it was throttled is unknown of 3 nodes: pi1, pi2, pi3.")
    assert page.says("No node knows its clock.")


def test_a_time_without_a_controller_is_told_and_shaded(store: Store, target: Path) -> None:
    """A time without a controller is told in words, and shaded in every chart over time, on top of the steady part."""
    fill(store)
    gap = Gap(from_s=12.25, to_s=21.5)
    source, page = written(msgspec.structs.replace(result(), gaps=[gap]), store, target)
    assert page.says("The run had no controller from 0:12 to 0:21 (9.25 s). Nothing of that time was judged;")
    assert page.says("Here the run had no controller")
    data = json.loads(unpacked(source, "data"))
    assert data["gaps"] == [[12.25, 21.5]]
    charts = [chart for chart in data["charts"] if chart["kind"] == "time"]
    assert len(charts) == 7
    for chart in charts:
        shapes = [(shape["fillcolor"], shape["x0"], shape["x1"]) for shape in chart["layout"]["shapes"]]
        assert shapes == [("--steady", 10, 30), ("--gap", 12.25, 21.5)]
        assert chart["layout"]["shapes"][1]["line"]["width"] == 1  # seen even where it is too short to have a width


def test_what_simulated_nodes_were_supposed_to_be_is_told(store: Store, target: Path) -> None:
    """The report names a simulated fleet's faster heating and cost of a request, and never does so for real nodes."""
    fill(store)
    nodes = msgspec.structs.replace(result().nodes, thermal_speed=10.0, request_cpu_ms=200.0)
    _, page = written(msgspec.structs.replace(result(), nodes=nodes), store, target)
    assert page.says(
        "a thermal model; boards warm up and cool down 10 times as fast as real ones, and a request is taken to cost 200 ms of a Pi 4's core"
    )
    assert not msgspec.structs.replace(nodes, simulated=False).simulation_assumptions
    assert not result().nodes.simulation_assumptions


def test_the_worst_wall_clocks_are_named(store: Store, target: Path) -> None:
    """The report names the ten wall clocks that are furthest off, which of them are behind, and how many more there are."""
    fill(store)
    clocks = [ClockOffset(node=f"pi{number}", offset_s=number * 1800.0) for number in range(1, 12)]
    clocks.append(ClockOffset(node="pi12", offset_s=-86_400.0))
    _, page = written(msgspec.structs.replace(result(), clocks_off=clocks), store, target)
    text = page.text.replace("\u00a0", " ")
    assert (
        "The wall clock of 12 nodes was off by more than 1 s at the end; no figure depends on it: pi12 (1 d behind),"
        in text
    )
    assert "pi11 (5 h 30 min ahead), pi10 (5 h ahead), pi9 " in text
    assert "pi3 (1 h 30 min ahead) and 2 more." in text


def test_a_run_in_order_says_nothing_of_gaps_and_clocks(store: Store, target: Path) -> None:
    """A run without gaps and without clocks that are off has no words on them."""
    fill(store)
    _, page = written(result(), store, target)
    assert not page.says("no controller")
    assert not page.says("wall clock")


def test_an_invalid_run_warns_of_its_own_figures(store: Store, target: Path) -> None:
    """The figures of an INVALID run come with a warning not to believe them and the reason, and no rule is judged by them."""
    fill(store)
    _, page = written(result("INVALID"), store, target)
    assert page.says("These figures are shown but not to be believed, because:")
    assert page.says("Not judged: the generator was not fit to measure")
    assert page.says("✓ held, not judged")


def test_a_run_that_never_began_has_words_in_place_of_charts(store: Store, target: Path) -> None:
    """The report of a run in which nothing was measured says so, draws nothing and needs no plotly.js."""
    source, page = written(nothing(), store, target)
    assert page.says("Nothing was recorded: the load never began.")
    assert page.says("No request was finished")
    assert not page.says("simulated")
    assert "figure" not in page.tags
    assert len(source) < 50_000


def test_a_run_without_a_steady_part_has_no_rate(store: Store, target: Path) -> None:
    """A ramp that was cut short has counts, but neither rate nor percentiles."""
    fill(store, seconds=9)
    requests = msgspec.structs.replace(result().requests, rate_per_s=None)
    cut = msgspec.structs.replace(nothing(), requests=requests, duration_s=9.0)
    _, page = written(cut, store, target)
    assert page.says("The run was never held steady, so it has no rate and no percentiles.")
    assert page.says(f"rate{formatting.NOTHING}no steady part")


def test_samples_alone_are_shown(store: Store, target: Path) -> None:
    """A run that ended before its first second still shows the fleet as it waited."""
    fill(store, seconds=5)
    store._db.execute("DELETE FROM seconds")
    store._db.execute("DELETE FROM requests")
    _, page = written(nothing(), store, target)
    assert page.says("One row for each of 3 nodes")
    assert ("id", "temperature") in page.attributes
    assert ("id", "rate") not in page.attributes


def test_long_lists_are_cut_with_a_word_on_what_is_left(store: Store, target: Path) -> None:
    """Of more events than fit the page the number is given."""
    for number in range(MAX_ROWS + 34):
        store.add_event(Event(float(number), "tick", None, f"event {number:04}"))
    _, page = written(nothing(), store, target)
    assert page.says("34 more events not shown here")
    assert f"event {MAX_ROWS - 1:04}" in page.text
    assert f"event {MAX_ROWS:04}" not in page.text


def test_a_broken_name_does_not_stop_the_report(store: Store, target: Path) -> None:
    """A report is written although a name holds a lone surrogate, which has no UTF-8."""
    written(msgspec.structs.replace(nothing(), reason="bad \udcff byte"), store, target)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (formatting.number(0.01234), "0.0123"),
        (formatting.number(4.368), "4.37"),
        (formatting.number(99.96), "100.0"),
        (formatting.number(1250.4), "1,250"),
        (formatting.number(None), formatting.NOTHING),
        (formatting.number(float("inf")), formatting.NOTHING),
        (formatting.share(0.0018), "0.18 %"),
        (formatting.share(0.000001), "< 0.001 %"),
        (formatting.share(0.99999), "> 99.9 %"),
        (formatting.share(1), "100 %"),
        (formatting.duration(0), "0 s"),
        (formatting.duration(4.25), "4.25 s"),
        (formatting.duration(110.4), "1 min 50 s"),
        (formatting.duration(86400), "1 d"),
        (formatting.duration(90061), "1 d 1 h"),
        (formatting.moment(83.9), "1:23"),
        (formatting.moment(86399), "23:59:59"),
        (formatting.moment(-3), "-0:03"),
        (formatting.clock("not a time"), "not a time"),
        (formatting.spans([(12, 48), (60, 71)]), "0:12–0:48, 1:00–1:11"),
        (formatting.spans([(12, 48)], 3), "0:12–0:48 and 3 more"),
        (formatting.difference(40.0, 900.0), "+860"),
        (formatting.difference(3.2, 3.1), "-0.100"),
        (formatting.difference(2.0, 2.0), "0"),
        (formatting.difference(None, 2.0), formatting.NOTHING),
        (formatting.frequency(1.8e9), "1.80 GHz"),
        (formatting.frequency(6e8), "600 MHz"),
        (formatting.ahead(3600.0), "1 h ahead"),
        (formatting.ahead(-1.5), "1.5 s behind"),
        (formatting.listed(["a", "b", "c"], 2), "a, b and 1 more"),
        (formatting.counted(1, "node"), "1 node"),
        (formatting.counted(1200, "node"), "1,200 nodes"),
    ],
)
def test_numbers_as_people_read_them(shown: str, expected: str) -> None:
    """Numbers have three significant digits, one unit and no exponent, and stay on one line with their unit."""
    assert shown.replace("\u00a0", " ") == expected


def test_nodes_sort_by_number() -> None:
    """Nodes are sorted by the numbers in their names, so that pi2 comes before pi10."""
    assert sorted(["pi10", "pi2", "a", "10", "pi2b"], key=formatting.natural) == ["10", "a", "pi2", "pi2b", "pi10"]


def test_warnings_and_faults_stand_at_the_top_and_what_is_unknown_is_said_to_be(store: Store, target: Path) -> None:
    """Warnings and faults stand at the top; a generator is not called unfit because a rule can't be judged."""
    fill(store)
    unsure = result("INVALID")
    unsure.validity = unsure.validity[:1]
    unsure.thresholds[0].ok, unsure.thresholds[0].message = None, "unknown, since all was set apart"
    unsure.warnings, unsure.faults = ["50 endpoints are named alike"], ["the fleet: unknown, KeyError"]
    _, page = written(unsure, store, target)
    assert page.says("50 endpoints are named alike")
    assert page.says("Not all of this could be worked out: the fleet: unknown, KeyError")
    assert page.says("It is not known whether the target was good enough")
    assert page.says("Not all of them can be judged.")
    assert page.says("p95 < 50 msunknown, since all was set apartWhat to do: ")
    assert page.says("run again.? unknown40 ms")
    assert not page.says("not fit to measure")
