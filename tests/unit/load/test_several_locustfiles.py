"""User classes of several locustfiles are known together."""

import json
import subprocess
import sys
from pathlib import Path

FIRST = """
from locust import LoadTestShape, User, task
class {name}(User):
    @task
    def one(self): pass
"""


def classes_of(root: Path, *locustfiles: str) -> object:
    """User classes, as a process of its own imports them; or what is raised."""
    script = (
        "import json, sys\nfrom worker.load.locustfile.catalogue import import_project\n"
        "try:\n    classes, shapes = import_project(sys.argv[1], tuple(sys.argv[2:]))\n"
        "except Exception as error:\n    print(json.dumps(f'{type(error).__name__}: {error}'))\n"
        "else:\n    import importlib\n    print(json.dumps([sorted(classes), sorted(shapes), importlib.import_module('late').VALUE]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, str(root), *locustfiles], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_classes_of_several_files_and_what_they_import(tmp_path: Path) -> None:
    """A class that one locustfile imports from another is one class; two of one name are refused; modules can be imported late."""
    (tmp_path / "more" / "lib").mkdir(parents=True)
    (tmp_path / "late.py").write_text("VALUE = 7\n")
    (tmp_path / "more" / "lib" / "__init__.py").write_text("from .paths import PATH\n")
    (tmp_path / "more" / "lib" / "paths.py").write_text("PATH = '/x'\n")
    (tmp_path / "one.py").write_text(
        FIRST.format(name="One") + "class Steps(LoadTestShape):\n    def tick(self): return None\n"
    )
    (tmp_path / "more" / "two.py").write_text(
        "from one import One, Steps\nfrom lib import PATH\n" + FIRST.format(name="Two")
    )
    (tmp_path / "three.py").write_text(FIRST.format(name="One"))
    assert classes_of(tmp_path, "one.py", "more/two.py") == [["One", "Two"], ["Steps"], 7]
    refused = classes_of(tmp_path, "one.py", "three.py")
    assert refused == f"DuplicateClassError: One is defined in both {tmp_path}/one.py and {tmp_path}/three.py"
