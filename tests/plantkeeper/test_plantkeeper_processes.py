"""`hortus web` accepts readings of gateways: acknowledged readings survive its death."""

from __future__ import annotations

import secrets
import signal
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import httpx

from hortus.base.database.engine import open_engine
from hortus.base.database.url import DatabaseUrl
from hortus.flow.gateway.boards import register_board
from hortus.flow.gateway.gateways import add_gateway
from hortus.http.api.gateway_readings import RECEIVE_PATH
from waiting import PATIENCE_SECONDS
from web_process import web_process

ID = "0d5b6cb6-5d0e-4a4e-8e8c-3b8e1f6f2a11"


async def test_readings_acknowledged_by_a_web_process_outlive_it(
    migrated_database_url: str, tmp_path: Path
) -> None:
    key_file = tmp_path / "token-signer.key"
    key_file.write_text(secrets.token_urlsafe(48))
    async with (
        open_engine(DatabaseUrl.parse(migrated_database_url)) as engine,
        engine.begin() as connection,
    ):
        token = await add_gateway(connection, "greenhouse")
        await register_board(connection, name="Basil", sensor_id=7)
    settings = {"DATABASE_URL": migrated_database_url, "TOKEN_SIGNER_KEY": str(key_file)}
    settings["HORTUS_CORS_ORIGINS"] = "https://plants.example.org"
    async with (
        web_process(tmp_path / "web.log", **settings) as web,
        httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client,
    ):
        hello = await client.get(f"{web.base_url}/api/v1")
        assert (hello.status_code, hello.text) == (200, "Hello World!")
        for path in ("/api/v1", "/api/time"):
            origin = {"Origin": "https://plants.example.org"}
            named = await client.get(f"{web.base_url}{path}", headers=origin)
            assert named.headers["access-control-allow-origin"] == "https://plants.example.org"
        bearer = {"Authorization": f"Bearer {token}"}
        url = f"{web.base_url}/api/v1/sensors/7"
        patched = await client.patch(url, json={"humidity": 55, "light": 900}, headers=bearer)
        assert (patched.status_code, patched.json()["humidity"]) == (200, 55)
        received_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        reading = {"id": ID, "sensorId": 7, "receivedAt": received_at, "temperature": 21.4}
        delivered = await client.post(
            f"{web.base_url}{RECEIVE_PATH}", json={"readings": [reading]}, headers=bearer
        )
        assert delivered.json() == {"taken": 1, "refused": []}
        await web.stop(signal.SIGKILL)
    connection = await asyncpg.connect(migrated_database_url)
    values = await connection.fetch("SELECT value FROM raw_measurements ORDER BY value")
    await connection.close()
    assert [row["value"] for row in values] == [21.4, 55.0, 900.0]
