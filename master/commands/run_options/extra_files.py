"""What --summary and Locust's options --csv, --html, --json and --json-file ask for, made of a run when it is over."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from locust.html import process_html_filename

from master.commands.files import check_writable
from master.errors import InputError
from master.judge.result import Result
from master.project.process.command_line import CommandLine
from master.report.locust_csv import CSV_SUFFIXES, write_csv
from master.report.markdown import append_summary
from master.run.directory import RunDirectory
from master.scenario import Scenario
from master.scenario.model import ramps_s


@dataclass(frozen=True)
class ExtraFiles:
    """Files to be written beside those of the run directory; None is one that is not asked for."""

    csv_prefix: str | None = None
    csv_full_history: bool = False
    html: Path | None = None
    json: bool = False
    """Whether result.json goes to standard output."""
    json_file: Path | None = None
    summary: Path | None = None
    """The file to which the summary in Markdown is added."""

    @classmethod
    def of(cls, line: CommandLine, scenario: Scenario, summary: Path | None = None) -> ExtraFiles:
        """What a command line asks for. Their folders are made. Raises InputError where one can't be written."""
        if line.csv_full_history and line.csv_prefix is None:
            raise InputError("--csv-full-history is for --csv, which is not given", hint="Give --csv PREFIX.")
        html = None if line.html_file is None else Path(_html_name(line.html_file, scenario))
        found = cls(
            line.csv_prefix,
            line.csv_full_history,
            html,
            line.json,
            None if line.json_file is None else Path(line.json_file),
            summary,
        )
        for option, file in found._files():
            check_writable(option, file)
        return found

    def _files(self) -> Iterator[tuple[str, Path]]:
        if self.csv_prefix is not None:
            yield from (("--csv", Path(self.csv_prefix + suffix)) for suffix in CSV_SUFFIXES)
        if self.html is not None:
            yield "--html", self.html
        if self.json_file is not None:
            yield "--json-file", self.json_file
        if self.summary is not None:
            yield "--summary", self.summary

    def write(self, result: Result, directory: RunDirectory) -> Sequence[str]:
        """Write them all; what went wrong, a line each."""
        failed: list[str] = []
        steps: list[tuple[str, Callable[[], object]]] = []
        prefix, html, json_file, summary = self.csv_prefix, self.html, self.json_file, self.summary
        if prefix is not None:
            steps.append(("--csv", lambda: write_csv(directory.database, prefix, full_history=self.csv_full_history)))
        if html is not None:
            steps.append(("--html", lambda: shutil.copyfile(directory.report, html)))
        if json_file is not None:
            steps.append(("--json-file", lambda: shutil.copyfile(directory.result, json_file)))
        if summary is not None:
            steps.append(("--summary", lambda: append_summary(result, summary)))
        if self.json:
            steps.append(("--json", lambda: sys.stdout.write(directory.result.read_text("utf-8"))))
        for option, step in steps:
            try:
                step()
            except (OSError, sqlite3.Error, InputError) as error:
                failed.append(f"{option}: not written: {error}")
        return failed


def _html_name(name: str, scenario: Scenario) -> str:
    """The name with the number of users, the spawn rate and the run time filled in, as Locust does."""
    stages = scenario.closed_stages
    seconds = sum(ramps_s(scenario.load)) + sum(stage.hold_s for stage in scenario.load)
    options = Namespace(
        html_file=name,
        num_users=scenario.max_users,
        spawn_rate=stages[0].spawn_rate if stages else None,
        run_time=round(seconds, 3),
    )
    process_html_filename(options)
    return str(options.html_file)
