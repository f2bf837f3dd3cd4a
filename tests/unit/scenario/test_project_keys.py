"""`project` and `locustfile` of a scenario name the files of a Locust project."""

from pathlib import Path

import pytest

from master.errors import InputError
from master.scenario import LocustProject, load_scenario, project_of

REST = "target: embedded\nusers: {ApiUser: 1}\nload: [{users: 1, spawn_rate: 1, hold: 5s}]\n"


def written(folder: Path, keys: str) -> Path:
    """A scenario with these keys, beside the files of a project."""
    for name in (
        "locustfile.py",
        "shop/locustfile.py",
        "shop/more/second.py",
        "shop/more/_helper.py",
        "shop/.venv/x.py",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / "shop" / "env" / "lib").mkdir(parents=True)
    (folder / "shop" / "env" / "pyvenv.cfg").touch()
    (folder / "shop" / "env" / "lib" / "module.py").touch()
    file = folder / "case.yml"
    file.write_text(keys + "\n" + REST, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("keys", "root", "locustfiles", "whole"),
    [
        ("locustfile: locustfile.py", ".", ["locustfile.py"], False),
        ("locustfile: [locustfile.py, shop/more/second.py]", ".", ["locustfile.py", "shop/more/second.py"], False),
        ("locustfile: shop/more/second.py", "shop/more", ["second.py"], False),
        ("locustfile: shop", "shop", ["locustfile.py", "more/second.py"], False),
        ("locustfile: [shop/more, shop/locustfile.py]", "shop", ["more/second.py", "locustfile.py"], False),
        ("project: shop", "shop", ["locustfile.py"], True),
        ("project: shop/", "shop", ["locustfile.py"], True),
        ("project: .\nlocustfile: shop/more/second.py", ".", ["shop/more/second.py"], True),
        ("project: shop\nlocustfile: [more, locustfile.py]", "shop", ["more/second.py", "locustfile.py"], True),
    ],
)
def test_files_of_a_project(tmp_path: Path, keys: str, root: str, locustfiles: list[str], whole: bool) -> None:
    """A project's locustfiles are found in the order in which they are named, folders as Locust walks them, each file once."""
    file = written(tmp_path, keys)
    project = project_of(file)
    assert project is not None
    assert (project.root, project.relative, project.whole) == ((tmp_path / root).resolve(), locustfiles, whole)
    scenario = load_scenario(file, ["ApiUser"])
    assert scenario.project == project
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "case.yml").write_text(scenario.to_yaml(), encoding="utf-8")
    assert load_scenario(tmp_path / "copy" / "case.yml", ["ApiUser"]).project == project


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ("project: nowhere", "project: 'nowhere': no such folder; the path is relative to the scenario file"),
        ("project: locustfile.py", "project: 'locustfile.py' is a file, where a folder is wanted"),
        ("project: 5", "project: 5: no such folder"),
        ("project: shop/more", "project: 'shop/more' has no locustfile.py: name its locustfiles with `locustfile`"),
        (
            "project: shop\nlocustfile: none.py",
            "locustfile: 'none.py': no such file; the path is relative to the project",
        ),
        ("project: shop\nlocustfile: [locustfile.py, ../locustfile.py]", "locustfile.py lies outside of the project"),
        ("locustfile: []", "locustfile: names no file"),
        ("locustfile: [locustfile.py, {a: b}]", "locustfile[1]: {'a': 'b'}: no such file"),
        ("locustfile: [locustfile.py, shop/.venv/none]", "locustfile[1]: 'shop/.venv/none': no such file"),
        ("locustfile: loop.py", "locustfile: 'loop.py'"),
    ],
)
def test_a_project_that_is_not_there_is_refused_with_its_place(tmp_path: Path, keys: str, says: str) -> None:
    """What names no files is refused with the line and the key, and so is a locustfile outside of its project."""
    file = written(tmp_path, keys)
    (tmp_path / "loop.py").symlink_to("loop.py")
    with pytest.raises(InputError) as caught:
        project_of(file)
    assert says in caught.value.message, caught.value.message
    assert caught.value.message.startswith(f"{file}:")


def test_a_project_of_one_locustfile_is_its_folder() -> None:
    """The locustfiles of a project are known relative to its folder, which is how nodes find them."""
    project = LocustProject(Path("/a/b"), (Path("/a/b/c/d.py"), Path("/a/b/e.py")))
    assert project.relative == ["c/d.py", "e.py"]
