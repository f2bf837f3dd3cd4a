"""Host keys and the keys of nodes: how they are read, kept and checked."""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path

import pytest

from master.errors import InputError
from master.trust.allowlist import SCHEMA, Allowlist, load_allowlist
from master.trust.known_hosts import HostKey, KnownHosts, known_hosts_name, read_known_hosts
from master.trust.state import StateDirectory, controller_keys, read_allowlist
from worker.agent.keys import node_keys
from worker.wire.curve import Keys

KEY = HostKey("ssh-ed25519", b"\0\0\0\x0bssh-ed25519\0\0\0 " + bytes(range(32)))


def test_known_hosts_are_read_as_they_were_written(tmp_path: Path) -> None:
    """Host keys are stored by name and port, readable for their owner alone, and read back as they were."""
    file = tmp_path / "new" / "known_hosts"
    KnownHosts(file, {}).changed({known_hosts_name("pi001", 22): KEY, known_hosts_name("::1", 2222): KEY}).write()
    assert file.stat().st_mode & 0o777 == 0o600
    known = read_known_hosts(file)
    assert known.at(known_hosts_name("pi001", 22)) == known.at(known_hosts_name("::1", 2222)) == KEY
    assert known.at(known_hosts_name("pi001", 2222)) is None
    assert file.read_text().startswith("[::1]:2222 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI")
    known.changed({}, [known_hosts_name("pi001", 22)]).write()
    assert read_known_hosts(file).at(known_hosts_name("pi001", 22)) is None
    assert [path.name for path in file.parent.iterdir()] == ["known_hosts"]


def test_openssh_agrees_on_file_and_fingerprint(tmp_path: Path) -> None:
    """OpenSSH accepts the file, and the fingerprint shown at enrolment is what `ssh-keygen -l` prints on the host."""
    file = tmp_path / "known_hosts"
    KnownHosts(file, {}).changed({known_hosts_name("10.0.0.1", 2222): KEY}).write()
    try:
        shown = subprocess.run(["ssh-keygen", "-lf", str(file)], capture_output=True, text=True, check=True).stdout
    except FileNotFoundError:
        pytest.skip("needs ssh-keygen (Debian: openssh-client)")
    assert KEY.fingerprint in shown
    assert "[10.0.0.1]:2222" in shown


@pytest.mark.parametrize(
    "line",
    [
        "pi001 ssh-ed25519",
        "pi001 ssh-ed25519 !!!!",
        "* ssh-ed25519 " + base64.b64encode(KEY.blob).decode(),
        "@cert-authority * ssh-ed25519 AAAA",
        "|1|abc=|def= ssh-ed25519 AAAA",
        "pi001 ssh-dss AAAA",
        "@revoked pi001 ssh-ed25519 " + base64.b64encode(KEY.blob).decode(),
        "pi001,pi002 ssh-ed25519 " + base64.b64encode(KEY.blob).decode(),
        "pi001 ssh-rsa " + base64.b64encode(KEY.blob).decode(),
        "pi001 ssh-ed25519 " + base64.b64encode(KEY.blob[:-1]).decode(),
    ],
)
def test_lines_that_would_trust_more_than_one_host(tmp_path: Path, line: str) -> None:
    """Lines of known hosts that would trust several hosts or none are refused with their line number."""
    file = tmp_path / "known_hosts"
    file.write_text(f"# ours\n{line}\n")
    with pytest.raises(InputError, match=r"known_hosts:2: is no line of one host"):
        read_known_hosts(file)


def test_an_allowlist_is_replaced_whole(tmp_path: Path) -> None:
    """An allowlist is replaced as a whole, with mode 0600; without the file no node is allowed."""
    file = tmp_path / "allowlist.json"
    assert load_allowlist(file).nodes == {}
    load_allowlist(file).changed({"pi002": "b" * 40, "pi001": "a" * 40}).write(file)
    assert file.stat().st_mode & 0o777 == 0o600
    found = load_allowlist(file)
    assert list(found.nodes) == ["pi001", "pi002"]
    assert found.changed({}, ("pi001",)).nodes == {"pi002": "b" * 40}
    file.write_text(file.read_text()[:-20])
    with pytest.raises(InputError, match="can't be read"):
        load_allowlist(file)


def test_a_key_belongs_to_one_node() -> None:
    """A key belongs to one node, and a node keeps its key."""
    listed = Allowlist(SCHEMA, {"pi001": "a" * 40})
    assert listed.problem("pi001", "a" * 40) == ""
    assert listed.problem("pi002", "b" * 40) == ""
    assert listed.problem("pi001", "b" * 40) == "its node key is another than the one enrolled"
    assert "that of pi001 too: a copied SD card?" in listed.problem("pi002", "a" * 40)


def test_a_node_makes_its_keys_once(tmp_path: Path) -> None:
    """A node creates its keys once; the command prints the public key, and the secret one is in no output and for its
    owner alone.
    """
    folder = tmp_path / "keys"
    command = [sys.executable, "-m", "worker.agent.keys", str(folder)]
    first = subprocess.run(command, capture_output=True, text=True, check=True)
    keys = node_keys(folder)
    assert first.stdout == f"{keys.public}\n"
    assert keys.secret not in first.stdout + first.stderr
    assert len(keys.public) == len(keys.secret) == 40
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "node.secret").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in folder.iterdir()) == ["node.public", "node.secret"]
    (folder / "node.public").unlink()  # as a power cut between the two may leave it
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == first.stdout
    assert isinstance(keys, Keys)


def test_keys_that_are_broken_are_not_replaced(tmp_path: Path) -> None:
    """Damaged keys of a node are not replaced, since only the operator decides that a node is to be another one."""
    (tmp_path / "node.secret").write_text("{" * 9)
    done = subprocess.run(
        [sys.executable, "-m", "worker.agent.keys", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "holds no secret key" in done.stderr
    assert "{{" not in done.stderr
    assert (tmp_path / "node.secret").read_text() == "{" * 9


def test_a_controller_makes_its_keys_once(tmp_path: Path) -> None:
    """A controller creates its keys once, at first need and for its owner alone; of several processes the first one's count."""
    state = tmp_path / "state"
    program = "import sys, pathlib, master.trust.state as t; print(t.controller_keys(pathlib.Path(sys.argv[1])).public)"
    asked = [
        subprocess.Popen([sys.executable, "-c", program, str(state)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = {process.communicate()[0].strip() for process in asked}
    keys = controller_keys(state)
    assert said == {keys.public}
    file = StateDirectory(state).controller
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in state.iterdir()] == ["controller.json"]
    content = file.read_text()
    file.write_text(content[:-30])
    with pytest.raises(InputError, match="holds no key pair") as caught:
        controller_keys(state)
    assert keys.secret[:10] not in f"{caught.value}"
    assert file.read_text() == content[:-30]


def test_who_is_let_in_is_known_by_key(tmp_path: Path) -> None:
    """The allowlist maps a public key to the node's name, as the controller's port asks for it."""
    assert read_allowlist(tmp_path) == {}
    Allowlist(SCHEMA, {"pi001": "a" * 40, "pi002": "b" * 40}).write(StateDirectory(tmp_path).allowlist)
    assert read_allowlist(tmp_path) == {"a" * 40: "pi001", "b" * 40: "pi002"}
