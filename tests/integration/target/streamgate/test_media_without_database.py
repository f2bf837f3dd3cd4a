"""StreamGate while its server of databases is away."""

from __future__ import annotations

import time
from pathlib import Path

from database_servers import Postgres
from processes import Target
from tus_client import PATIENCE_S, TusClient


def test_what_is_cached_is_served_and_uploads_go_on_where_they_were(tmp_path: Path) -> None:
    with Postgres(tmp_path) as server, Target(f"--database={server.url}") as target:
        client = TusClient(target)
        for path in ("/media/media0001", "/media/media0001/segments/0"):
            assert client.ask("GET", path).status == 200
        upload = client.create(20)
        assert client.append(upload, 0, b"0123456789").status == 204
        server.stop()
        assert client.ask("GET", "/media/media0001").headers["x-cache"] == "HIT"
        assert client.ask("GET", "/media/media0001/segments/0").headers["x-cache"] == "HIT"
        assert client.ask("GET", "/media/media0001/segments/1").status == 200  # which no database has
        assert client.ask("GET", "/media/media0002").status == 503
        assert client.append(upload, 10, b"0123456789").status == 503
        assert client.ask("POST", "/uploads", Upload_Length="1").status == 503
        server.start()
        deadline_s = time.monotonic() + 3 * PATIENCE_S
        while client.ask("HEAD", upload).status != 200:
            assert time.monotonic() < deadline_s
            time.sleep(0.1)
        assert client.offset(upload) == 10
        assert client.append(upload, 10, b"0123456789").status == 204
        assert client.content(upload.rpartition("/")[2]).body == b"0123456789" * 2
