from __future__ import annotations

import asyncpg

from hortus.base.database.url import DatabaseUrl


async def test_a_fresh_server_offers_an_empty_utf8_database_owned_by_an_ordinary_role(empty_database_url):
    connection = await asyncpg.connect(**DatabaseUrl.parse(empty_database_url).asyncpg_arguments())
    try:
        assert await connection.fetchval("SHOW server_encoding") == "UTF8"
        assert await connection.fetchval("SHOW data_checksums") == "on"
        assert await connection.fetchval("SHOW fsync") == "on"
        assert await connection.fetchval("SHOW synchronous_commit") == "on"
        assert await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
        await connection.execute("CREATE TABLE plants (id int)")
        await connection.execute("CREATE SCHEMA garden")
    finally:
        await connection.close()
