"""Signing up and logging in over HTTP, for tests."""

from __future__ import annotations

from api_client import Installation

PASSWORD = "It all adds up to normality."

LENGTH = {"mustHaveLengthBetween": {"min": 1, "max": 40}}


async def sign_up(api: Installation, username: str) -> dict[str, str]:
    body = {"username": username, "password": PASSWORD, "emailAddress": f"{username}@example.org"}
    assert (await api.client.post("/users", json=body)).status_code == 201
    logged_in = await api.client.post("/me/auth", json={"username": username, "password": PASSWORD})
    assert logged_in.status_code == 200
    tokens: dict[str, str] = logged_in.json()
    assert tokens.keys() == {"refreshToken", "accessToken"}
    return tokens


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
