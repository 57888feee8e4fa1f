"""The services behind the pages and the API, on a database of the tests."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.base.database.engine import connector
from hortus.base.database.url import DatabaseUrl
from hortus.http.access.services import ApiParts, Services

SERVICE_TOKEN_KEY = b"a key of the tests that signs tokens"
PARTS = {part.name for part in fields(ApiParts)}


def services_on(engine: AsyncEngine, **parts: Any) -> Services:
    """Return services on this database, with these parts instead of the usual ones."""
    url = DatabaseUrl.parse(engine.url.render_as_string(hide_password=False))
    usual = ApiParts(engine=engine, connect=connector(url, "test"), token_key=SERVICE_TOKEN_KEY)
    return Services(replace(usual, **parts))
