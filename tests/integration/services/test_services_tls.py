"""`piswarm services check` over TLS: real servers with certificates of an authority of their own."""

from __future__ import annotations

import http.server
import os
import shutil
import ssl
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from certificates import Authority
from database_servers import Postgres, Redis
from services_command import check, states


class _Answer(http.server.BaseHTTPRequestHandler):
    """Answers 204."""

    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, *words: object) -> None:
        """Say nothing."""


class TlsRedis(Redis):
    """Redis that speaks TLS alone, with a password."""

    PASSWORD = "sesame"

    def __init__(self, chain: Path, ca: Path) -> None:
        super().__init__()
        self._chain, self._ca = chain, ca
        self.url = f"rediss://:{self.PASSWORD}@127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        (
            program,
            *_,
        ) = super().command()
        tls = ["--tls-port", self.port, "--tls-cert-file", self._chain, "--tls-key-file", self._chain]
        rest = [
            "--tls-ca-cert-file",
            self._ca,
            "--tls-auth-clients",
            "no",
            "--requirepass",
            self.PASSWORD,
            "--save",
            "",
        ]
        return [program, "--port", "0", "--bind", "127.0.0.1", *map(str, [*tls, *rest])]

    def answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url, ssl_ca_certs=str(self._ca)) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


class TlsPostgres(Postgres):
    """PostgreSQL that offers TLS."""

    def __init__(self, folder: Path, chain: Path) -> None:
        super().__init__(folder)
        self._chain = folder / "data" / "server.pem"
        shutil.copy(chain, self._chain)
        owner = (folder / "data").stat()
        os.chown(self._chain, owner.st_uid, owner.st_gid)
        self._chain.chmod(0o600)

    def command(self) -> list[str]:
        settings = ("ssl=on", f"ssl_cert_file={self._chain}", f"ssl_key_file={self._chain}")
        return [*super().command(), *(part for each in settings for part in ("-c", each))]


@pytest.fixture
def https(authority: Authority) -> Iterator[dict[str, int]]:
    """The ports of three servers: with a certificate that holds, with one that has ended, with one of another host."""
    chains = {
        "holds": authority.issue("127.0.0.1"),
        "ended": authority.issue("127.0.0.1", ended=True),
        "another": authority.issue("another.example"),
    }
    servers = {}
    for name, chain in chains.items():
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answer)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that turns away is what is wanted
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
        servers[name] = server
    yield {name: server.server_port for name, server in servers.items()}
    for server in servers.values():
        server.shutdown()
        server.server_close()


def test_services_behind_tls_are_healthy_where_their_certificate_is_trusted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, authority: Authority, https: dict[str, int]
) -> None:
    """An authority of their own is named by `ca_file`; without it, after its end, or for another host, no certificate holds."""
    (tmp_path / "own-ca.pem").write_bytes(authority.ca.read_bytes())
    security = "security: {tls: required, ca_file: own-ca.pem}\n"
    for name, server, trusted in [
        ("trusted", "holds", security),
        ("untrusted", "holds", ""),
        ("ended", "ended", security),
        ("another", "another", security),
    ]:
        text = (
            f"kind: gateway\nendpoint: {{url: 'https://127.0.0.1:{https[server]}'}}\nhealth: {{probe: http}}\n{trusted}"
        )
        (tmp_path / f"{name}.yml").write_text(text)
    store = "engine: redis, endpoint: {url_from: TEST_REDIS_URL}, health: {probe: redis}"
    (tmp_path / "caches.yml").write_text(
        "kind: database\nstores:\n"
        f"  cache: {{{store}, security: {{ca_file: own-ca.pem}}}}\n"
        f"  cache-untrusted: {{{store}}}\n"
    )
    with TlsRedis(authority.issue("127.0.0.1"), authority.ca) as server:
        monkeypatch.setenv("TEST_REDIS_URL", server.url)
        done = check(tmp_path, "--json")
    rows = states(done)
    details = {name: row["detail"] for name, row in rows.items()}
    assert {name for name, row in rows.items() if row["state"] == "healthy"} == {"trusted", "cache"}, details
    assert details["trusted"] == "GET /: status 204"
    assert details["cache"] == "answers PING"
    assert details["untrusted"].endswith("TLS fails: unable to get local issuer certificate")
    # Redis sends the certificate of its authority along.
    assert details["cache-untrusted"].endswith("TLS fails: self-signed certificate in certificate chain")
    assert details["ended"].endswith("TLS fails: certificate has expired")
    assert "IP address mismatch" in details["another"]
    assert TlsRedis.PASSWORD not in done.stdout


def test_postgresql_is_asked_over_tls_where_its_authority_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, authority: Authority, postgres: Postgres
) -> None:
    """A server of that authority is healthy, one without TLS is not, and neither is one whose certificate is another host's."""
    (tmp_path / "own-ca.pem").write_bytes(authority.ca.read_bytes())
    store = (
        "engine: postgresql, health: {probe: postgresql}, security: {ca_file: own-ca.pem}, endpoint: {url_from: TEST_"
    )
    names = ("over-tls", "another-host", "without-tls")
    stores = "".join(f"  {name}: {{{store}{name.replace('-', '_').upper()}}}}}\n" for name in names)
    (tmp_path / "database.yml").write_text(f"kind: database\nstores:\n{stores}")
    with (
        tempfile.TemporaryDirectory(prefix="piswarm-postgres-") as folder,
        TlsPostgres(Path(folder), authority.issue("127.0.0.1")) as server,
    ):
        monkeypatch.setenv("TEST_OVER_TLS", server.url)
        monkeypatch.setenv("TEST_ANOTHER_HOST", server.url.replace("127.0.0.1", "localhost"))
        monkeypatch.setenv("TEST_WITHOUT_TLS", postgres.url)
        rows = states(check(tmp_path, "--json"))
    details = {name: row["detail"] for name, row in rows.items()}
    assert {name for name, row in rows.items() if row["state"] == "healthy"} == {"over-tls"}, details
    assert details["over-tls"] == "accepts connections"
    assert "Hostname mismatch" in details["another-host"]
    assert "does without TLS" in details["without-tls"]
