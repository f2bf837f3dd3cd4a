"""A service manager for one agent on hosts without systemd: `piswarm_service` in the inventory of the tests.

`start`, `stop`, `restart`, `logs N`, and `show` as `systemctl show` prints it. An agent that ends is started again. The
program lies in a host's root, and keeps its files in `service` beside `current`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
ETC = str(ROOT.parent / "etc")
HERE = ROOT / "service"
STATE = HERE / "state.json"
AGAIN_S = 0.1


def note(**values: object) -> None:
    new = HERE / f"state.{os.getpid()}"
    new.write_text(json.dumps({"at": time.monotonic(), **values}))
    new.rename(STATE)


def state() -> dict:
    try:
        return json.loads(STATE.read_text())
    except FileNotFoundError:
        return {}


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        return stat.rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def supervise() -> None:
    """Run the agent for ever."""
    ended = []
    signal.signal(signal.SIGTERM, lambda number, _: ended.append(number))
    restarts = 0
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "current"), "PYTHONDONTWRITEBYTECODE": "1"}
    while not ended:
        with (HERE / "log").open("ab") as log:
            agent = subprocess.Popen(
                ["python3", "-P", "-m", "worker.agent.service", ETC], env=environment, stdout=log, stderr=log
            )
        note(supervisor=os.getpid(), state="active", restarts=restarts, pid=agent.pid)
        while agent.poll() is None and not ended:
            time.sleep(0.02)
        if ended:
            agent.terminate()
            agent.wait()
            return
        restarts += 1
        note(supervisor=os.getpid(), state="activating", restarts=restarts, pid=0)
        time.sleep(AGAIN_S)


def start() -> None:
    if not lives(state().get("supervisor", 0) or -1):
        STATE.unlink(missing_ok=True)
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.Popen([sys.executable, __file__, "supervise"], start_new_session=True, **quiet)
        until = time.monotonic() + 20
        while not STATE.exists():
            if time.monotonic() > until:
                sys.exit("the agent did not start")
            time.sleep(0.01)


def stop() -> None:
    pid = state().get("supervisor", 0)
    if pid and lives(pid):
        os.kill(pid, signal.SIGTERM)
        while lives(pid):
            time.sleep(0.01)
    note(supervisor=0, state="inactive", restarts=0, pid=0)


def said_last(lines: int) -> list[str]:
    log = HERE / "log"
    return log.read_text().splitlines()[-lines:] if log.exists() else []


def show() -> None:
    now = state()
    found = now.get("state", "inactive")
    if found != "inactive" and not lives(now["supervisor"]):
        found = "failed"
    said = {
        "LoadState": "loaded",
        "ActiveState": found,
        "NRestarts": now.get("restarts", 0),
        "StatusText": "".join(said_last(1)),
        "MainPID": now.get("pid", 0),
        "ActiveEnterTimestampMonotonic": int(now.get("at", 0) * 1e6),
    }
    sys.stdout.write("".join(f"{name}={value}\n" for name, value in said.items()))


def main() -> None:
    HERE.mkdir(exist_ok=True)
    match sys.argv[1:]:
        case ["start"]:
            start()
        case ["stop"]:
            stop()
        case ["restart"]:
            stop()
            start()
        case ["show"]:
            show()
        case ["supervise"]:
            supervise()
        case ["logs", lines]:
            sys.stdout.write("".join(f"{line}\n" for line in said_last(int(lines))))
        case ["logs", lines, "follow"]:
            os.execlp("tail", "tail", "-n", lines, "-f", str(HERE / "log"))
        case _:
            sys.exit(2)


if __name__ == "__main__":
    main()
