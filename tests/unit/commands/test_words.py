"""Words of a command line are sorted: options of piswarm's out of what Locust's parser is to read."""

from __future__ import annotations

from pathlib import Path

import pytest

from master.commands.run_options.words import Values, find_scenario, has_project, sort_words

OURS = {"-f": Values.ONE, "--local": Values.ONE, "-u": Values.ONE, "--users": Values.ONE, "--separate": Values.NONE}
LOCUSTS = {"-T": Values.MANY, "-r": Values.ONE, "--json": Values.NONE}
BREAK = "--piswarm-option"


@pytest.mark.parametrize(
    ("line", "ours", "rest"),
    [
        ("s.yml --local 3 -u5", "--local 3 -u 5", f"s.yml {BREAK}"),
        ("-f=x.py --users=5", "-f x.py --users=5", ""),
        ("-T a b --local 3 Shop", "--local 3", f"-T a b {BREAK} Shop"),
        ("--tenant acme --separate --fast", "--separate", f"--tenant acme {BREAK} --fast"),
        ("--tenant acme -- --local 5", "", f"--tenant acme {BREAK} --local 5"),
        ("--locl 3 --userss 5", "", "--locl 3 --userss 5"),
        ("--local", "--local", ""),
        ("--users -5", "--users -5", ""),
    ],
)
def test_options_of_piswarms_are_taken_out_and_leave_a_break(line: str, ours: str, rest: str) -> None:
    """A list of tags ends where an option stood, as it does for Locust; behind `--` nothing is piswarm's."""
    words = sort_words(line.split(), OURS)
    assert (words.ours, words.rest) == (ours.split(), rest.split())


@pytest.mark.parametrize(
    ("line", "scenario"),
    [
        ("s.yml -r 5", "s.yml"),
        ("-r 5 plain-name", "plain-name"),
        ("--tenant acme s.yaml", "s.yaml"),
        ("-T a b s.yml", "s.yml"),
        ("--json s", "s"),
        ("-T a b", None),
        ("-r 5", None),
        ("", None),
    ],
)
def test_the_scenario_is_what_ends_like_one_or_the_first_word_that_is_no_value(line: str, scenario: str | None) -> None:
    """Options of the locustfile's own are not known yet, so that a value of theirs may stand before the scenario."""
    words = line.split()
    index = find_scenario(words, LOCUSTS, has_project=False)
    assert (None if index is None else words[index]) == scenario


def test_where_locust_would_find_a_project_words_are_classes_unless_a_file_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`piswarm run --tenant acme Shop` runs the project there."""
    monkeypatch.chdir(tmp_path)
    assert not has_project(tmp_path, {})
    assert has_project(tmp_path, {"LOCUST_LOCUSTFILE": "load.py"})
    (tmp_path / "locustfile.py").write_text("")
    (tmp_path / "Shop").write_text("")
    assert has_project(tmp_path, {})
    found = {
        line: find_scenario(line.split(), LOCUSTS, has_project=True)
        for line in ("--tenant acme Shop", "Shop", "Admin", "--tenant acme s.yml")
    }
    assert found == {"--tenant acme Shop": None, "Shop": 0, "Admin": None, "--tenant acme s.yml": 2}
