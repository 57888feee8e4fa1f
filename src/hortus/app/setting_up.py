"""The link that makes the first account of an installation."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.domain.accounts.first_account import has_accounts, set_up_token


async def set_up_link(engine: AsyncEngine, key: bytes, base_url: str) -> str | None:
    """Return the link, or None if anyone has an account. `key` is that of API tokens."""
    async with engine.connect() as connection:
        if await has_accounts(connection):
            return None
    return f"{base_url}/setup?token={set_up_token(key)}"
