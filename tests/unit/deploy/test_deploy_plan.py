"""The plan for a host follows from its facts."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from master.deploy.failures import Cause, HostFailure
from master.deploy.host.facts import HostFacts, parse_facts
from master.deploy.host.plan import Step, plan, platform_of, removable_releases, rollback_to
from master.release.builder import Release
from master.release.platforms import Platform

DATA = Path(__file__).parent / "hosts"
NEW, NOW, OLD = "00112233445566aa", "1111111111111111", "2222222222222222"
SETTINGS = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8"
RELEASE = Release(
    name=NEW, digest=NEW * 4, platform=Platform("aarch64", "3.13"), version="1", archive=Path("x"), archive_sha256="",
    archive_bytes=10, unpacked_bytes=30_000_000, code_bytes=0, files=1, is_new=False,
)  # fmt: skip
FETCH = (Step.UPLOAD, Step.VERIFY, Step.PLACE)
CHANGE = (Step.SWITCH, Step.RESTART, Step.HEALTH_CHECK)


def host(**changes: object) -> HostFacts:
    """Facts of a host that runs NEW as it should, apart from `changes`."""
    facts = parse_facts((DATA / "running.txt").read_text())
    settled = {"releases": {NEW: 3, NOW: 2}, "previous": NOW, "incomplete": (), "lock": None}
    return dataclasses.replace(facts, **(settled | changes))


def unit(**changes: object):  # noqa: ANN201
    return dataclasses.replace(host().unit, **changes)


@pytest.mark.parametrize(
    ("what", "facts", "steps"),
    [
        ("all is as it should be", host(), ()),
        ("an agent that was restarted at times", host(unit=unit(restarts=9)), ()),
        ("another release", host(current=NOW, releases={NOW: 2}), (*FETCH, *CHANGE)),
        ("a bare host", host(current="", previous="", started="", healthy="", releases={}, public_key="",
                             settings="", unit=unit(state="inactive")), (*FETCH, Step.KEYS, Step.CONFIGURE, *CHANGE)),
        ("the release is there, but not in use", host(current=NOW), CHANGE),
        ("cut off before the restart", host(started=NOW, healthy=NOW), (Step.RESTART, Step.HEALTH_CHECK)),
        ("cut off before it was seen healthy", host(healthy=NOW, unit=unit(restarts=0)), (Step.HEALTH_CHECK,)),
        ("the same, and it has ended by itself", host(healthy=NOW), (Step.RESTART, Step.HEALTH_CHECK)),
        ("a stopped agent", host(unit=unit(state="inactive")), (Step.RESTART, Step.HEALTH_CHECK)),
        ("an agent that does not stay up", host(unit=unit(state="activating")), (Step.RESTART, Step.HEALTH_CHECK)),
        ("no key", host(public_key=""), (Step.KEYS,)),
        ("other settings", host(settings="0" * 64), (Step.CONFIGURE, Step.RESTART, Step.HEALTH_CHECK)),
        ("no settings, which an agent that runs may have lost", host(settings=""), (Step.CONFIGURE, Step.RESTART, Step.HEALTH_CHECK)),
        ("leftovers of an upload", host(incomplete=(".x",)), (Step.PRUNE,)),
        ("more than three", host(releases={NEW: 5, NOW: 4, OLD: 3, "3" * 16: 2}), (Step.PRUNE,)),
        ("the current one has lost its mark", host(releases={NOW: 2}), (*FETCH, Step.RESTART, Step.HEALTH_CHECK)),
    ],
)  # fmt: skip
def test_only_what_differs_is_done(what: str, facts: HostFacts, steps: tuple[Step, ...]) -> None:
    """The plan for a host holds the steps that its facts call for, in the order in which they are taken."""
    assert plan(facts, RELEASE, SETTINGS).steps == steps, what


def test_the_differences_in_words() -> None:
    """The reasons for a plan name the differences, without those that follow from others."""
    assert plan(host(), RELEASE, SETTINGS).reasons == ""
    assert plan(host(current=NOW, public_key=""), RELEASE, SETTINGS).reasons == "node has no key, runs another release"
    assert (
        plan(host(settings=""), RELEASE, SETTINGS).reasons
        == "settings differ, agent is not running it, not seen healthy yet"
    )
    assert (
        plan(host(unit=unit(state="failed")), RELEASE, SETTINGS).reasons
        == "agent is not running it, not seen healthy yet"
    )


@pytest.mark.parametrize(
    ("facts", "cause"),
    [
        (host(root="missing"), Cause.NOT_PREPARED),
        (host(root="read-only"), Cause.NOT_PREPARED),
        (host(unit=unit(is_loaded=False)), Cause.NOT_PREPARED),
        (host(etc="missing"), Cause.NOT_PREPARED),
        (host(etc="refused"), Cause.SUDO),
        (host(unit=unit(command="/usr/bin/python3 -P -m worker.service /etc/piswarm")), Cause.NOT_PREPARED),
        (host(current=NOW, releases={NOW: 1}, free_bytes=50_000_000), Cause.DISK),
    ],
)
def test_what_can_not_end_well_is_not_begun(facts: HostFacts, cause: Cause) -> None:
    """A plan that can't succeed is refused before a byte is sent."""
    with pytest.raises(HostFailure) as caught:
        plan(facts, RELEASE, SETTINGS)
    assert caught.value.cause is cause


def test_a_unit_of_another_version_is_named_with_the_way_to_the_new_one() -> None:
    """A host whose unit starts a former version's agent gets no release of this one; it can still go back to a former release."""
    former = parse_facts((DATA / "former-unit.txt").read_text())
    with pytest.raises(HostFailure, match=r"another version: it starts '.* -m worker\.service /etc/piswarm'") as caught:
        plan(former, RELEASE, SETTINGS)
    assert caught.value.hint == "fab stop-workers --limit HOST, then fab provision --limit HOST, then deploy"
    assert rollback_to(host(unit=former.unit)) == NOW


def test_a_full_disk_does_not_matter_to_a_release_that_is_there() -> None:
    """A full disk does not stop a change to a release that is on the host already, which needs no room."""
    assert plan(host(current=NOW, free_bytes=0), RELEASE, SETTINGS).steps == CHANGE


def test_current_and_previous_are_kept_however_old() -> None:
    """The current and the previous release are kept however old they are, and of the others the newest."""
    facts = host(releases={NEW: 9, NOW: 1, OLD: 2, "3" * 16: 3, "4" * 16: 4}, current=NOW)
    assert plan(facts, RELEASE, SETTINGS).removable == (OLD, "3" * 16)
    assert plan(facts, RELEASE, SETTINGS, kept=2).removable == (OLD, "3" * 16, "4" * 16)


def test_one_that_is_to_come_counts() -> None:
    """A release that is about to be sent counts as kept, so that three are there afterwards, and not four."""
    facts = host(releases={NOW: 3, OLD: 2, "3" * 16: 1}, current=NOW)
    assert removable_releases(facts, {NEW, NOW}, kept=3) == ("3" * 16,)
    assert removable_releases(facts, {NOW, ""}, kept=3) == ()


def test_going_back() -> None:
    """A rollback goes to the previous release, if that is still there and not the current one."""
    assert rollback_to(host()) == NOW
    for facts in (host(previous=""), host(previous=NEW), host(releases={NEW: 1})):
        with pytest.raises(HostFailure, match="no previous release"):
            rollback_to(facts)


@pytest.mark.parametrize(("arch", "python"), [("armv7l", "3.13"), ("aarch64", "3.9"), ("aarch64", "")])
def test_machines_that_no_release_is_made_for(arch: str, python: str) -> None:
    """A machine that no release is made for is refused as unfit."""
    with pytest.raises(HostFailure) as caught:
        platform_of(host(arch=arch, python=python))
    assert caught.value.cause is Cause.NOT_PREPARED
    assert platform_of(host()) == Platform("aarch64", "3.13")


def test_byte_code_that_comes_along_is_not_made() -> None:
    """Byte code in the release need not be made on the host, so only its size is added to the room needed for the files."""
    release = dataclasses.replace(RELEASE, code_bytes=8_000_000)
    bare = host(current=NOW, releases={NOW: 1}, free_bytes=60_000_000)
    assert Step.UPLOAD in plan(bare, release, SETTINGS).steps
    with pytest.raises(HostFailure, match="60 MB are free, and 81 MB are needed"):
        plan(bare, RELEASE, SETTINGS)
