"""The target's description of itself is true: whatever schemathesis makes of it is answered as it says, and never with a 5xx."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from processes import Target

# JSON Schema has no way to say that 1.0 is no integer, nor that a name is taken: a valid body may be refused with 422. tus answers
# another version than its own with 412. Headers that nobody has described are no mistake. A schema
# does not say what is Base64, nor which checksum a body has. Of what is streamed, something is there.
CONFIGURATION = """
hooks = "hooks.py"
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 304, 401, 403, 404, 409, 416, 422, 429]
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 412, 413, 415, 422, 428, 429]
[[operations]]
include-path-regex = "^/uploads"
generation = {allow-extra-parameters = false}
checks = {positive_data_acceptance = {expected-statuses = ["2xx", 400, 404, 409, 413, 422, 460]}}
[[operations]]
include-path-regex = "^/media/[{]id[}]/(content|playlist.m3u8)$"
generation = {allow-extra-parameters = false}
parameters = {"path.id" = "media0002"}
[[operations]]
include-path-regex = "^/media/[{]id[}]/segments/"
generation = {allow-extra-parameters = false}
parameters = {"path.id" = "media0002", "path.n" = "1"}
"""
# The body of a part by tus is octets like others.
HOOKS = """
import schemathesis
schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
"""
TIMEOUT_S = 120


def fuzz(target: Target, directory: Path, phases: str) -> None:
    """Ask everything that is described and more, with ten random examples an endpoint where the phases have fuzzing. Each run asks the same."""
    configuration = directory / "schemathesis.toml"
    configuration.write_text(CONFIGURATION)
    (directory / "hooks.py").write_text(HOOKS)
    options = {
        "--phases": phases,
        "--checks": "all",
        "--max-examples": "10",
        "--seed": "1",
        "--generation-database": "none",
        "--header": f"Authorization: Bearer {target.sign_in('admin01')}",
        "--exclude-path": "/auth/logout",  # it would be the end of the token
    }
    command = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(configuration), "run"]
    words = [word for option in options.items() for word in option]
    finished = subprocess.run(
        [*command, *words, "--continue-on-failure", "--no-color", f"{target.url}/openapi.json"],
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout
    counts = target.counts()
    assert sum(counts.values()) > 500
    assert not [key for key in counts if key[2] >= 500]


@pytest.mark.parametrize(("database", "phases"), [("sqlite", "coverage,fuzzing"), ("postgresql", "coverage")])
def test_everything_is_answered_as_described(
    database: str, phases: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Coverage: each parameter and field at its bounds, beyond them, left out and of another type."""
    options = [] if database == "sqlite" else [f"--database={request.getfixturevalue('postgres').new_database()}"]
    with Target(*options) as target:
        fuzz(target, tmp_path, phases)
