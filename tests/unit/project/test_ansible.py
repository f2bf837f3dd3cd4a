"""The playbook's roles: the specifications of their variables, and how they write kernel settings."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ANSIBLE = Path(__file__).parents[3] / "ansible"
ROLES = sorted(path.name for path in (ANSIBLE / "roles").iterdir())
SETTLE = (ANSIBLE / "roles/tuning/files/settle.sh").read_text()


def loaded(role: str, file: str) -> Any:
    return yaml.safe_load((ANSIBLE / "roles" / role / file).read_text())


@pytest.mark.parametrize("role", ROLES)
def test_every_variable_of_a_role_is_specified_and_described(role: str) -> None:
    """Every variable with a default has a type, the same plain default in the specification, and its role's name as a prefix."""
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


def settle(dry: str, *pairs: str | Path) -> list[str]:
    arguments = ["/bin/sh", "-c", SETTLE, "settle.sh", dry, *map(str, pairs)]
    done = subprocess.run(arguments, text=True, capture_output=True, check=True)
    assert not done.stderr
    return done.stdout.splitlines()


def test_kernel_settings_are_written_where_they_differ(tmp_path: Path) -> None:
    """Kernel settings are written and reported only where they differ, tabs and blanks counting as the same."""
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
