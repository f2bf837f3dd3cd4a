"""What is in an environment file is what the real target goes by, and its secrets open the real servers."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg
import redis
from database_servers import Postgres, Redis
from free_ports import free_ports
from processes import ROOT, Target
from sourced import values_by_shell

from master.environments.files import read_file
from master.environments.generate import generate


def test_the_target_goes_by_a_generated_file(tmp_path: Path) -> None:
    """What HTTP and its files show of it: address, password and hashes, lives of tokens, lock-out, chain, RDP servers, rate limit."""
    port, rdp_port = free_ports(), free_ports(2)
    said = {
        "PORT": port,
        "DATABASE": tmp_path / "my target.db",
        "KEY_FILE": tmp_path / "chunks.key",
        "HASH_MEMORY_KIB": 16,
        "HASH_PASSES": 3,
        "RDP_PORTS": f"{rdp_port}-{rdp_port + 1}",
        "TOKEN_LIFETIME_S": 77,
        "REFRESH_LIFETIME_S": 88,
        "LOCKOUT_FAILURES": 2,
        "LOCKOUT_ADDRESS_FAILURES": 4,
        "LOCKOUT_S": 500,
        "BLOCK_TIME_S": 0.5,
        "VALIDATORS": 5,
        "RDP_SERVERS": 3,
        "RATE_LIMIT_PER_S": 1,
    }
    file = tmp_path / "piswarm.env"
    generate("test", "default", [f"PISWARM_TARGET_{name}={value}" for name, value in said.items()], file)
    values = values_by_shell(file)
    assert values == read_file(file).values
    password = values["PISWARM_TARGET_PASSWORD"]
    with Target(**values) as target:
        assert target.port == port
        assert (tmp_path / "my target.db").exists()
        assert (tmp_path / "chunks.key").exists()
        tokens = target.ask("POST", "/auth/login", {"username": "admin01", "password": password}).json
        assert (tokens["expires_in_s"], tokens["refresh_expires_in_s"]) == (77, 88)
        token = tokens["token"]
        wrong = [target.ask("POST", "/auth/login", {"username": "user0002", "password": "no"}) for _ in range(3)]
        assert [each.status for each in wrong] == [401, 429, 429] or [each.status for each in wrong] == [401, 401, 429]
        assert 400 < int(wrong[-1].headers["retry-after"]) <= 500
        for name in ("user0003", "user0004", "user0005"):
            refused = target.ask("POST", "/auth/login", {"username": name, "password": "no"})
        assert refused.status == 429
        assert target.ask("POST", "/auth/login", {"username": "admin01", "password": password}).status == 429
        consensus = target.ask("GET", "/chain/consensus", token=token).json
        assert (consensus["block_time_s"], len(consensus["validators"])) == (0.5, 5)
        assert target.ask("GET", "/rdp/statistics", token=token).json["max_servers"] == 3
        node = {"name": "pi-1", "model": "Raspberry Pi 5", "cpu_count": 4, "memory_mb": 8063, "disk_mb": 119_000}
        assert target.ask("POST", "/nodes", node, token).status == 201
        assert target.ask("POST", "/rdp/servers", {}, token).json["port"] in {rdp_port, rdp_port + 1}
        assert 429 in [target.ask("GET", "/media", token=token).status for _ in range(3)]
    assert b"$argon2id$v=19$m=16,t=3,p=1$" in (tmp_path / "my target.db").read_bytes()


def test_the_password_may_be_in_a_file_that_a_variable_names(tmp_path: Path) -> None:
    """It wins over the password of the environment."""
    file = tmp_path / "password"
    file.write_text("another-password\n")
    with Target(PISWARM_TARGET_PASSWORD_FILE=str(file)) as target:
        assert target.sign_in("user0001", "another-password")
        assert target.ask("POST", "/auth/login", {"username": "user0002", "password": "piswarm"}).status == 401


def test_an_option_wins_over_the_environment() -> None:
    """A port that is said is the one that is listened on, at the address of the environment."""
    one, two = free_ports(), free_ports()
    with Target(f"--port={one}", PISWARM_TARGET_PORT=str(two), PISWARM_TARGET_HOST="127.0.0.9") as target:
        assert target.url == f"http://127.0.0.9:{one}"


def test_generated_secrets_open_postgresql_and_redis(tmp_path: Path) -> None:
    """The passwords of a file are taken by servers that ask for one; without them the target is refused."""
    file = tmp_path / "piswarm.env"
    # The server's own account can't reach into pytest's folder once another pytest has begun.
    folders = tempfile.TemporaryDirectory(prefix="piswarm-postgres-")
    with folders as folder, Postgres(Path(folder)) as postgres, Redis() as cache:
        places = [
            f"PISWARM_TARGET_DATABASE={postgres.url}",
            f"PISWARM_TARGET_REDIS={cache.url}",
            "PISWARM_TARGET_PORT=0",
        ]
        generate("test", "cloud", places, file)
        values = values_by_shell(file)
        with psycopg.connect(postgres.url, autocommit=True) as connection:
            connection.execute(f"ALTER ROLE piswarm PASSWORD '{values['PGPASSWORD']}'")
            connection.execute("SELECT pg_reload_conf()")
            rules = connection.execute("SHOW hba_file").fetchone()
            assert rules is not None
            Path(rules[0]).write_text("host all all 127.0.0.1/32 scram-sha-256\n", "utf-8")
            connection.execute("SELECT pg_reload_conf()")
        with redis.Redis.from_url(cache.url) as client:
            client.config_set("requirepass", values["PISWARM_TARGET_REDIS_PASSWORD"])
        with Target(**values) as target:
            assert target.sign_in("user0001", values["PISWARM_TARGET_PASSWORD"])
        for name, option in (("PGPASSWORD", "--database"), ("PISWARM_TARGET_REDIS_PASSWORD", "--redis")):
            done = subprocess.run(
                [sys.executable, "-m", "master.target"],
                cwd=ROOT,
                env={**os.environ, **{key: value for key, value in values.items() if key != name}},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 2
            assert f"can't use {option}" in done.stderr
            assert not [value for key, value in values.items() if "PASSWORD" in key and value in done.stderr]
