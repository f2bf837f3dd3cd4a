"""All checks of a locustfile, made before anything is started."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from master.errors import InputError
from master.project.archive.files import find_files
from master.project.archive.imported import sources_of
from master.project.checks.environment_checks import (
    check_configuration,
    check_environment,
    check_misspelt,
    check_shadowed,
    check_variables,
)
from master.project.checks.file_checks import check_shipped
from master.project.checks.finding import MEND, Finding, Severity
from master.project.checks.import_checks import Imported, check_imported, import_observed
from master.project.checks.source_checks import Source, check_source, variables_read
from master.project.own_places import describe_place, place_of_traceback
from master.scenario import LocustProject
from worker.load.locustfile.options import own_variables
from worker.wire.work import ArgumentValue

HINT = "docs/performance/locust-projects.md says what of Locust is honoured; nothing was started"


def import_checked(project: LocustProject) -> Imported:
    """Import the locustfiles. Raises InputError, also for modules of the operator's that piswarm's would hide from them."""
    sources = [source for file in sources_of(project) if (source := Source.read(file)) is not None]
    folders = {project.root, *(file.parent for file in project.locustfiles)}
    raise_refused([finding for source in sources for finding in check_shadowed(source, folders)])
    file = project.locustfiles[0]
    try:
        return import_observed(project)
    except BaseException as error:  # also an exit, and gevent's Timeout, which is no Exception
        raise InputError(_describe(error), file=file, hint=MEND) from error


def _describe(error: BaseException) -> str:
    """An exception of an import: what it says, and where in the operator's code it comes from."""
    place = place_of_traceback(error.__traceback__)
    where = "" if place is None or isinstance(error, SyntaxError) else f" (at {describe_place(*place)})"
    ends = "it ends the process: " if isinstance(error, SystemExit) else ""
    return f"{ends}{type(error).__name__}: {error}{where}"


def check_locustfile(
    imported: Imported,
    *,
    real_nodes: bool,
    arguments: Mapping[str, ArgumentValue] = MappingProxyType({}),
    environment: Collection[str] = (),
    configured: bool = False,
) -> list[Finding]:
    """All findings on a locustfile that gets these `arguments`, and whose nodes get the variables of `environment`.

    If `configured`, Locust's variables and configuration files say what is run.
    """
    files = [*imported.project.locustfiles, *sorted(set(imported.modules.values()))]
    sources = [source for file in files if (source := Source.read(file)) is not None]
    folders = [imported.project.root, Path.cwd()]
    found = [
        *check_imported(imported, arguments),
        *(finding for source in sources for finding in check_source(source)),
    ]
    if configured:
        read = {name for source in sources for name in variables_read(source)}
        found += check_misspelt(os.environ, {*read, *own_variables(os.environ)})
    else:
        found += [*check_environment(os.environ), *check_configuration([*folders, Path.home()])]
    if real_nodes:
        shipped = {file.source.resolve() for file in find_files(imported.project)}
        found += check_shipped(
            imported.project, sources, imported.modules, opened=imported.opened, folders=folders, shipped=shipped
        )
        found += check_variables(sources, os.environ, {*own_variables(os.environ), *environment})
    return in_order(found)


def in_order(found: Iterable[Finding]) -> list[Finding]:
    """Each finding once, by file and line."""
    once = {(finding.what, finding.file): finding for finding in reversed(list(found))}
    return sorted(once.values(), key=lambda finding: (str(finding.file or ""), finding.line or 0, finding.what))


def raise_refused(findings: Iterable[Finding]) -> list[str]:
    """Raise InputError with all findings that keep a run from starting; returns the others as warnings, a line each."""
    refused = [finding for finding in findings if finding.severity is Severity.REFUSED]
    if len(refused) == 1:
        raise InputError(str(refused[0]), hint=HINT)
    if refused:
        rows = "\n".join(f"  {finding}" for finding in refused)
        raise InputError(f"{len(refused)} things that are not as Locust does them\n{rows}", hint=HINT)
    return [str(finding) for finding in findings]
