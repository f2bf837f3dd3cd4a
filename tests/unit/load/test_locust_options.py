"""Locust's options, as a locustfile reads them."""

from __future__ import annotations

import re
from argparse import BooleanOptionalAction
from typing import Any

import locust
import pytest
from locust.event import EventHook

from worker.load.locustfile.options import OptionsError, locust_variables, own_variables, parse_options, worker_options
from worker.wire.work import ArgumentValue, UserShare, Work

WORK = Work(
    run="run",
    users={"Visitor": UserShare(weight=1)},
    host="http://target.test:80",
    seed=0,
    stop_timeout_s=7.0,
    root="/project",
    locustfiles=["visitors.py"],
    users_max=40,
    spawn_rate=2.5,
    duration_s=90.0,
    variables={"SHOP_TENANT": "globex"},
)


@pytest.fixture(autouse=True)
def parser_event(monkeypatch: pytest.MonkeyPatch) -> EventHook:
    event = EventHook()
    monkeypatch.setattr(locust.events, "init_command_line_parser", event)
    return event


def add_tenant(parser: Any) -> None:
    parser.add_argument("--tenant", env_var="SHOP_TENANT", default="acme")
    parser.add_argument("--depth", type=int, env_var="SHOP_DEPTH", default=3)
    parser.add_argument("--note", default="")


def test_an_option_of_the_locustfiles_own_has_its_default(parser_event: EventHook) -> None:
    """An option of the locustfile's own that nobody has set has its default."""
    parser_event.add_listener(add_tenant)
    options = parse_options({})
    assert (options.tenant, options.depth, options.note) == ("acme", 3, "")


def test_an_own_option_has_the_value_of_the_variable_that_it_names(parser_event: EventHook) -> None:
    """An option of the locustfile's own takes its environment variable's value, from the controller and converted by type."""
    parser_event.add_listener(add_tenant)
    taken = own_variables({"SHOP_TENANT": "globex", "SHOP_DEPTH": "7", "LOCUST_TAGS": "a", "PATH": "/bin"})
    assert taken == {"SHOP_TENANT": "globex", "SHOP_DEPTH": "7"}
    options = parse_options(taken)
    assert (options.tenant, options.depth) == ("globex", 7)


def test_locusts_own_options_come_from_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locust's own options are not read from the environment, since a node's might choose other tasks than the controller's."""
    monkeypatch.setenv("LOCUST_TAGS", "good")
    assert parse_options({}).tags is None
    assert {"LOCUST_TAGS", "LOCUST_EXCLUDE_TAGS", "LOCUST_USERS", "LOCUST_HOST"} <= locust_variables()


def test_an_own_option_that_must_be_given_is_named_when_it_is_not(parser_event: EventHook) -> None:
    """A required option without a value is an error that names it, since there is no command line to give it on."""
    parser_event.add_listener(lambda parser: parser.add_argument("--token", required=True, env_var="SHOP_TOKEN"))
    with pytest.raises(OptionsError, match="--token"):
        parse_options({})
    assert parse_options({"SHOP_TOKEN": "x"}).token == "x"


def test_a_listener_that_can_not_add_its_options_is_named(parser_event: EventHook) -> None:
    """A listener that adds an option which Locust itself has is an error that names the option."""
    parser_event.add_listener(lambda parser: parser.add_argument("--users"))
    with pytest.raises(OptionsError, match="--users"):
        parse_options({})


def test_a_workers_options_say_what_the_run_does(parser_event: EventHook) -> None:
    """A worker's options are those of the run, as if given on Locust's command line."""
    parser_event.add_listener(add_tenant)
    options = worker_options(WORK)
    assert (options.host, options.num_users, options.spawn_rate, options.run_time) == (
        "http://target.test:80",
        40,
        2.5,
        90,
    )
    assert (options.stop_timeout, options.headless, options.worker, options.master) == (7.0, True, True, False)
    assert (options.locustfile, options.tenant, options.tags) == ("visitors.py", "globex", None)


def add_shop(parser: Any) -> None:
    parser.add_argument("--tenant", "-t2", env_var="SHOP_TENANT", default="acme")
    parser.add_argument("--max-depth", type=int, default=3)
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--colour", action=BooleanOptionalAction, default=True)
    parser.add_argument("--shop", action="append")
    parser.add_argument("--pair", nargs=2)


def test_arguments_are_read_as_on_a_command_line(parser_event: EventHook) -> None:
    """Arguments of the scenario win over environment variables, and are converted by the options' types."""
    parser_event.add_listener(add_shop)
    given: dict[str, ArgumentValue] = {"tenant": "-x", "max_depth": "7", "fast": True, "colour": False}
    options = parse_options({"SHOP_TENANT": "globex"}, given | {"shop": ["a", "b"], "pair": ["1", "2"]})
    assert (options.tenant, options.max_depth, options.fast, options.colour) == ("-x", 7, True, False)
    assert (options.shop, options.pair) == (["a", "b"], ["1", "2"])
    plain = parse_options({}, {"fast": False, "colour": True})
    assert (plain.tenant, plain.fast, plain.colour) == ("acme", False, True)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"tenent": "x"}, "no option 'tenent' of its own (it has: colour, fast, max_depth, pair, shop, tenant)"),
        ({"users": "5"}, "no option 'users' of its own"),
        ({"max_depth": "deep"}, "invalid int value: 'deep'"),
        ({"fast": "yes"}, "the option is a flag"),
    ],
)
def test_an_argument_that_the_locustfile_does_not_take_is_named(
    parser_event: EventHook, given: dict[str, ArgumentValue], says: str
) -> None:
    """Arguments that are no option of the locustfile's own, or have no value of its type, are refused by name."""
    parser_event.add_listener(add_shop)
    with pytest.raises(OptionsError, match=re.escape(says)):
        parse_options({}, given)
