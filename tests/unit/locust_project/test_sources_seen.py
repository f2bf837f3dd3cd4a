"""A project that has changed since its run began is told from one that has not."""

from __future__ import annotations

from pathlib import Path

from master.project.process.facts import ProjectFacts
from master.project.sources_seen import sources_seen, warn_of_changes
from master.scenario import LocustProject


def test_what_the_import_has_read_is_known_by_its_content(tmp_path: Path) -> None:
    """Locustfiles, modules and data files of the project; what lies elsewhere, as the standard library does, is not its own."""
    for name in ("own.py", "helper.py", "people.csv"):
        (tmp_path / name).write_text(name)
    project = LocustProject(tmp_path, (tmp_path / "own.py",))
    facts = ProjectFacts(
        classes=[],
        modules={"helper": tmp_path / "helper.py", "os": Path("/usr/lib/os.py")},
        opened=frozenset({tmp_path / "people.csv"}),
    )
    before = sources_seen(project, facts)
    assert list(before) == ["helper.py", "own.py", "people.csv"]
    assert sources_seen(project, facts) == before
    (tmp_path / "helper.py").write_text("another")
    (tmp_path / "people.csv").unlink()
    now = sources_seen(project, facts)
    assert [name for name in before if before[name] != now[name]] == ["helper.py", "people.csv"]


def test_a_change_is_told_with_who_has_which_files() -> None:
    """Nodes that were sent the project at the start have it as it was."""
    before = {"a.py": "1", "b.py": "2"}
    assert warn_of_changes(before, dict(before), nodes_keep_theirs=True) == []
    (warning,) = warn_of_changes(before, {"a.py": "1", "b.py": "3"}, nodes_keep_theirs=True)
    assert warning == (
        "b.py has changed since the run began: the master side has the project as it is now, nodes have it as it was"
    )
    (warning,) = warn_of_changes(before, {"b.py": "2", "c.py": "4"}, nodes_keep_theirs=False)
    assert warning.startswith("a.py, c.py have changed since the run began: what was measured before")
