"""Users of the API of `hortus up`."""

from __future__ import annotations

import secrets
from pathlib import Path

import httpx

from hortus.app.command_line.users import create_user_from_command_line
from hortus.base.settings import read_settings
from rig.one_box import OneBox


async def access_token(box: OneBox, data_dir: Path, *, is_admin: bool) -> str:
    """Create an account, log in, and return the access token."""
    username, password = f"asker-{secrets.token_hex(4)}", secrets.token_urlsafe()
    await create_user_from_command_line(
        data_dir,
        read_settings(),
        username=username,
        email=f"{username}@example.org",
        password=password,
        is_admin=is_admin,
    )
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{box.http_port}/api") as client:
        logged_in = await client.post("/me/auth", json={"username": username, "password": password})
        return str(logged_in.raise_for_status().json()["accessToken"])
