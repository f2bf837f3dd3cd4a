"""The cause of a failure follows from how a command ended, and every failure says what to do."""

from __future__ import annotations

import pytest

from master.deploy.failures import HINTS, Cause, HostFailure
from master.deploy.host.plan import Step
from master.deploy.rollout.results import HostResult, Outcome, RolloutReport, failure
from master.deploy.ssh.connection import Output, command_failure
from master.deploy.view import plain, summary


@pytest.mark.parametrize(
    ("status", "stderr", "cause", "message"),
    [
        (2, "tar: x: Cannot write: No space left on device\ntar: Error", Cause.DISK, "tar: x: Cannot write: No space left on device"),
        (2, "tar: a\ntar: x: Wrote only 2048 of 10240 bytes", Cause.DISK, "tar: x: Wrote only 2048 of 10240 bytes"),
        (75, "", Cause.LOCKED, "another deployment has taken over"),
        (65, "worker/a.py: has another content\n", Cause.CORRUPTED, "worker/a.py: has another content"),
        (1, "sudo: a password is required\n", Cause.SUDO, "sudo: a password is required"),
        (1, "Job for piswarm-agent.service failed", Cause.COMMAND, "Job for piswarm-agent.service failed"),
        (9, "", Cause.COMMAND, "a command ended with 9 and said nothing"),
    ],
)  # fmt: skip
def test_what_the_end_of_a_command_means(status: int, stderr: str, cause: Cause, message: str) -> None:
    """A failed command's exit status and stderr tell the cause of the failure."""
    found = command_failure(Output(status, "", stderr))
    assert (found.cause, found.message) == (cause, message)


def test_every_failure_says_what_to_do() -> None:
    """Every cause of failure has a hint, which names the host where a command must be repeated for it."""
    assert set(HINTS) == set(Cause)
    result = failure("pi007", HostFailure(Cause.UNHEALTHY, "it ended"), Step.HEALTH_CHECK, duration_s=1.0)
    assert (result.outcome, result.step, result.hint) == (
        Outcome.FAILED, Step.HEALTH_CHECK, "see what the agent says: fab logs --limit pi007",
    )  # fmt: skip


def test_a_line_over_all() -> None:
    """The summary line counts the hosts by outcome, with the bytes sent and the time."""
    hosts = [
        HostResult(host="a", outcome=Outcome.UNCHANGED),
        HostResult(host="b", outcome=Outcome.CHANGED, bytes_sent=11_600_000),
        HostResult(host="c", outcome=Outcome.FAILED),
    ]
    report = RolloutReport(action="deploy", duration_s=2.31, hosts=hosts)
    assert summary(report) == "3 hosts: 1 unchanged, 1 changed, 1 failed; 11.6 MB sent; 2.3 s"
    assert not report.ok
    report = RolloutReport(action="deploy", duration_s=0.5, hosts=hosts[:1])
    assert summary(report) == "1 host: 1 unchanged; 0 bytes sent; 0.5 s"
    assert report.ok


def test_what_a_host_says_can_not_steer_a_terminal() -> None:
    """A host's words are shown in one line and without control characters that steer a terminal."""
    assert plain("a\x1b[2J\r\n b") == "a\ufffd[2J b"
