"""The user classes of a remote-desktop platform, by the names that a scenario has for them."""

from worker.users.lucid.admin_user import AdminUser
from worker.users.lucid.api_user import ApiUser
from worker.users.lucid.blockchain_user import BlockchainUser, ChainWatchUser, TransactionUser
from worker.users.lucid.gateway_users import AuthUser, GatewayUser, HealthUser, SessionApiUser
from worker.users.lucid.node_user import NodeUser
from worker.users.lucid.poot_user import PootUser
from worker.users.lucid.rdp_user import RdpUser
from worker.users.lucid.session_user import SessionUser, StreamingUser

__all__ = [
    "AdminUser",
    "ApiUser",
    "AuthUser",
    "BlockchainUser",
    "ChainWatchUser",
    "GatewayUser",
    "HealthUser",
    "NodeUser",
    "PootUser",
    "RdpUser",
    "SessionApiUser",
    "SessionUser",
    "StreamingUser",
    "TransactionUser",
]
