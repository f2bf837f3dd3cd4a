"""Folders of service files that tests write."""

from __future__ import annotations

from pathlib import Path

GATEWAY = "kind: gateway\nendpoint: {url: 'http://127.0.0.1:8080'}\nhealth: {probe: http, path: /health}\n"
AUTH = """kind: auth
endpoint: {url: target}
depends_on: [gateway, database]
health: {probe: http, path: /auth/me, status: 401}
jwt: {algorithm: HS256, token_lifetime: 1h, refresh_lifetime: 1d}
security: {password_hash: argon2id, lockout: {failures: 10, within: 5m, lock: 1m}}
"""
DATABASE = """kind: database
stores:
  postgresql:
    engine: postgresql
    endpoint: {url_from: TEST_POSTGRESQL_URL}
    health: {probe: postgresql}
  redis:
    engine: redis
    endpoint: {url: 'redis://127.0.0.1:6379'}
    health: {probe: redis, timeout: 200ms}
"""
PAYMENT = """kind: payment
external: true
endpoint: {url: 'https://pay.example:8443'}
health: {probe: tcp}
network: nile
contract: {token: USDT, address: TXYZopYRdj2D9XRtbG411XZZ3kM5VkAeBf, decimals: 6}
fees: {max_sun: 100000000, limit_sun: 30000000}
load: never
security: {tls: required}
"""


def write_services(folder: Path, **files: str) -> Path:
    """Write each file by its stem, in which `_` stands for `-`; return the folder."""
    for stem, text in files.items():
        (folder / f"{stem.replace('_', '-')}.yml").write_text(text, encoding="utf-8")
    return folder


def write_all(folder: Path, **changes: str) -> Path:
    """Write one file of each kind, some of them changed."""
    files = {"gateway": GATEWAY, "auth": AUTH, "database": DATABASE, "tron_payment": PAYMENT}
    return write_services(folder, **(files | changes))
