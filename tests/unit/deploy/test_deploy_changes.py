"""Changes to the keys that are trusted, by several processes at once and in turn: none is lost, and no revocation is undone."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from master.errors import InputError
from master.trust import changes
from master.trust.changes import (
    allow_nodes,
    enroll_nodes,
    forget_keys,
    read_trust,
    revoke,
    trust_host_keys,
    update_trust,
)
from master.trust.known_hosts import HostKey
from master.trust.state import StateDirectory, read_allowlist

KEY = HostKey("ssh-ed25519", b"\0\0\0\x0bssh-ed25519\0\0\0 " + bytes(range(32)))
OTHER = HostKey("ssh-ed25519", b"\0\0\0\x0bssh-ed25519\0\0\0 " + bytes(range(1, 33)))
ROUNDS = 25

# Enrolls new nodes and revokes those that were there, one after the other, as soon as it is let.
CHANGER = """
import sys
from pathlib import Path
from master.trust.changes import allow_nodes, revoke, trust_host_keys, read_trust
from master.trust.known_hosts import HostKey
from master.trust.state import StateDirectory
state, number, rounds = StateDirectory(Path(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3])
key = HostKey("ssh-ed25519", b"\\0\\0\\0\\x0bssh-ed25519\\0\\0\\0 " + bytes(32))
print("ready", flush=True)
sys.stdin.readline()
for turn in range(rounds):
    name = f"new-{number}-{turn}"
    since = read_trust(state).revoked
    assert not trust_host_keys(state, {name: (name, key)}, since)
    assert not allow_nodes(state, {name: f"{number:020}{turn:020}"})
    assert revoke(state, f"old-{number}-{turn}", [f"old-{number}-{turn}"]) == (True, True)
"""


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    return StateDirectory(tmp_path / "state")


def test_many_changes_at_once_are_all_there_afterwards(state: StateDirectory) -> None:
    """Four processes enroll and revoke nodes at once, and every one of their changes is there afterwards."""
    processes = range(4)
    old = {f"old-{number}-{turn}": f"{number:018}{turn:018}-old" for number in processes for turn in range(ROUNDS)}
    assert allow_nodes(state, old) == {}
    assert trust_host_keys(state, {name: (name, KEY) for name in old}, read_trust(state).revoked) == {}
    changers = [
        subprocess.Popen(
            [sys.executable, "-c", CHANGER, str(state.directory), str(number), str(ROUNDS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in processes
    ]
    for changer in changers:
        assert changer.stdout is not None
        assert changer.stdout.readline() == "ready\n"
    for changer in changers:
        assert changer.stdin is not None
        changer.stdin.write("go\n")
        changer.stdin.flush()
    for changer in changers:
        changer.communicate(timeout=120)
    assert [changer.returncode for changer in changers] == [0, 0, 0, 0]
    trust = read_trust(state)
    new = {f"new-{number}-{turn}" for number in processes for turn in range(ROUNDS)}
    assert trust.allowlist.nodes.keys() == new
    assert trust.revoked.nodes.keys() == old.keys()
    assert trust.revoked.keys == {key: name for name, key in old.items()}
    assert {name for name in new | old.keys() if trust.known.at(name)} == new


def test_a_revoked_node_is_let_in_by_a_new_enrolment_alone(state: StateDirectory) -> None:
    """A revoked node is allowed by a new enrolment alone, not by a roll-out that remembers its key, whether resumed or
    begun anew.
    """
    assert allow_nodes(state, {"pi1": "a" * 40, "pi2": "b" * 40}) == {}
    assert revoke(state, "pi2", ["192.0.2.2"]) == (False, True)
    refused = allow_nodes(state, {"pi1": "a" * 40, "pi2": "b" * 40})
    assert refused.keys() == {"pi2"}
    assert refused["pi2"].startswith("it was revoked at 20")
    assert "it was revoked at" in allow_nodes(state, {"pi2": "c" * 40})["pi2"]
    assert "the one that pi2 had" in allow_nodes(state, {"pi3": "b" * 40})["pi3"]
    assert read_allowlist(state.directory) == {"a" * 40: "pi1"}
    now = read_trust(state)
    assert "it was revoked at" in now.problem("pi2", "")
    assert enroll_nodes(state, ["pi2"], {"pi2": "b" * 40}, now.revoked) == {}
    assert read_allowlist(state.directory) == {"a" * 40: "pi1", "b" * 40: "pi2"}
    assert read_trust(state).problem("pi2", "b" * 40) == ""


def test_an_enrolment_does_not_take_back_what_was_revoked_after_it_began(state: StateDirectory) -> None:
    """An enrolment allows no node, by host key or node key, that was revoked after it began; its other nodes are allowed."""
    since = read_trust(state).revoked
    assert allow_nodes(state, {"pi1": "a" * 40}) == {}
    revoke(state, "pi1", ["192.0.2.1"])
    hosts = {"192.0.2.1": ("pi1", KEY), "192.0.2.2": ("pi2", OTHER)}
    assert trust_host_keys(state, hosts, since) == {"pi1": "it was revoked meanwhile"}
    refused = enroll_nodes(state, ["pi1", "pi2"], {"pi1": "a" * 40, "pi2": "b" * 40}, since)
    assert refused == {"pi1": "it was revoked meanwhile"}
    trust = read_trust(state)
    assert (trust.known.at("192.0.2.1"), trust.known.at("192.0.2.2")) == (None, OTHER)
    assert trust.allowlist.nodes == {"pi2": "b" * 40}


def test_a_host_key_that_was_trusted_meanwhile_is_not_replaced(state: StateDirectory) -> None:
    since = read_trust(state).revoked
    assert trust_host_keys(state, {"192.0.2.1": ("pi1", KEY)}, since) == {}
    refused = trust_host_keys(state, {"192.0.2.1": ("pi1", OTHER)}, since)
    assert refused == {"pi1": "another key was enrolled for it meanwhile"}
    assert read_trust(state).known.at("192.0.2.1") == KEY


def test_a_key_that_was_removed_from_its_node_is_worth_nothing_and_the_node_may_have_another(
    state: StateDirectory,
) -> None:
    assert allow_nodes(state, {"pi1": "a" * 40}) == {}
    forget_keys(state, ["pi1", "pi9"])
    assert "had until then" in allow_nodes(state, {"pi1": "a" * 40})["pi1"]
    assert read_allowlist(state.directory) == {}
    assert allow_nodes(state, {"pi1": "b" * 40}) == {}
    assert read_allowlist(state.directory) == {"b" * 40: "pi1"}


def test_a_node_that_both_files_name_is_not_let_in(state: StateDirectory) -> None:
    """A node that both the allowlist and the revocations name, as after a crash between the two writes, is not allowed."""
    assert allow_nodes(state, {"pi1": "a" * 40}) == {}
    revoked = read_trust(state).revoked.revoking({"pi1": "a" * 40}, {"pi1": "2026-01-01T00:00:00.000000+00:00"})
    revoked.write(state.revoked)
    assert read_allowlist(state.directory) == {}


def test_an_error_changes_nothing_and_frees_the_lock(state: StateDirectory) -> None:
    def fail() -> None:
        with update_trust(state) as trust:
            trust.allowlist = trust.allowlist.changed({"pi1": "a" * 40})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not state.allowlist.exists()
    assert allow_nodes(state, {"pi2": "b" * 40}) == {}
    assert {path.stat().st_mode & 0o777 for path in state.directory.iterdir()} == {0o600}


def test_who_waits_too_long_for_the_lock_is_told(state: StateDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that waits too long for the lock ends with an error and has changed nothing."""
    monkeypatch.setattr(changes, "LOCK_S", 0.1)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with update_trust(state):
            held.set()
            done.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(30)
    began_s = time.monotonic()
    with pytest.raises(InputError, match="held by another process"):
        allow_nodes(state, {"pi1": "a" * 40})
    assert time.monotonic() - began_s < 20
    done.set()
    holder.join()
    assert not state.allowlist.exists()


def test_a_file_of_revocations_that_can_not_be_read_is_not_taken_for_none(state: StateDirectory) -> None:
    revoke(state, "pi1", [])
    state.revoked.write_text(state.revoked.read_text()[:-5])
    for ask in (lambda: read_allowlist(state.directory), lambda: allow_nodes(state, {"pi1": "a" * 40})):
        with pytest.raises(InputError, match=r"revoked\.json: can't be read"):
            ask()
