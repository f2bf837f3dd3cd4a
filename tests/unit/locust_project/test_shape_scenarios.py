"""Scenarios whose load a LoadTestShape of the locustfile asks for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from master.errors import InputError
from master.project.process.facts import ProjectFacts, ShapeFacts
from master.project.scenario_loading import unused_shapes, with_shape
from master.scenario import Overrides, Scenario, ShapeLoad, load_scenario


def written(folder: Path, load: object, **changes: object) -> Path:
    (folder / "own.py").touch()
    file = folder / "scenario.yml"
    content = {"target": "embedded", "locustfile": "own.py", "users": {"Visitor": 1}, "load": load} | changes
    file.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))
    return file


def read(file: Path, **overrides: object) -> Scenario:
    return load_scenario(file, ["Visitor"], Overrides(**overrides))  # type: ignore[arg-type]


def facts(*names: str) -> ProjectFacts:
    return ProjectFacts([], shapes=[ShapeFacts(name, Path("own.py"), 3) for name in names])


def test_a_shape_is_named_or_the_only_one(tmp_path: Path) -> None:
    """`load: shape` takes the only shape, `{shape: NAME}` the one of that name, and what is written back is read again."""
    assert read(written(tmp_path, "shape")).shape == ShapeLoad()
    file = written(tmp_path, {"shape": "Steps", "run_time": "5m"})
    scenario = read(file)
    assert (scenario.shape, scenario.max_users, scenario.open_model) == (ShapeLoad("Steps", 300.0), 0, False)
    assert with_shape(file, scenario, facts("Other", "Steps")) == scenario
    only = with_shape(file, read(written(tmp_path, "shape")), facts("Steps"))
    assert only.shape == ShapeLoad("Steps")
    file.write_text(only.to_yaml())
    assert read(file) == only
    assert read(written(tmp_path, "shape"), duration_s=90.0).shape == ShapeLoad(None, 90.0)


@pytest.mark.parametrize(("name", "known"), [(None, ()), (None, ("A", "B")), ("C", ("A", "B"))])
def test_a_shape_that_there_is_not_is_refused(tmp_path: Path, name: str | None, known: tuple[str, ...]) -> None:
    """A load by a shape is refused where the locustfile has none, has several and none is named, or none of that name."""
    file = written(tmp_path, "shape" if name is None else {"shape": name})
    with pytest.raises(InputError, match=", ".join(known) or "none"):
        with_shape(file, read(file), facts(*known))


@pytest.mark.parametrize(
    ("load", "changes", "says"),
    [
        ({"shape": 5}, {}, "is no name of a LoadTestShape"),
        ({"shape": "A", "users": 5}, {}, "unknown key beside `shape`"),
        ({"shape": "A", "run_time": "soon"}, {}, "load.run_time"),
        ("shape", {"locustfile": None}, "a shape is a class of a locustfile"),
    ],
)
def test_bad_shapes_are_refused_with_their_line(
    tmp_path: Path, load: object, changes: dict[str, object], says: str
) -> None:
    """What can't be a shape is a fault of the file, with its place."""
    with pytest.raises(InputError, match=r"scenario\.yml") as refused:
        read(written(tmp_path, load, **changes))
    assert says in str(refused.value)


def test_users_of_a_shape_can_not_be_given(tmp_path: Path) -> None:
    """--users is refused, since the shape says how many users run."""
    with pytest.raises(InputError, match="--users 5: the shape"):
        read(written(tmp_path, "shape"), users=5)


def test_a_shape_beside_stages_is_told_of() -> None:
    """A shape of a locustfile whose scenario has stages is not followed, and warned of with its place."""
    (finding,) = unused_shapes(facts("Steps"))
    assert str(finding).startswith("own.py:3: the load shape Steps is not followed")
