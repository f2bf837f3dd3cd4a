"""Checks of a locustfile's environment: variables, Locust's configuration files, modules and files beside it, packages."""

from __future__ import annotations

import difflib
import importlib.metadata
import importlib.util
import os
import tomllib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from master.project.checks.finding import Finding, refused, warned
from master.project.checks.source_checks import Source, imports_of, variables_read
from worker.load.locustfile.options import locust_variables

_TAGS = ("LOCUST_TAGS", "LOCUST_EXCLUDE_TAGS")
_OURS = ("master", "worker")
_MISSPELT = 0.9
"""So alike are two names of which one is the other with a letter or two wrong: the prefix that all have counts, too."""


def check_environment(environment: Mapping[str, str]) -> list[Finding]:
    """Variables that would be options of Locust's command."""
    found = []
    for name in sorted((locust_variables() | {*_TAGS}) & environment.keys()):
        if name in _TAGS:
            remedy = f"Unset it, and have the scenario say it: `{name.removeprefix('LOCUST_').lower()}: [{environment[name]}]`."
            found.append(refused(f"{name} is set, and not used", remedy))
        else:
            found.append(warned(f"{name} is set, and not used", "The scenario and this command's options say it."))
    return found


def check_misspelt(environment: Mapping[str, str], known: Collection[str]) -> list[Finding]:
    """Variables that Locust does not know, and that look like one that it does; those of `known` are read by others."""
    locusts = locust_variables() | {*_TAGS, "LOCUST_LOCUSTFILE", "LOCUST_USER_CLASSES"}
    names = sorted(name for name in environment if name.startswith("LOCUST_") and name not in {*locusts, *known})
    return [
        warned(f"{name} is set, and Locust has no such variable", f"Did you mean {near[0]}?")
        for name in names
        if (near := difflib.get_close_matches(name, locusts, n=1, cutoff=_MISSPELT))
    ]


def check_configuration(folders: Iterable[Path]) -> list[Finding]:
    """Configuration files that Locust would read there."""
    found = []
    for folder in dict.fromkeys(folders):
        found += [
            warned("not read", "The scenario says what Locust's options would.", folder / name)
            for name in (".locust.conf", "locust.conf")
            if (folder / name).is_file()
        ]
        project = folder / "pyproject.toml"
        try:
            if "locust" in tomllib.loads(project.read_text("utf-8")).get("tool", {}):
                found.append(warned("[tool.locust] is not read", "The scenario says what its options would.", project))
        except (OSError, ValueError):
            pass
    return found


def check_shadowed(source: Source, folders: Collection[Path]) -> list[Finding]:
    """Modules in the `folders` of the import path that have the name of a package of piswarm's, which an import of that name finds first."""
    found = []
    for module, names, line in imports_of(source):
        package = module.partition(".")[0]
        beside = [folder / name for folder in folders for name in (f"{package}.py", f"{package}/__init__.py")]
        own = next((path for path in beside if path.is_file()), None)
        if package in _OURS and own is not None and not (package == "worker" and _has(module, names)):
            what = (
                f"`{module}` is piswarm's own package, which hides {os.path.relpath(own, source.file.parent)} beside it"
            )
            found.append(refused(what, "Give that module another name.", source.file, line))
    return found


def _has(module: str, names: Iterable[str]) -> bool:
    """Whether piswarm has all that is imported."""
    try:
        if importlib.util.find_spec(module) is None:
            return False
        found = importlib.import_module(module)
        return all(hasattr(found, name) or importlib.util.find_spec(f"{module}.{name}") is not None for name in names)
    except (ImportError, AttributeError):
        return False


def check_variables(sources: Iterable[Source], environment: Mapping[str, str], given: Collection[str]) -> list[Finding]:
    """Environment variables that are set here and that a real node has not; those `given` are sent along."""
    return [
        warned(
            f"the environment variable {name} is set here, and real nodes don't have it",
            f"Name it in the scenario, and its value is sent along: `environment: [{name}]`.",
            source.file,
            line,
        )
        for source in sources
        for name, line in variables_read(source).items()
        if name in environment and name not in {*given, "PATH", "HOME"}
    ]
