"""Which files of a Locust project nodes are sent, and what is refused with its place before they are."""

import os
from pathlib import Path

import pytest

from master.errors import InputError
from master.project.archive import files as listing
from master.project.archive.files import find_files
from master.scenario import LocustProject


def written(folder: Path, texts: dict[str, str]) -> Path:
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def names(root: Path, *locustfiles: str, whole: bool = True) -> list[str]:
    project = LocustProject(root, tuple(root / name for name in locustfiles or ["locustfile.py"]), whole=whole)
    return [file.name for file in find_files(project)]


def test_a_folder_is_sent_without_what_git_ignores(tmp_path: Path) -> None:
    """All of a project but what git ignores, by any of its files that hold there, with the nearest one's word before others'."""
    root = written(
        tmp_path,
        {
            ".git/config": "",
            ".git/info/exclude": "*.secret\n",
            ".gitignore": "*.log\n/out/\n!kept.log\n",
            "shop/locustfile.py": "",
            "shop/.gitignore": "data/*.csv\n!data/people.csv\n",
            "shop/data/people.csv": "",
            "shop/data/other.csv": "",
            "shop/data/.gitignore": "!late.log\nx.txt\n",
            "shop/data/late.log": "",
            "shop/data/x.txt": "",
            "shop/x.txt": "",
            "shop/a.log": "",
            "shop/kept.log": "",
            "shop/out/kept": "",
            "shop/token.secret": "",
        },
    )
    assert names(root / "shop") == [
        ".gitignore",
        "data/.gitignore",
        "data/late.log",
        "data/people.csv",
        "kept.log",
        "locustfile.py",
        "out/kept",
        "x.txt",
    ]


def test_environments_caches_and_runs_are_never_sent(tmp_path: Path) -> None:
    """Virtual environments by any name, caches, repositories, run directories and the controller's keys are left out."""
    root = written(
        tmp_path,
        {
            "locustfile.py": "",
            "env/pyvenv.cfg": "",
            "env/lib/x.py": "",
            "__pycache__/locustfile.cpython-311.pyc": "",
            "tool/CACHEDIR.TAG": "",
            "runs/first/run.db": "",
            "runs/first/result.json": "",
            ".piswarm/controller.json": "",
            "state/controller.json": "",
            "state/allowlist.json": "",
            "data/controller.json": "",
            ".git/HEAD": "",
            "node_modules/x": "",
            ".env": "",
        },
    )
    assert names(root) == [".env", "data/controller.json", "locustfile.py"]


def test_the_operators_own_list_has_the_last_word(tmp_path: Path) -> None:
    """`.piswarmignore` leaves out what git does not, and brings back what git ignores."""
    root = written(
        tmp_path,
        {
            ".gitignore": "*.csv\n",
            ".piswarmignore": "!people.csv\n*.mp4\n",
            "locustfile.py": "",
            "people.csv": "",
            "b.csv": "",
            "a.mp4": "",
        },
    )
    assert names(root) == [".gitignore", ".piswarmignore", "locustfile.py", "people.csv"]


def test_a_project_that_is_ignored_itself_is_sent(tmp_path: Path) -> None:
    """A folder that git ignores as a whole, and that the scenario names, is sent; its own .gitignore holds."""
    written(
        tmp_path,
        {".git/HEAD": "", ".gitignore": "load\n", "load/locustfile.py": "", "load/.gitignore": "b\n", "load/b": ""},
    )
    assert names(tmp_path / "load") == [".gitignore", "locustfile.py"]


def test_links_within_the_project_are_sent_as_what_they_lead_to(tmp_path: Path) -> None:
    """A link to a file or folder of the project is sent as a copy; circles end, and what leads nowhere is left out."""
    root = written(tmp_path, {"locustfile.py": "x = 1", "lib/paths.py": ""})
    (root / "again.py").symlink_to("locustfile.py")
    (root / "same").symlink_to("lib")
    (root / "lib" / "up").symlink_to("..")
    (root / "gone").symlink_to("nowhere")
    (root / "self").symlink_to("self")
    os.mkfifo(root / "pipe")
    assert names(root) == ["again.py", "lib/paths.py", "locustfile.py", "same/paths.py"]


def test_a_link_out_of_the_project_is_refused_with_its_place(tmp_path: Path) -> None:
    """Links that lead out of the project are refused, each by its place, whether to files or folders; not where they are ignored."""
    root = written(tmp_path / "shop", {"locustfile.py": "", "lib/x.py": "", ".gitignore": "ignored\n"})
    (root / "hosts").symlink_to("/etc/hosts")
    (root / "lib" / "etc").symlink_to("/etc")
    (root / "ignored").symlink_to("/etc")
    with pytest.raises(InputError) as caught:
        names(root)
    assert "2 faults" in caught.value.message
    assert f"{root}/hosts: leads by a symbolic link to /etc/hosts, outside of the project" in caught.value.message
    assert f"{root}/lib/etc: leads by a symbolic link to /etc," in caught.value.message


def test_a_project_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """A file of 2 GiB is refused with its name and size, at once."""
    root = written(tmp_path, {"locustfile.py": "", "small.csv": "a"})
    with (root / "dump.bin").open("wb") as file:
        file.truncate(2 << 30)
    with pytest.raises(InputError) as caught:
        names(root)
    message = caught.value.message
    assert message.startswith(f"{root}: has 2048.0 MiB, where nodes take 256.0 MiB: leave out in .piswarmignore")
    assert "The largest: dump.bin (2048.0 MiB), " in message
    (root / ".piswarmignore").write_text("*.bin\n")
    assert names(root) == [".piswarmignore", "locustfile.py", "small.csv"]


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with more files than nodes take, as a home directory, is refused without being walked to its end."""
    monkeypatch.setattr(listing, "MAX_PROJECT_FILES", 3)
    written(tmp_path, {"locustfile.py": "", **{f"{number}.txt": "" for number in range(9)}})
    with pytest.raises(InputError, match="has more than 3 files"):
        names(tmp_path)


def test_names_that_no_archive_can_have_are_refused(tmp_path: Path) -> None:
    """A name that is no UTF-8 is refused with the folder that it stands in."""
    written(tmp_path, {"locustfile.py": ""})
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.txt")).touch()
    with pytest.raises(InputError, match="the name is no UTF-8"):
        names(tmp_path)


def test_a_locustfile_brings_what_it_imports_and_names(tmp_path: Path) -> None:
    """Without `project` the locustfiles are sent with modules, packages, files and folders that their sources name, and nothing else."""
    root = written(
        tmp_path,
        {
            "locustfile.py": "import helpers.paths, json\nfrom flat import x\n"
            "ROWS = open('people.csv')\nimportlib.import_module('plugin')\ndef late(): import later\n"
            "BASE = Path(__file__).parent / 'data'\nTEXT = '" + "ü" * 190 + "'\nUP = '../outside.csv'\nDOT = '.'\n",
            "helpers/__init__.py": "",
            "helpers/paths.py": "import deeper\n",
            "helpers/template.html": "",
            "helpers/__pycache__/x.pyc": "",
            "deeper.py": "",
            "flat.py": "from more import two\n",
            "later.py": "",
            "plugin.py": "",
            "people.csv": "",
            "data/rows.json": "",
            "more/two.py": "",
            "more/three.txt": "",
            "unnamed.csv": "",
            "other/second.py": "",
            "README.md": "",
        },
    )
    (tmp_path.parent / "outside.csv").touch()
    assert names(root, whole=False) == [
        "data/rows.json",
        "deeper.py",
        "flat.py",
        "helpers/__init__.py",
        "helpers/paths.py",
        "helpers/template.html",
        "later.py",
        "locustfile.py",
        "more/three.txt",
        "more/two.py",
        "people.csv",
        "plugin.py",
    ]


def test_locustfiles_of_several_folders_find_each_others_modules(tmp_path: Path) -> None:
    """What a locustfile imports may lie beside another one of them, as on the import path of a worker."""
    root = written(
        tmp_path, {"one/a.py": "import shared", "two/b.py": "open('rows.csv')", "two/shared.py": "", "two/rows.csv": ""}
    )
    assert names(root, "one/a.py", "two/b.py", whole=False) == ["one/a.py", "two/b.py", "two/rows.csv", "two/shared.py"]


def test_a_package_that_is_a_link_out_of_the_project_is_refused(tmp_path: Path) -> None:
    """A package that is imported, and leads out of the project by a link, is refused."""
    written(tmp_path, {"shared/x.py": "", "shop/locustfile.py": "import shared.x"})
    (tmp_path / "shop" / "shared").symlink_to("../shared")
    with pytest.raises(InputError, match="leads by a symbolic link to"):
        names(tmp_path / "shop", whole=False)


def test_lines_that_are_no_patterns_are_passed_over_as_git_does(tmp_path: Path) -> None:
    """A line of an ignore file that is no pattern leaves out nothing, and the others hold."""
    files = {
        "locustfile.py": "",
        ".gitignore": "!\n[z-a]\n*.log\n",
        ".piswarmignore": "a\\\n*.tmp\n",
        "a.log": "",
        "b.tmp": "",
        "c.py": "",
    }
    assert names(written(tmp_path, files)) == [".gitignore", ".piswarmignore", "c.py", "locustfile.py"]


def test_a_pipe_that_a_source_names_is_not_waited_for(tmp_path: Path) -> None:
    """A named pipe is no file of a project, though a locustfile opens it, and nobody reads it."""
    root = written(tmp_path, {"locustfile.py": "PIPE = open('pipe.py')\n"})
    os.mkfifo(root / "pipe.py")
    assert names(root, whole=False) == ["locustfile.py"]
