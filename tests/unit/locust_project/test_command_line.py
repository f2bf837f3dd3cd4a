"""A command line as Locust takes it is read by Locust's parser, and what has no meaning here is said."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import locust
import pytest
from locust.argument_parser import get_empty_argument_parser, setup_parser_arguments

from master.errors import InputError
from master.project.command_checks import check_command, read_without_project, stop_timeout_s, with_line
from master.project.other_options import BREAK, OTHER_OPTIONS
from master.project.process.command_line import CommandLine, CommandOrders
from master.project.process.command_reading import find_locustfiles, read_command_line
from master.scenario import Overrides
from worker.load.locustfile.options import OptionsError, parse_options

PAGE = Path(__file__).resolve().parents[3] / "docs" / "performance" / "locust-projects.md"
HONOURED = {
    "--config",
    "--csv",
    "--csv-full-history",
    "--exclude-tags",
    "--help",
    "--host",
    "--html",
    "--json",
    "--json-file",
    "--list",
    "--locustfile",
    "--run-time",
    "--spawn-rate",
    "--stop-timeout",
    "--tags",
    "--users",
}
RENAMED = {"--web-auth", "--legacy-ui", "--slave", "--expect-slaves"}
"""Of older Locusts: the parser says what they are now."""


@pytest.fixture(autouse=True)
def own_options() -> Iterator[None]:
    """Have a locustfile's options of its own."""

    def add(parser: Any) -> None:
        parser.add_argument("--tenant", env_var="SHOP_TENANT", help="Whose data.")
        parser.add_argument("--fast", action="store_true")
        parser.add_argument("--cache", action="store_true", default=True)
        parser.add_argument("--number", "-n", type=int, choices=[1, 2, 3])
        parser.add_argument("--items", nargs="*")
        parser.add_argument("--header", action="append")
        parser.add_argument("--detail", action="count")

    locust.events.init_command_line_parser.add_listener(add)
    yield
    locust.events.init_command_line_parser.remove_listener(add)


def read(line: str, environment: dict[str, str] | None = None, *, configured: bool = True) -> CommandLine:
    return read_command_line(CommandOrders(line.split(), configured), environment or {})


def test_options_own_options_and_classes_are_told_apart() -> None:
    """A list of tags ends where an option of piswarm's stood."""
    line = read(f"-r 5 -t 1m30s -T a b {BREAK} --tenant acme --fast Shop Admin")
    assert (line.spawn_rate, line.run_time_s, line.tags) == (5, 90, ["a", "b"])
    assert (line.user_classes, line.unknown) == (["Shop", "Admin"], [])
    assert line.arguments == {"tenant": "acme", "fast": True}


def test_arguments_give_a_worker_what_the_command_line_gave() -> None:
    """What is read as arguments is what a worker's parser makes of them, whatever kind of option it is."""
    given = "--tenant acme --fast -n 2 --items x y --header a=1 --header b=2 --detail --detail"
    options = parse_options({}, read(given).arguments)
    assert (options.tenant, options.fast, options.number, options.items) == ("acme", True, 2, ["x", "y"])
    assert (options.header, options.detail) == (["a=1", "b=2"], 2)


def test_variables_and_files_say_what_the_command_line_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command line wins over variables, these over files, a file that is named over those that are found."""
    monkeypatch.chdir(tmp_path)
    Path("locust.conf").write_text("users = 7\nspawn-rate = 7\nrun-time = 7s\ntags = [seven]\nnumber = 3\n", "utf-8")
    Path("own.conf").write_text("run-time = 8s\n", "utf-8")
    Path("pyproject.toml").write_text("[tool.locust]\nhost = 'http://from-toml'\nlocustfile = 'load.py'\n", "utf-8")
    line = read("--users 5 --config own.conf", {"LOCUST_SPAWN_RATE": "6", "LOCUST_USERS": "6"})
    assert (line.users, line.spawn_rate, line.run_time_s, line.tags) == (5, 6, 8, ["seven"])
    assert (line.host, line.arguments) == ("http://from-toml", {"number": "3"})
    assert find_locustfiles([], {}) == (["load.py"], "pyproject.toml:3: locustfile")
    assert find_locustfiles([], {"LOCUST_LOCUSTFILE": "a.py,b.py"}) == (["a.py", "b.py"], "LOCUST_LOCUSTFILE")
    beside_a_scenario = read("--users 5", {"LOCUST_SPAWN_RATE": "6"}, configured=False)
    assert (beside_a_scenario.spawn_rate, beside_a_scenario.host) == (None, None)


def test_a_value_of_a_variable_is_no_argument() -> None:
    """It may be secret, and reaches nodes by another way; on the command line the option wins."""
    assert read("", {"SHOP_TENANT": "sesame"}).arguments == {}
    assert read("--tenant acme", {"SHOP_TENANT": "sesame"}).arguments == {"tenant": "acme"}


def test_own_options_are_shown_and_no_others() -> None:
    """What Locust's help shows of them."""
    shown = read_command_line(CommandOrders([], configured=True, only_help=True), {}).own_help
    assert "--tenant TENANT" in shown
    assert "Whose data." in shown
    assert "--spawn-rate" not in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--number 7", "--number/-n: invalid choice: 7"),
        ("-r 0", "-r/--spawn-rate: must be > 0"),
        ("--web-auth a:b", "replaced with --web-login"),
        ("--tenant", "--tenant: expected one argument"),
        ("-V", "piswarm --version"),
    ],
)
def test_what_locusts_parser_refuses_is_refused_in_its_words(words: str, said: str) -> None:
    """Without usage or the name of a program."""
    with pytest.raises(OptionsError, match=re.escape(said)):
        read(words)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("locust.conf", "# of the nightly job\nusers: many\n", "locust.conf:2: users: invalid int value: 'many'"),
        ("locust.conf", "users = 1\n\nnumber = 7\n", "locust.conf:3: number: invalid choice: 7"),
        ("locust.conf", "users = 1\nheadless = maybe\n", "locust.conf:2: Unexpected value for headless: 'maybe'"),
        ("locust.conf", "users = [1, 2]\n", "locust.conf:1: users can't be set to a list"),
        ("locust.conf", "users = 1\n= 3\n", "locust.conf:2: not read: = 3"),
        ("locust.conf", "detail = very\n", "can't be read: invalid literal for int() with base 10: 'very'"),
        ("pyproject.toml", "[tool.x]\nusers = 'a'\n[tool.locust]\nusers = 'b'\n", "pyproject.toml:4: users: invalid"),
        ("pyproject.toml", "[tool.locust]\nusers = \n", "pyproject.toml: not TOML: Invalid value (at line 2"),
        ("", "", "LOCUST_RUN_TIME: Invalid time span format"),
    ],
)
def test_a_wrong_value_is_refused_with_the_variable_or_the_file_and_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, said: str
) -> None:
    """Who has given it elsewhere than on the command line is to find it."""
    monkeypatch.chdir(tmp_path)
    if name:
        Path(name).write_text(text, "utf-8")
    with pytest.raises(OptionsError, match=re.escape(said)):
        read("", {} if name else {"LOCUST_RUN_TIME": "soon"})


def test_places_of_options_are_known_for_what_is_found_wrong_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host may be no URL, and a class unknown; what the command line says has no place."""
    monkeypatch.chdir(tmp_path)
    Path("locust.conf").write_text("host = x\nuserz = 3\nspawn-rate = 2\n", "utf-8")
    line = read("-r 5", {"LOCUST_USERS": "6"})
    assert line.places == {"--host": "locust.conf:1", "--userz": "locust.conf:2", "--users": "LOCUST_USERS"}
    with pytest.raises(InputError, match=r"^locust.conf:2: no such option: userz; did you mean 'users'\?"):
        check_command(line, [])


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("--node", "local"),
        ("--outpt", "out"),
        ("--workers", "local"),
        ("--hatch-rate", "spawn-rate"),
        ("--otl", "otel"),
        ("--web-prt", "web-port"),
    ],
)
def test_what_is_meant_is_rather_an_option_that_does_something_here(word: str, meant: str) -> None:
    """Also where one of Locust's that is refused looks more like the word; one by the name of another tool's is known."""
    with pytest.raises(InputError, match=f"^no such option: {word}; did you mean '--{meant}'"):
        check_command(read(f"{word} 3"), ["--local", "--out", "--inventory"])


def test_an_option_nobody_knows_is_refused_with_the_nearest() -> None:
    """Be it one of Locust's, of the locustfile's or of piswarm's."""
    for word, near in (("--spawn-rat", "--spawn-rate"), ("--tenat", "--tenant"), ("--invntory", "--inventory")):
        line = read(f"{word}x 5" if near == "--spawn-rate" else f"{word} 5")
        with pytest.raises(InputError, match=f"no such option: {word}.*; did you mean '{near}'"):
            check_command(line, ["--inventory"])


def test_each_option_of_locusts_is_honoured_or_warned_of_or_refused_and_in_the_docs() -> None:
    """None is ignored in silence, also when a newer Locust brings another one."""
    parser = get_empty_argument_parser()
    setup_parser_arguments(parser)
    names = {max(action.option_strings, key=len) for action in parser._actions if action.option_strings}
    assert names - {"--version"} == HONOURED | RENAMED | set(OTHER_OPTIONS)
    page = PAGE.read_text("utf-8")
    assert [name for name in sorted(OTHER_OPTIONS) if f"`{name}`" not in page] == []


def test_options_without_a_meaning_are_warned_of_wherever_they_are_given() -> None:
    """One line each, with the variable or the file that gives it."""
    warnings = check_command(read("--headless", {"LOCUST_WEB_PORT": "81"}), [])
    assert len(warnings) == 2
    assert any(warning.startswith("--headless is not used: ") for warning in warnings)
    assert any(warning.startswith("--web-port (LOCUST_WEB_PORT) is not used: ") for warning in warnings)
    with pytest.raises(InputError, match="--processes: nodes and their workers are started by piswarm"):
        check_command(read("--processes 4"), [])


def test_an_option_that_piswarm_has_too_and_a_time_that_is_too_short_are_warned_of() -> None:
    """Behind `--` the first is the locustfile's own; workers need a second at the end."""
    line = read("-s 0")
    warnings = check_command(line, ["--tenant"])
    assert [warning.partition(" ")[0] for warning in warnings] == ["--tenant", "--stop-timeout"]
    assert (stop_timeout_s(line), stop_timeout_s(read(""))) == (1, None)


def test_options_override_a_scenario_and_classes_do_not() -> None:
    """Its `users` say the classes."""
    over = with_line(Overrides(users=3), read("-r 2 -t 9 -T a", configured=False))
    assert (over.users, over.spawn_rate, over.duration_s, over.tags) == (3, 2, 9, ("a",))
    with pytest.raises(InputError, match="Shop: the scenario's `users` say"):
        with_line(Overrides(), read("Shop", configured=False))
    assert read_without_project(["-r", "2"]).spawn_rate == 2
