"""Files that a project imports and reads, and that nodes would not get, are refused with the place."""

import ast
from pathlib import Path

import pytest

from master.project.archive.files import find_files
from master.project.checks.file_checks import check_shipped
from master.project.checks.source_checks import Source
from master.scenario import LocustProject

TEXT = "import helper\nimport lib.paths\nopen('named.csv')\nopen('ignored.csv')\n"


@pytest.mark.parametrize("whole", [False, True])
def test_what_is_not_sent_is_refused_with_the_reason(tmp_path: Path, *, whole: bool) -> None:
    """A file outside of the project, one that git ignores, and one that no source names are each refused, with what to do."""
    root = tmp_path / "shop"
    (root / "lib").mkdir(parents=True)
    for name in ("helper.py", "lib/paths.py", "named.csv", "ignored.csv", "unnamed.csv"):
        (root / name).touch()
    own = root / "own.py"
    own.write_text(TEXT)
    (root / ".gitignore").write_text("ignored.csv\n/lib\n")
    outside = tmp_path / "outside.csv"
    outside.touch()
    project = LocustProject(root, (own,), whole=whole)
    modules = {"helper": root / "helper.py", "lib.paths": root / "lib" / "paths.py"}
    found = check_shipped(
        project,
        [Source(own, ast.parse(TEXT))],
        modules,
        opened=[root / "unnamed.csv", outside],
        folders=[root],
        shipped={file.source for file in find_files(project)},
    )
    told = {(finding.line, finding.what.partition(" and ")[2], finding.remedy) for finding in found}
    out = (None, f"nodes get what lies in {root} alone", "Put it there.")
    if whole:
        again = "Bring it back by a line in .piswarmignore of the project: !"
        assert told == {
            out,
            (2, "nodes don't get it (.gitignore)", f"{again}lib/paths.py"),
            (4, "nodes don't get it (.gitignore)", f"{again}ignored.csv"),
        }
    else:
        named = "nodes get only what the locustfiles' source names"
        assert told == {out, (None, named, f"Name the folder in the scenario: project: {root}")}
