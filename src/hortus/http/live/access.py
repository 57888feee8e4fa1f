"""Access to kits for subscribers, checked in bulk: when they subscribe, and again while they are subscribed.

Both use the same rule, so that nobody keeps a subscription that they could not start anew.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.domain.accounts.api_keys import ALL_SCOPES, Scope, known_scopes
from hortus.domain.accounts.store import password_stamp
from hortus.http.access.permissions import Permission, Role, permissions_of, role_of, within_scopes
from hortus.http.live.principals import Claim, Principal
from hortus.http.server.database_access import snapshot

_CLAIMS = text("""
SELECT c.number, k.id AS kit_id, k.privacy_public_dashboard AS is_public,
       u.is_admin, u.password_hash, m.access_super, m.access_configure,
       a.scopes, l.password_stamp
FROM unnest(CAST(:numbers AS int[]), CAST(:serials AS text[]), CAST(:user_ids AS int[]),
            CAST(:key_ids AS int[]), CAST(:log_in_ids AS uuid[]))
     AS c(number, serial, user_id, key_id, log_in_id)
JOIN kits k ON k.serial = c.serial
LEFT JOIN users u ON u.id = c.user_id
LEFT JOIN kit_memberships m ON m.kit_id = k.id AND m.user_id = u.id
LEFT JOIN api_keys a ON a.id = c.key_id AND a.user_id = u.id AND a.expires_at > :now
LEFT JOIN refresh_tokens l ON l.id = c.log_in_id AND l.user_id = u.id AND l.expires_at > :now
""")


class AccessToKits:
    """Checks the current access of subscribers to kits; `clock` returns the time as an aware datetime.

    `engine` must verify that its connections are alive: a check must not fail just because the database was
    restarted since the last one.
    """

    def __init__(self, engine: AsyncEngine, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._engine = engine
        self._clock = clock

    async def check(self, claims: Sequence[Claim]) -> list[int | None]:
        """Return for each claim the id of its kit, or None if there is no such kit or no access to it.

        Raises DatabaseNotAnswering.
        """
        now = self._clock()
        parameters = {
            "numbers": list(range(len(claims))),
            # No serial contains a zero character, and PostgreSQL does not accept one in a text.
            "serials": [claim.serial.replace("\0", "") for claim in claims],
            "user_ids": [claim.principal.user_id for claim in claims],
            "key_ids": [claim.principal.key_id for claim in claims],
            "log_in_ids": [claim.principal.log_in_id for claim in claims],
            "now": now,
        }
        async with snapshot(self._engine) as connection:
            rows = (await connection.execute(_CLAIMS, parameters)).mappings().all()
        kit_ids: list[int | None] = [None] * len(claims)
        for row in rows:
            if _may_hear(claims[row["number"]].principal, row, now):
                kit_ids[row["number"]] = row["kit_id"]
        return kit_ids


def _may_hear(principal: Principal, row: Any, now: datetime) -> bool:
    scopes = _scopes(principal, row, now)
    role = Role.STRANGER
    if scopes is not None:
        role = role_of(
            is_admin=row["is_admin"], access_super=row["access_super"], access_configure=row["access_configure"]
        )
    is_public = row["is_public"]
    permissions = within_scopes(permissions_of(role, is_public=is_public), scopes or (), is_public=is_public)
    return Permission.SUBSCRIBE_REAL_TIME_MEASUREMENTS in permissions


def _scopes(principal: Principal, row: Any, now: datetime) -> frozenset[Scope] | None:
    """Return the scopes of the credential that are still valid; None if it is invalid or there is none."""
    if row["is_admin"] is None or principal.is_expired(now):  # anonymous, or a deleted user
        return None
    if principal.key_id is not None:
        return None if row["scopes"] is None else known_scopes(row["scopes"])
    if principal.log_in_id is None:
        return ALL_SCOPES
    bound_to = row["password_stamp"]
    if bound_to is None or not hmac.compare_digest(bound_to, password_stamp(row["password_hash"])):
        return None
    return ALL_SCOPES
