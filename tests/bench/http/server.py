"""The one nginx that all tools are measured against: a single worker on a core of its own, in a temporary directory."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

import psutil
from cases import ANSWER, CASES
from children import BenchError, Children

READY_S = 5.0
CONFIG = """
daemon off;
pid nginx.pid;
error_log stderr warn;
worker_processes 1;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  default_type application/json;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  server {{
    listen 127.0.0.1:{port};
    location = /served {{ stub_status; }}
{locations}
  }}
}}
"""


def find_nginx() -> str | None:
    """The nginx on PATH, or in the sbin beside a bin on PATH: Debian keeps it in one that a user's PATH leaves out."""
    directories = [Path(part) for part in os.environ.get("PATH", os.defpath).split(os.pathsep) if part]
    beside = [directory.with_name("sbin") for directory in directories if directory.name == "bin"]
    return shutil.which("nginx", path=os.pathsep.join(map(str, directories + beside)))


class Nginx:
    """nginx on a free loopback port, one of `children`. Raises BenchError if it does not start."""

    def __init__(self, program: str, core: int, directory: Path, children: Children) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        locations = "\n".join(
            f"    location = {case.path} {{ {case.directives} return 200 '{ANSWER}'; }}" for case in CASES
        )
        config = directory / "nginx.conf"
        config.write_text(CONFIG.format(port=self.port, locations=locations))
        self._log = directory / "nginx.log"
        self._master = children.start([program, "-p", str(directory), "-c", str(config)], core, log=self._log)
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=READY_S)
        self._polls = 0
        self._worker = self._wait_until_ready()

    @property
    def url(self) -> str:
        """What the cases' paths begin with."""
        return f"http://127.0.0.1:{self.port}"

    def served(self) -> int:
        """The requests that nginx has begun to handle so far, without these of ours."""
        try:
            self._connection.request("GET", "/served")
            text = self._connection.getresponse().read().decode()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise BenchError(f"nginx does not answer: {error}") from error
        self._polls += 1
        counts = re.search(r"requests\s+\d+ \d+ (\d+)", text)
        if counts is None:
            raise BenchError(f"nginx did not tell its counts but: {text[:200]!r}")
        return int(counts[1]) - self._polls

    def cpu_s(self) -> float:
        """The CPU time of nginx's worker so far."""
        times = self._worker.cpu_times()
        return times.user + times.system

    def _wait_until_ready(self) -> psutil.Process:
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline and self._master.poll() is None:
            try:
                workers = psutil.Process(self._master.pid).children()
                self.served()
            except (BenchError, psutil.NoSuchProcess):
                time.sleep(0.02)
                continue
            if workers:
                return workers[0]
        said = self._log.read_text(errors="replace").strip() or "it said nothing"
        raise BenchError(f"nginx did not start on port {self.port}: {said}")


def version(program: str) -> str:
    """What `nginx -v` says."""
    done = subprocess.run([program, "-v"], capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip().removeprefix("nginx version: ")
