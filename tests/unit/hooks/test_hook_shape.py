"""`hooks` of a scenario: what is accepted, what is refused, and that no secret is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from master.errors import InputError
from master.hooks.model import Hook
from master.hooks.orders import receivers_of
from master.scenario import load_scenario

USERS = ["ApiUser"]
USUAL = "users: {ApiUser: 1}\ntarget: embedded\nload: [{users: 1, spawn_rate: 1, hold: 10s}]\n"
CHAT = Hook(("verdict",), "https://chat.example/${TOKEN}", {"Authorization": "Bearer ${TOKEN}"})


def test_hooks_are_read_and_written_as_they_are(tmp_path: Path) -> None:
    """A scenario with hooks is read back from what it writes, with the names of variables and not their values."""
    path = tmp_path / "a.yml"
    path.write_text(
        USUAL
        + "hooks:\n- {events: [start, lost, verdict], url: 'https://chat.example/${TOKEN}', headers: {X-Key: '${KEY}'}}\n"
        + "- {events: abort, command: [notify-send, piswarm]}\n"
    )
    scenario = load_scenario(path, known_users=USERS)
    assert scenario.hooks == (
        Hook(("start", "lost", "verdict"), "https://chat.example/${TOKEN}", {"X-Key": "${KEY}"}),
        Hook(("abort",), command=("notify-send", "piswarm")),
    )
    again = tmp_path / "b.yml"
    again.write_text(scenario.to_yaml())
    assert load_scenario(again, known_users=USERS).hooks == scenario.hooks


@pytest.mark.parametrize(
    ("hook", "said"),
    [
        ("{events: verdikt, url: 'http://a'}", "did you mean 'verdict'?"),
        ("{events: verdict}", "needs either a url or a command"),
        ("{events: verdict, url: 'http://a', command: x}", "needs either a url or a command"),
        ("{events: [], url: 'http://a'}", "names no event"),
        ("{events: verdict, url: 'ftp://a'}", "is no URL that starts with http://"),
        ("{events: verdict, url: 'http://user:pass@a/'}", "holds credentials"),
        ("{events: verdict, url: 'http://a b/'}", "is no URL"),
        ("{events: verdict, url: 'http://a', headers: {'X:': b}}", "is no name of a header"),
        ("{events: verdict, url: 'http://a', headers: {Host: b}}", "is no name of a header that can be set"),
        ('{events: verdict, url: "http://a", headers: {X: "a\\r\\nY: b"}}', "is no text of a header"),
        ("{events: verdict, command: x, headers: {X: y}}", "which only a url gets"),
    ],
)
def test_what_is_no_hook_is_refused_with_its_line(tmp_path: Path, hook: str, said: str) -> None:
    """Each fault is told with file and line, before anything is started."""
    path = tmp_path / "a.yml"
    path.write_text(f"{USUAL}hooks:\n- {hook}\n")
    with pytest.raises(InputError) as refused:
        load_scenario(path, known_users=USERS)
    assert said in str(refused.value)
    assert f"{path}:5" in str(refused.value)


def test_variables_are_filled_in_and_the_name_has_no_secret() -> None:
    """URL and headers get the values; what is told of the hook names the variable."""
    (receiver,) = receivers_of([CHAT], {"TOKEN": "s3cret"})
    assert (receiver.url, receiver.headers) == ("https://chat.example/s3cret", {"Authorization": "Bearer s3cret"})
    assert receiver.name == "hook 1 (https://chat.example/${TOKEN})"


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, "hooks: TOKEN is not set in the environment"),
        ({"TOKEN": ""}, "TOKEN is not set"),
        ({"TOKEN": "a\r\nX: b"}, "the value of TOKEN has characters"),
        ({"TOKEN": "a b"}, "the URL of hook 1 is none"),
    ],
)
def test_a_variable_that_is_missing_or_unusable_is_told_without_its_value(environ: dict[str, str], said: str) -> None:
    """A run does not start where a hook's variable is not there."""
    hook = CHAT if said.startswith(("hooks", "TOKEN", "the value")) else Hook(("start",), "${TOKEN}")
    with pytest.raises(InputError) as refused:
        receivers_of([hook], environ)
    assert said in str(refused.value)
    assert "a b" not in str(refused.value)
