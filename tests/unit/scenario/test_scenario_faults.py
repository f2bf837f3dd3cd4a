"""All faults of a scenario file are reported at once, each with its line."""

from pathlib import Path

import pytest

from master.errors import ExitCode, InputError
from master.scenario import LocustProject, load_scenario, project_of

DATA = Path(__file__).parent / "scenarios"
KNOWN = ("ApiUser", "SessionUser", "Canary")

BASE = {
    "name": "base",
    "target": "embedded",
    "users": "{ApiUser: 1}",
    "load": "[{users: 10, spawn_rate: 5, hold: 1m}]",
}


def fault_of(file: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        load_scenario(file, KNOWN)
    assert caught.value.exit_code is ExitCode.INPUT
    return caught.value


def written(folder: Path, text: str | bytes) -> Path:
    file = folder / "case.yml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


def base_with(**changed: str | None) -> str:
    """The base scenario, one key per line: name, target, users, load, then new keys from line 5 on."""
    return "".join(f"{key}: {value}\n" for key, value in (BASE | changed).items() if value is not None)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        pytest.param("", 1, "the file is empty", id="an empty file"),
        pytest.param("# only\n\n# comments\n", 1, "the file is empty", id="only comments"),
        pytest.param("- a\n- b\n", 1, "no mapping", id="a list"),
        pytest.param("\n\njust words\n", 3, "no mapping", id="a sentence"),
        pytest.param("a: 1\nb: [1, 2\nc: 3\n", 3, "not YAML", id="an open bracket"),
        pytest.param("a: 'open\n", 2, "not YAML", id="an open quote"),
        pytest.param("a: 1\n\tb: 2\n", 2, "a tab where YAML allows only spaces", id="a tab"),
        pytest.param("a: 1\n---\nb: 2\n", 2, "a second document", id="two documents"),
        pytest.param(b"a: 1\nb: gr\xfcn\n", 2, "not UTF-8", id="Latin-1"),
        pytest.param("a: 1\n\nb: \x07\n", 3, "can't stand in YAML", id="a control character"),
        pytest.param("a: " + "[" * 100 + "]" * 100, 1, "nested too deeply", id="deep nesting"),
        pytest.param("a: 1\n" * 250_000, 1, "larger than 1 MB", id="a huge file"),
        pytest.param("{}\n", 1, "3 faults", id="an empty mapping"),
    ],
)
def test_a_file_that_is_no_scenario_at_all_is_refused_with_its_line(
    tmp_path: Path, text: str | bytes, line: int, says: str
) -> None:
    file = written(tmp_path, text)
    message = fault_of(file).message if "{}" not in str(text) else str(fault_of(file))
    assert f"{file}:{line}: " in message or "faults" in message
    assert says in message


@pytest.mark.parametrize(
    ("changed", "line", "says"),
    [
        pytest.param({"name": "Big Name"}, 1, "name: 'Big Name' is no name", id="a name with capitals and a space"),
        pytest.param(
            {"name": "2026"}, 1, "name: must be text (quote it if it is meant), not 2026", id="a name that is a number"
        ),
        pytest.param(
            {"name": "yes"},
            1,
            "name: 'yes' means yes or no to some, and is text to others: write true or false, or quote it",
            id="a name that is a boolean to some",
        ),
        pytest.param(
            {"name": "true"},
            1,
            "name: must be text (quote it if it is meant), not true/false",
            id="a name that is true",
        ),
        pytest.param({"name": ""}, 1, "name: is empty", id="a key without value"),
        pytest.param({"name": "!!python/name:os.system x"}, 1, "name: tags", id="a Python tag"),
        pytest.param({"name": "!!int x"}, 1, "'x' is no plain decimal number", id="a tag that lies"),
        pytest.param({"name": "x" * 10_001}, 1, "longer than 10000 characters", id="a scalar beyond reason"),
        pytest.param(
            {"description": '"\\ud800"'}, 5, "description: holds half a surrogate pair", id="half a surrogate pair"
        ),
        pytest.param({"target": None}, 1, "target: required, but not given", id="no target"),
        pytest.param({"target": "embeded"}, 2, "neither 'embedded' nor a URL", id="a target that is neither"),
        pytest.param({"target": "ftp://a.test"}, 2, "neither 'embedded' nor a URL", id="a target of another scheme"),
        pytest.param({"target": "http://"}, 2, "needs a host", id="a target without host"),
        pytest.param({"target": "http://a.test:99999"}, 2, "is no URL", id="a target with a port out of range"),
        pytest.param({"target": "http://[::1"}, 2, "is no URL", id="a target with half an IPv6 address"),
        pytest.param({"target": '"http://a b"'}, 2, "needs a host", id="a target with a space"),
        pytest.param({"target": "http://a.test/?q=1"}, 2, "query or fragment", id="a target with a query"),
        pytest.param({"target": "http://a.test/#x"}, 2, "query or fragment", id="a target with a fragment"),
        pytest.param({"users": "{}"}, 3, "users: names no user class", id="no users"),
        pytest.param(
            {"users": "[ApiUser]"}, 3, "users: must be a mapping of keys to values, not a list", id="users as a list"
        ),
        pytest.param(
            {"users": "{ApiUsr: 1}"},
            3,
            "users.ApiUsr: unknown user class; did you mean 'ApiUser'? (known: ApiUser, Canary, SessionUser)",
            id="an unknown user",
        ),
        pytest.param({"users": "{ApiUser: 0}"}, 3, "neither a weight above 0", id="a weight of 0"),
        pytest.param({"users": "{ApiUser: .nan}"}, 3, "'.nan' is no plain decimal", id="a weight of NaN"),
        pytest.param({"users": "{ApiUser: .inf}"}, 3, "'.inf' is no plain decimal", id="an infinite weight"),
        pytest.param({"users": "{ApiUser: true}"}, 3, "neither a weight above 0", id="a boolean weight"),
        pytest.param({"users": '{ApiUser: "3"}'}, 3, "neither a weight above 0", id="a weight as text"),
        pytest.param({"users": '{ApiUser: "= 0"}'}, 3, "neither a weight above 0", id="a fixed count of 0"),
        pytest.param({"users": '{ApiUser: "= 2.5"}'}, 3, "neither a weight above 0", id="a broken fixed count"),
        pytest.param(
            {"users": '{ApiUser: 1, Canary: "= 11"}'}, 3, "add up to 11, more than the 10 users", id="too many fixed"
        ),
        pytest.param(
            {"users": '{ApiUser: "= 9"}'}, 3, "add up to 9, so 10 users are never reached", id="too few fixed"
        ),
        pytest.param({"users": "{ApiUser: 1, 1: 2}"}, 3, "keys must be text", id="a key that is a number"),
        pytest.param({"users": "{ApiUser: 1, [a]: 2}"}, 3, "a collection as a key", id="a key that is a list"),
        pytest.param({"users": "{ApiUser: 1, ApiUser: 2}"}, 3, "users.ApiUser: given twice", id="a user given twice"),
        pytest.param({"load": "[]"}, 4, "load: nothing to measure", id="no load"),
        pytest.param({"load": "{users: 1}"}, 4, "load: must be a list, not a mapping", id="load as a mapping"),
        pytest.param(
            {"load": "[5]"}, 4, "load[0]: must be a mapping of keys to values, not 5", id="a stage as a number"
        ),
        pytest.param({"load": "[{users: 5, spawn_rate: 1, hold: 0s}]"}, 4, "nothing to measure", id="nothing held"),
        pytest.param({"load": "[{users: 0, spawn_rate: 1, hold: 1m}]"}, 4, "nothing to measure", id="no users held"),
        pytest.param(
            {"load": "[{users: 10, spawn_rate: 5, hold: 4.2s}, {users: 0, spawn_rate: 5, hold: 1m}]"},
            4,
            "load: too short to be judged: a hold of users needs at least 4.3s with samples every 1s; the longest is 4.2s",
            id="no hold long enough",
        ),
        pytest.param(
            {"load": "[{users: 10, spawn_rate: 0.000001, hold: 1m}]"},
            4,
            "load: the ramps take 116 days, more than the 31 that a run may",
            id="a ramp without end",
        ),
        pytest.param(
            {"load": "\n  - {users: 5, spawn_rate: 1}"}, 5, "load[0].hold: required", id="a stage without hold"
        ),
        pytest.param(
            {"load": "\n  - users: 5\n    spawn_rate: 1\n    hold: 90"},
            7,
            "say the unit, e.g. 90s",
            id="a hold without unit",
        ),
        pytest.param(
            {"load": "\n  - users: 5\n    spawn_rate: 1\n    hold:\n      90 x"},
            8,
            "is not a duration",
            id="an unknown unit",
        ),
        pytest.param(
            {"load": "[{users: 5.5, spawn_rate: 1, hold: 1m}]"}, 4, "must be a whole number, not 5.5", id="half a user"
        ),
        pytest.param(
            {"load": "[{users: -5, spawn_rate: 1, hold: 1m}]"},
            4,
            "must be at least 0, not -5",
            id="fewer than no users",
        ),
        pytest.param(
            {"load": "[{users: 5, spawn_rate: 0, hold: 1m}]"}, 4, "must be more than 0, not 0", id="no spawn rate"
        ),
        pytest.param(
            {"load": "[{users: 5, spawn_rate: .nan, hold: 1m}]"}, 4, "is no plain decimal", id="a spawn rate of NaN"
        ),
        pytest.param(
            {"load": "[{users: 5, spawn_rate: .inf, hold: 1m}]"}, 4, "is no plain decimal", id="an infinite spawn rate"
        ),
        pytest.param(
            {"load": "\n  - max_users: 5\n    rate: 100\n    hold: 1m"},
            6,
            "load[0].rate: 100 has no unit: say the unit, e.g. 600/s; did you mean 100/s?",
            id="a rate without unit",
        ),
        pytest.param({"nodes": "{expect: 0}"}, 5, "nodes.expect: must be at least 1", id="no nodes"),
        pytest.param(
            {"nodes": "{expect: 2, min: 3}"}, 5, "nodes.min: 3 is more than the 2 expected", id="min above expect"
        ),
        pytest.param(
            {"nodes": "{expekt: 2}"}, 5, "unknown key; did you mean 'expect'? (known: expect, min, wait)", id="a typo"
        ),
        pytest.param(
            {"fleet": "{pi4: 1}"}, 5, "fleet.pi4: unknown kind of node; did you mean 'pi4-bare'?", id="a board alone"
        ),
        pytest.param({"fleet": "{pi5-case: 1}"}, 5, "(known: zero2w, zero2w-bare, ", id="a cooling that it can't have"),
        pytest.param({"fleet": "\n  pi4-bare: 1\n  pi5-cold: 2"}, 7, "mean 'pi5-cooled'?", id="a kind misspelt"),
        pytest.param(
            {"fleet": "{zero2w: 0}"}, 5, "fleet.zero2w: must be more than 0, not 0", id="a kind without weight"
        ),
        pytest.param({"fleet": "{zero2w: .inf}"}, 5, "'.inf' is no plain decimal", id="an infinite weight of a kind"),
        pytest.param({"fleet": '{zero2w: "= 3"}'}, 5, "fleet.zero2w: must be a number", id="a fixed count of a kind"),
        pytest.param({"fleet": "{}"}, 5, "fleet: names no kind of node", id="a fleet of nothing"),
        pytest.param({"fleet": "[zero2w]"}, 5, "fleet: must be a mapping", id="a fleet as a list"),
        pytest.param(
            {"rack": "{ambiant: 35 °C}"}, 5, "rack.ambiant: unknown key; did you mean 'ambient'?", id="a rack's typo"
        ),
        pytest.param(
            {"rack": "{ambient: 35}"}, 5, "rack.ambient: 35 has no unit: say the unit, e.g. 35 °C", id="bare degrees"
        ),
        pytest.param({"rack": "{ambient: 95 F}"}, 5, "rack.ambient: '95 F' is not a temperature", id="other degrees"),
        pytest.param(
            {"rack": "{ambient: 71 °C}"}, 5, "'71 °C' is not from -40 °C to 70 °C", id="air too hot for any Pi"
        ),
        pytest.param(
            {"rack": "{spread: -1 °C}"}, 5, "rack.spread: '-1 °C' is not from 0 °C to 40 °C", id="a spread below 0"
        ),
        pytest.param({"rack": "{weak_supply: 101 %}"}, 5, "more than a percentage may be", id="more than all supplies"),
        pytest.param({"rack": "{request_cpu: 0s}"}, 5, "'0s' is not from 0.00001s to 10s", id="a request for nothing"),
        pytest.param({"rack": "{request_cpu: 11s}"}, 5, "'11s' is not from 0.00001s to 10s", id="a request too dear"),
        pytest.param(
            {"rack": "{thermal_speed: 0.5}"}, 5, "rack.thermal_speed: must be at least 1", id="a slower model"
        ),
        pytest.param(
            {"rack": "{thermal_speed: 101}"}, 5, "rack.thermal_speed: must be at most 100", id="a model too fast"
        ),
        pytest.param(
            {"thresholds": "errors < 5 %"}, 5, "thresholds: must be a list", id="a rule that is not in a list"
        ),
        pytest.param(
            {"thresholds": "\n  - p95 < 5 ms\n  - 5"}, 7, "thresholds[1]: 5 is not a rule", id="a rule that is a number"
        ),
        pytest.param(
            {"thresholds": "\n  - p95 < 5 %"}, 6, "p95: '5 %' is not a latency", id="a rule with the wrong unit"
        ),
        pytest.param(
            {
                "load": "[{users: 1, spawn_rate: 1, hold: 12s}]",
                "thresholds": "\n  - errors < 5 %\n  - p95 < 5 ms over 10s",
            },
            7,
            "thresholds[1]: 'p95 < 5 ms over 10s' needs a hold of 12.2s, since not all of its edges is judged; the longest hold is 12s",
            id="a window longer than what is judged of a hold",
        ),
        pytest.param(
            {
                "load": "[{users: 0, spawn_rate: 1, hold: 1h}, {users: 1, spawn_rate: 1, hold: 9s}]",
                "thresholds": "[exceptions = 0 over 10s]",
            },
            5,
            "the longest hold is 9s",
            id="a window for a hold without users",
        ),
        pytest.param(
            {"validity": "{node_cpu: 120 %}"}, 5, "more than a percentage may be", id="a percentage above 100"
        ),
        pytest.param({"validity": "{node_cpu: 50 ms}"}, 5, "is not a percentage", id="a limit with the wrong unit"),
        pytest.param({"validity": "{nod_cpu: 5 %}"}, 5, "did you mean 'node_cpu'?", id="an unknown check"),
        pytest.param({"validity": "{users: 101 %}"}, 5, "users: '101 %' is more than", id="more users than wanted"),
        pytest.param({"validity": "{users: 99}"}, 5, "users: 99 has no unit", id="a share of users without unit"),
        pytest.param({"validity": "{local_errors: -1}"}, 5, "local_errors: must be at least 0", id="errors below none"),
        pytest.param({"validity": "{local_errors: 1 %}"}, 5, "local_errors: must be a whole number", id="errors in %"),
        pytest.param({"sample_period": "100 ms"}, 5, "is not from 0.2s to 1m", id="a sample period too short"),
        pytest.param({"stop_timeout": "61m"}, 5, "is not from 1s to 1h", id="a stop timeout too long"),
        pytest.param({"tracing": "{sample: 1 %}"}, 5, "tracing.endpoint: required", id="spans that go nowhere"),
        pytest.param({"tracing": "{endpoint: 'grpc://a:1'}"}, 5, "is no URL of a collector", id="spans not by HTTP"),
        pytest.param({"tracing": "{endpoint: 'http://a:0'}"}, 5, "is no base URL", id="a collector at port 0"),
        pytest.param({"tracing": "{endpoint: 'http://a/?k'}"}, 5, "is no base URL", id="a collector with a query"),
        pytest.param({"tracing": "{endpoint: 'http://u:p@a'}"}, 5, "holds credentials", id="a collector's password"),
        pytest.param(
            {"tracing": "{endpoint: 'http://a', sample: 0 %}"}, 5, "no request would be traced", id="no request traced"
        ),
        pytest.param({"tracing": "{endpoint: 'http://a', sample: 1}"}, 5, "1 has no unit", id="a sample without unit"),
        pytest.param({"tracing": "{endpoint: 'http://a', smaple: 1 %}"}, 5, "did you mean 'sample'", id="a key of it"),
        pytest.param({"seed": "-1"}, 5, "seed: must be at least 0", id="a negative seed"),
        pytest.param(
            {"seed": "9" * 5000}, 5, "a number of 5000 characters is more than can be meant", id="a seed of 5000 digits"
        ),
        pytest.param({"locustfile": "nowhere.py"}, 5, "'nowhere.py': no such file", id="no such Locust file"),
        pytest.param({"locustfile": "."}, 5, "'.' is a folder without a locustfile", id="a folder as Locust file"),
        pytest.param({"locustfile": "x" * 5000}, 5, "no such file", id="a Locust file's name too long"),
        pytest.param(
            {"locustfile": "[a.py, b.py]"}, 5, "locustfile[0]: 'a.py': no such file", id="several Locust files"
        ),
        pytest.param({"locustfile": "5"}, 5, "5: no such file", id="a Locust file that is a number"),
        pytest.param({"usres": "1"}, 5, "usres: unknown key; did you mean 'users'?", id="an unknown key"),
        pytest.param({"seed": "&anchor 5"}, 5, "anchors (&anchor) are not supported", id="an anchor"),
        pytest.param({"seed": "*nowhere"}, 5, "seed: aliases (*nowhere) are not supported", id="an alias"),
        pytest.param({"nodes": "{<<: {expect: 3}}"}, 5, "nodes: merge keys (<<) are not supported", id="a merge key"),
    ],
)
def test_one_fault_is_one_line_with_file_line_and_place(
    tmp_path: Path, changed: dict[str, str | None], line: int, says: str
) -> None:
    file = written(tmp_path, base_with(**changed))
    message = fault_of(file).message
    assert message.startswith(f"{file}:{line}: ")
    assert says in message
    assert "\n" not in message


def test_all_faults_of_a_file_are_reported_together_in_the_order_of_their_lines() -> None:
    file = DATA / "many-faults.yml"
    summary, *rows = fault_of(file).message.splitlines()
    assert summary == f"{file}: {len(rows)} faults"
    lines = [int(row.removeprefix(f"  {file}:").partition(":")[0]) for row in rows]
    assert lines == sorted(lines)
    assert lines == [1, 2, 3, 3, 4, 6, 7, 7, 9, 10, 10, 11, 11, 13, 15, 17, 18, 20]


def test_aliases_anchors_and_merge_keys_are_each_named_and_never_followed() -> None:
    message = fault_of(DATA / "aliases.yml").message
    assert "aliases.yml:3: load[1]: aliases (*a)" in message
    assert "aliases.yml:6: nodes: merge keys" in message
    assert message.count("anchors (&") == 2
    assert "thresholds[0]: aliases (*b)" in message


@pytest.mark.parametrize(("name", "line"), [("tab.yml", 4), ("latin1.yml", 2)])
def test_a_file_that_an_editor_spoilt_is_refused_with_its_line(name: str, line: int) -> None:
    assert fault_of(DATA / name).message.startswith(f"{DATA / name}:{line}: ")


def test_credentials_in_a_target_are_refused_and_never_repeated(tmp_path: Path) -> None:
    for target in ("http://me:hunter2@a.test", "ftp://me:hunter2@a.test", "postgresql://me:hunter2@a.test/x"):
        error = fault_of(written(tmp_path, base_with(target=target)))
        assert error.message.startswith(f"{tmp_path / 'case.yml'}:2: target: ")
        assert "hunter2" not in error.message + error.hint


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path: Path) -> None:
    assert fault_of(tmp_path / "none.yml").message == f"{tmp_path / 'none.yml'}: no such file"
    assert fault_of(tmp_path).message == f"{tmp_path}: is not a file"


def test_a_name_is_required_where_the_file_name_can_not_serve(tmp_path: Path) -> None:
    file = tmp_path / "My Test.yml"
    file.write_text(base_with(name=None))
    assert "name: not given, and the file's own 'My Test' is no name" in fault_of(file).message


def test_without_any_user_class_known_the_message_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no user classes are known"):
        load_scenario(written(tmp_path, base_with()), ())


def test_peeking_for_the_locust_file_reports_every_fault_but_unknown_users(tmp_path: Path) -> None:
    (tmp_path / "own.py").touch()
    assert project_of(written(tmp_path, base_with(users="{Mine: 1}", locustfile="own.py"))) == LocustProject(
        tmp_path, (tmp_path / "own.py",)
    )
    assert project_of(written(tmp_path, base_with())) is None
    with pytest.raises(InputError, match="2 faults"):
        project_of(written(tmp_path, base_with(locustfile="none.py", seed="-1")))
