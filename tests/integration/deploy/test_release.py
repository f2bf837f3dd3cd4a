"""The release for nodes is reproducible, whole and for the right machine, and a worker runs from it alone.

Its wheels are fetched from the package index once, into pytest's cache.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from importlib.util import cache_from_source
from pathlib import Path
from threading import Timer
from typing import Any

import msgspec
import psutil
import pytest

from master.deploy.drivers import LOCK_FILE_WITH_TRACING
from master.release import contents
from master.release.builder import Release, build
from master.release.platforms import ARCHITECTURES, PYTHONS, Platform
from master.release.wheels import BuildError
from worker.wire.curve import Endpoint, Keys
from worker.wire.orders import NodeOrders

ROOT = Path(__file__).parents[3]
LOCK = ROOT / "requirements-node.lock"
CONTROLLER = ROOT / "tests" / "bench" / "agent" / "controller.py"
HERE = (os.uname().machine, f"{sys.version_info.major}.{sys.version_info.minor}")
PYTHON = getattr(sys, "_base_executable", sys.executable)
"""Outside of any virtual environment, as on a node."""
LIMIT_S = 90.0

pytestmark = pytest.mark.timeout(900)  # the first time, over a slow line


@pytest.fixture(scope="session")
def cache(request: pytest.FixtureRequest) -> Path:
    assert request.config.cache is not None
    return request.config.cache.mkdir("piswarm-releases")


def made(platform: Platform, cache: Path, lock: Path = LOCK) -> Release:
    try:
        return build(platform, lock, cache)
    except BuildError as error:
        if "can't be reached" in str(error):
            pytest.skip(f"needs the package index once: {error.message.splitlines()[0]}")
        raise


@pytest.fixture(scope="session")
def release(cache: Path) -> Release:
    if HERE[0] not in ARCHITECTURES or HERE[1] not in PYTHONS:
        pytest.skip(f"no release is made for {HERE[0]} with Python {HERE[1]}")
    return made(Platform(*HERE), cache)


@pytest.fixture(scope="session")
def unpacked(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The release unpacked as on a node."""
    directory = tmp_path_factory.mktemp("releases") / release.name
    directory.mkdir()
    subprocess.run(["tar", "-xzf", str(release.archive), "-C", str(directory)], check=True)
    return directory


def environment(unpacked: Path) -> dict[str, str]:
    return {"PATH": os.defpath, "PYTHONPATH": str(unpacked), "PYTHONNOUSERSITE": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def test_it_is_whole_and_sound(release: Release, unpacked: Path) -> None:
    """The node's own program finds the release whole, and no module in it hides one of Python's."""
    command = [PYTHON, "-I", str(unpacked / ".release/verify.py"), "--digest", release.digest, "--compiled"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    top = {path.name.partition(".")[0] for path in unpacked.iterdir() if not path.name.endswith(".dist-info")}
    assert {"worker", "locust", "gevent", "zmq"} <= top
    assert not top & sys.stdlib_module_names


def test_the_same_again_from_nothing_but_wheels(release: Release, cache: Path, tmp_path: Path) -> None:
    """A second build from the wheels alone gives the same archive byte by byte."""
    shutil.copytree(cache / "wheels", tmp_path / "wheels")
    again = build(release.platform, LOCK, tmp_path)
    assert again.is_new
    assert again.digest == release.digest
    assert again.archive.read_bytes() == release.archive.read_bytes()


EXPORTER = "worker.tracing.__main__"
"""Of all modules of a node the one that needs an extra."""


def test_a_node_imports_all_that_it_needs_from_it(unpacked: Path) -> None:
    """A node imports every module of piswarm but EXPORTER, and what they need, from the release alone, with its byte code."""
    modules = sorted(
        ".".join(path.relative_to(unpacked).with_suffix("").parts).removesuffix(".__init__")
        for path in (unpacked / "worker").rglob("*.py")
    )
    assert EXPORTER in modules
    modules.remove(EXPORTER)
    assert_imports(modules, unpacked)


def test_nodes_that_are_to_trace_import_what_exports_spans(cache: Path, release: Release, tmp_path: Path) -> None:
    """The lock file for scenarios with tracing brings OpenTelemetry."""
    traced = made(release.platform, cache, ROOT / LOCK_FILE_WITH_TRACING)
    subprocess.run(["tar", "-xzf", str(traced.archive), "-C", str(tmp_path)], check=True)
    assert_imports([EXPORTER], tmp_path)


def assert_imports(modules: list[str], unpacked: Path) -> None:
    """All of these modules, and what they need, come from the release and the standard library."""
    look = (
        "import locust, sys, importlib, sysconfig, json\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "files = [module.__file__ for module in list(sys.modules.values()) if getattr(module, '__file__', None)]\n"
        "print(json.dumps([sysconfig.get_path('stdlib'), sysconfig.get_path('platstdlib'), files]))\n"
    )
    # Without -S a Debian's own packages could come in where one is missing.
    done = subprocess.run(
        [PYTHON, "-P", "-S", "-c", look], env=environment(unpacked), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    *libraries, files = json.loads(done.stdout)
    elsewhere = [file for file in files if not file.startswith((str(unpacked), *libraries))]
    assert not elsewhere
    assert not [file for file in files if "site-packages" in file or "dist-packages" in file]
    assert str(unpacked / "locust" / "__init__.py") in files
    sources = [file for file in files if file.startswith(str(unpacked)) and file.endswith(".py")]
    assert not [file for file in sources if not Path(cache_from_source(file)).exists()]


@pytest.fixture
def controller() -> Iterator[subprocess.Popen[str]]:
    """A controller that welcomes a node and prints what it hears of the node."""
    process = subprocess.Popen([sys.executable, str(CONTROLLER), "0.2"], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    limit = Timer(LIMIT_S, process.kill)
    limit.start()
    try:
        yield process
    finally:
        limit.cancel()
        process.kill()
        process.communicate()


def receive(controller: subprocess.Popen[str], key: str) -> dict[str, Any]:
    """Return the next line that has `key`."""
    assert controller.stdout is not None
    for line in controller.stdout:
        heard: dict[str, Any] = json.loads(line)
        if key in heard:
            return heard
    raise AssertionError(f"the controller heard no {key} within {LIMIT_S} s")


def test_an_agent_and_its_worker_run_from_it(unpacked: Path, controller: subprocess.Popen[str], tmp_path: Path) -> None:
    """An agent and its worker run from the release over the real wire, with nothing of this environment."""
    door = receive(controller, "address")
    endpoint, keys = Endpoint(door["address"], door["server"]), Keys(door["public"], door["secret"])
    orders = NodeOrders("pi001", endpoint, keys)
    with (tmp_path / "agent.log").open("wb") as log:
        agent = subprocess.Popen(
            [PYTHON, "-P", "-m", "worker.agent.node"],
            env=environment(unpacked),
            cwd=tmp_path,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
        )
    family: list[psutil.Process] = []
    try:
        assert agent.stdin is not None
        agent.stdin.write(msgspec.json.encode(orders) + b"\n")
        agent.stdin.flush()
        assert receive(controller, "worker")["worker"] == "pi001_0", (tmp_path / "agent.log").read_text()
        assert receive(controller, "number")["number"] >= 0
        family = [psutil.Process(agent.pid), *psutil.Process(agent.pid).children()]
        assert len(family) == 2
        for process in family:
            maps = {entry.path for entry in process.memory_maps() if ".so" in entry.path}
            assert any(path.startswith(str(unpacked)) for path in maps)
            assert not [path for path in maps if "site-packages" in path]
        agent.terminate()
        assert agent.wait(20) == 0
        gone, alive = psutil.wait_procs(family, timeout=20)
        assert not alive
        assert len(gone) == 2
    finally:
        for process in family:
            if process.is_running():
                process.kill()
        agent.kill()
        agent.communicate()


@pytest.mark.parametrize("python", PYTHONS)
def test_a_pi_gets_libraries_for_its_machine_and_its_python(cache: Path, python: str) -> None:
    """A Pi's release has shared libraries for aarch64 alone, and those for a Python for its own alone."""
    release = made(Platform("aarch64", python), cache)
    with tarfile.open(release.archive) as archive:
        libraries = {
            entry.name: archive.extractfile(entry).read()  # type: ignore[union-attr]
            for entry in archive
            if ".so" in Path(entry.name).suffixes
        }
    packages = {name.partition("/")[0].partition(".")[0] for name in libraries}
    assert packages >= {
        "_brotli",
        "gevent",
        "geventhttpclient",
        "greenlet",
        "httptools",
        "msgspec",
        "psutil",
        "pyzmq",
        "zmq",
    }
    for name, data in libraries.items():
        assert data[:6] == b"\x7fELF\x02\x01", name
        assert int.from_bytes(data[18:20], "little") == 183, name  # EM_AARCH64
        if ".cpython-" in name:
            assert f".cpython-{python.replace('.', '')}-aarch64-linux-gnu.so" in name


def test_what_is_excluded_is_there_to_be_excluded(cache: Path, release: Release) -> None:
    """Every excluded part is in some wheel; one that had moved in a new version would be sent unnoticed."""
    members = {
        name
        for wheel in cache.glob(f"wheels/{HERE[0]}-{HERE[1]}-*/*.whl")
        for name in subprocess.run(
            [sys.executable, "-m", "zipfile", "-l", str(wheel)], capture_output=True, text=True, check=True
        ).stdout.split()
    }
    assert release.files < len(members)
    for part in contents.EXCLUDED:
        assert any(name.startswith(part) for name in members), part


def test_what_is_there_already_is_found_at_once(release: Release, cache: Path) -> None:
    """A release that is in the cache is found within ten times the CPU time that it takes."""
    began = time.process_time()
    assert not build(release.platform, LOCK, cache).is_new
    assert time.process_time() - began < 2
