"""`hortus kit create --owner`: a kit that has an owner from the start."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import asyncpg

from hortus.base.database.url import DatabaseUrl
from waiting import PATIENCE_SECONDS


def create_kit(database_url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hortus", "kit", "create", "--name", "Basil", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        env={**os.environ, "DATABASE_URL": database_url, "COLUMNS": "200", "NO_COLOR": "1"},
        check=False,
    )


async def test_a_kit_made_by_command_can_belong_to_somebody(migrated_database_url: str) -> None:
    connection = await asyncpg.connect(**DatabaseUrl.parse(migrated_database_url).asyncpg_arguments())
    try:
        await connection.execute(
            "INSERT INTO users (username, display_name, password_hash, email_address, gravatar_alternative) "
            "VALUES ('flora', 'Flora', 'none', 'flora@example.org', 'x')"
        )
        made = create_kit(migrated_database_url, "--owner", "Flora", "--json")
        assert made.returncode == 0, made.stderr
        owners = await connection.fetch(
            "SELECT u.username, m.access_super, m.access_configure FROM kit_memberships m "
            "JOIN users u ON u.id = m.user_id JOIN kits k ON k.id = m.kit_id WHERE k.serial = $1",
            json.loads(made.stdout)["serial"],
        )
        assert [tuple(owner) for owner in owners] == [("flora", True, True)]

        refused = create_kit(migrated_database_url, "--owner", "fauna")
        assert refused.returncode != 0
        assert "There is no user 'fauna'" in refused.stderr
        assert await connection.fetchval("SELECT count(*) FROM kits") == 1
    finally:
        await connection.close()
