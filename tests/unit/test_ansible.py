"""The playbook and its roles, as far as one can look at them without a machine to provision. Skipped parts say what they need."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ANSIBLE = Path(__file__).parents[2] / "ansible"
ROLES = sorted(path.name for path in (ANSIBLE / "roles").iterdir())
SETTLE = (ANSIBLE / "roles/tuning/files/settle.sh").read_text()
UNIT = ANSIBLE / "roles/worker/templates/piswarm-agent.service.j2"


def command(name: str) -> str:
    """Where `name` is: beside this Python, or on the PATH. Without it the test is skipped."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def run(*arguments: str | Path, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """What it said and how it ended, with a home directory of its own: nobody's settings count."""
    path = f"{Path(arguments[0]).parent}:{os.environ['PATH']}"
    return subprocess.run(
        [str(part) for part in arguments],
        cwd=ANSIBLE,
        env={**os.environ, "PATH": path, "HOME": str(home), "NO_COLOR": "1", "PYTHONWARNINGS": "", **environment},
        text=True,
        capture_output=True,
        timeout=150,
        check=False,
    )


def loaded(role: str, file: str) -> Any:
    return yaml.safe_load((ANSIBLE / "roles" / role / file).read_text())


@pytest.mark.parametrize("role", ROLES)
def test_every_variable_of_a_role_is_specified_and_described(role: str) -> None:
    """Those with a default have a type, the same default where it is a plain value, and a name that begins with the role's."""
    options = loaded(role, "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    defaults = loaded(role, "defaults/main.yml")
    assert defaults.keys() <= options.keys()
    for name, option in options.items():
        assert name.startswith((f"{role}_", "piswarm_"))
        assert option["type"]
        assert option["description"]
        if "default" in option:
            assert option["default"] == defaults[name], name
        elif name in defaults:
            assert "{{" in defaults[name], f"{name}: a plain default belongs into the specification"


def test_the_playbook_can_be_read(tmp_path: Path) -> None:
    done = run(
        command("ansible-playbook"), "-i", "inventory/example.yml", "--syntax-check", "provision.yml", home=tmp_path
    )
    assert done.returncode == 0, done.stderr


def test_it_passes_the_strictest_profile_of_ansible_lint(tmp_path: Path) -> None:
    done = run(command("ansible-lint"), "--offline", "--nocolor", "--profile", "production", home=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def rendered_unit(host: str, folder: Path) -> str:
    """The agent's unit as that host gets it."""
    unit = folder / "piswarm-agent.service"
    arguments = f"src={UNIT} dest={unit}"
    done = run(
        *(command("ansible"), host, "-i", f"{host},", "-c", "local", "-e", "worker_watchdog_s=30"),
        *("-e", f"ansible_python_interpreter={sys.executable}", "-m", "ansible.builtin.template", "-a", arguments),
        home=folder,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return unit.read_text()


def test_nodes_that_failed_together_do_not_come_back_together(tmp_path: Path) -> None:
    """Each waits for a time of its own before it starts again, and always the same: or it would be changed by every run."""
    first, again, other = (rendered_unit(host, tmp_path) for host in ("pi001", "pi001", "pi002"))
    assert first == again
    changed = set(other.splitlines()) - set(first.splitlines())
    assert [line.partition("=")[0] for line in changed] == ["RestartSec"]


def test_systemd_understands_every_line_of_the_unit(tmp_path: Path) -> None:
    """An unknown or wrong setting is only a warning to systemd, which goes on without it."""
    analyze = command("systemd-analyze")
    rendered_unit("pi001", tmp_path)
    done = run(analyze, "verify", "--man=no", tmp_path / "piswarm-agent.service", home=tmp_path)
    assert "piswarm-agent.service" not in done.stderr, done.stderr


def settle(dry: str, *pairs: str | Path) -> list[str]:
    arguments = ["/bin/sh", "-c", SETTLE, "settle.sh", dry, *map(str, pairs)]
    done = subprocess.run(arguments, text=True, capture_output=True, check=True)
    assert not done.stderr
    return done.stdout.splitlines()


def test_kernel_settings_are_written_where_they_differ(tmp_path: Path) -> None:
    """And told. White space counts for nothing: the kernel parts with tabs what was given with blanks."""
    for name, text in (("policy0", "ondemand\n"), ("policy1", "performance\n"), ("range", "1024\t65535\n")):
        (tmp_path / name).write_text(text)
    wanted = (tmp_path / "policy*", "performance", tmp_path / "range", "1024 65535")
    told = [f"changed {tmp_path}/policy0: ondemand -> performance"]
    assert settle("yes", *wanted) == told
    assert (tmp_path / "policy0").read_text() == "ondemand\n"
    assert settle("no", *wanted) == told
    assert (tmp_path / "policy0").read_text() == "performance\n"
    assert settle("no", *wanted) == []
    assert (tmp_path / "range").read_text() == "1024\t65535\n"


def test_a_kernel_setting_that_is_not_there_or_can_not_be_written_is_told(tmp_path: Path) -> None:
    ostype = "/proc/sys/kernel/ostype"  # nobody may write it
    assert settle("no", tmp_path / "policy*", "performance", ostype, "Plan9") == [
        f"absent {tmp_path}/policy*",
        f"refused {ostype}: stays Linux",
    ]
