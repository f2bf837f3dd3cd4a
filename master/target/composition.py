"""The domains put together: who needs whom is decided here."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path

from master.target.admin.router import AdminApi
from master.target.admin.statistics import PlatformStatistics
from master.target.api.domain import Domain
from master.target.app import Gateway
from master.target.auth.audit import AuditLog
from master.target.auth.authority import Authority
from master.target.auth.management import AccountManager
from master.target.auth.router import AuthApi
from master.target.auth.sign_in import SignIn
from master.target.auth.state.database_state import DatabaseState
from master.target.auth.state.security_state import SecurityState
from master.target.auth.storage import AuthStorage
from master.target.chain.chain import DEFAULT_BLOCK_TIME_S, DEFAULT_VALIDATORS, Chain
from master.target.chain.router import ChainApi
from master.target.chain.storage import ChainStorage
from master.target.database.cache import Cache, MemoryCache
from master.target.database.database import Database
from master.target.nodes.liveness import ALIVE_WITHIN_S
from master.target.nodes.pool_router import PoolApi
from master.target.nodes.pool_storage import PoolStorage
from master.target.nodes.room import NodeRoom
from master.target.nodes.router import NodeApi
from master.target.nodes.samples import SampleStorage
from master.target.nodes.storage import NodeStorage
from master.target.nodes.work import NodeWork
from master.target.poot.poot import Poot
from master.target.poot.router import PootApi
from master.target.poot.server_work import ServerWorkLog
from master.target.poot.storage import PootStorage
from master.target.rdp.router import RdpApi
from master.target.rdp.servers import RdpServers, RdpSettings
from master.target.rdp.storage import ServerStorage
from master.target.sessions.router import SessionApi
from master.target.streamgate.wiring import StreamGateSettings, streamgate


def create_gateway(
    authority: Authority,
    database: Database,
    pool: Executor,
    state: SecurityState | None = None,
    cache: Cache | None = None,
    *,
    clock: Callable[[], float] = time.time,
    key_file: Path | None = None,
    alive_within_s: float = ALIVE_WITHIN_S,
    rdp: RdpSettings | None = None,
    validators: int = DEFAULT_VALIDATORS,
    block_time_s: float = DEFAULT_BLOCK_TIME_S,
    streaming: StreamGateSettings | None = None,
) -> Gateway:
    """The whole platform on `database`. `pool` is for work that would hold up the loop; `clock` gives Unix seconds.

    What sign-in remembers is in `state`, or else in the database; answers that may be a little old in `cache`, or else in memory.
    The key of the sessions' chunks is in `key_file`, or else in the database. A node is lost that was silent for more than `alive_within_s`. The chain begins with `validators` of them.
    """
    audit = AuditLog(database, clock=clock)
    auth_storage, state = AuthStorage(database), state or DatabaseState(database)
    sign_in = SignIn(authority, auth_storage, state, audit, pool, clock=clock)
    node_storage, pools = NodeStorage(database, alive_within_s=alive_within_s), PoolStorage(database)
    samples, server_storage = SampleStorage(database), ServerStorage(database)
    work = NodeWork(node_storage, samples, server_storage, clock)
    nodes = NodeApi(node_storage, samples, pools, work, clock=clock)
    chain = Chain(ChainStorage(database), validators=validators, block_time_s=block_time_s, clock=clock)

    async def owner_of(name: str) -> str | None:
        node = await node_storage.find(name, clock())
        return None if node is None else node.owner

    poot = Poot(PootStorage(database), chain, owner_of, clock=clock)
    room = NodeRoom(database, node_storage, clock)
    servers = RdpServers(database, server_storage, room, rdp or RdpSettings(), clock=clock, work=ServerWorkLog(poot))
    sessions = SessionApi(database, pool, key_file=key_file, anchors=chain, servers=servers, clock=clock)
    media = streamgate(database, streaming or StreamGateSettings(), clock=clock)
    domains: list[Domain] = [
        AuthApi(sign_in),
        ChainApi(chain),
        PootApi(poot),
        sessions,
        nodes,
        PoolApi(pools, node_storage, clock=clock),
        RdpApi(servers, server_storage, clock=clock),
        *media.domains,
    ]
    statistics = PlatformStatistics(domains, cache or MemoryCache(), clock=clock)
    admin = AdminApi(statistics, AccountManager(authority, auth_storage, state, clock=clock), audit)
    return Gateway([*domains, admin], authority.caller, audit.note, media.limits)
