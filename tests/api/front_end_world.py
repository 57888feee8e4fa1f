"""A whole installation as its operator starts it, a kit that talks to it, and the front-end's own requests."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx

from programs import environment, free_port
from waiting import PATIENCE_SECONDS, wait_until

# A minute of the kit lasts a tenth of a second.
KIT_SPEED = 600

_OURS = re.compile(r"HORTUS_|MQTT_|KAFKA_|DATABASE_URL|LOG_LEVEL|TOKEN_SIGNER_KEY")

Found = TypeVar("Found")


@dataclass(slots=True)
class FrontEnd:
    """Requests as the front-end sends them: base and path concatenated, with the token it has."""

    base_url: str
    client: httpx.Client
    token: str | None = None

    def send(self, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {"Origin": "http://front-end.example"}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        content: dict[str, Any] = {} if body is None else {"json": body}
        response = self.client.request(method, self.base_url + path, headers=headers, **content)
        assert response.headers["access-control-allow-origin"] == "*"
        return response

    def done(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request that must succeed, and return its document, if it has one."""
        response = self.send(method, path, body)
        assert response.is_success, f"{method} {path}: {response.status_code} {response.text}"
        return response.json() if response.content else None

    def get(self, path: str) -> Any:
        return self.done("GET", path)

    def as_nobody(self) -> FrontEnd:
        """The same page in the browser of a visitor who is not logged in."""
        return FrontEnd(self.base_url, self.client)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ids:
    """The ids of the kit that the front-end made, and of what belongs to it."""

    serial: str
    password: str
    configuration: int
    barometer: int
    heater: int
    camera: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """A person who has signed up, and made and configured a kit that is running now."""

    front_end: FrontEnd
    refresh_token: str
    username: str
    kit: Ids

    @property
    def at(self) -> str:
        """The kit's address."""
        return f"/kits/{self.kit.serial}"


@contextmanager
def journey(folder: Path) -> Iterator[Journey]:
    """Start everything, and do what a user does to get a running kit."""
    ports = {name: free_port() for name in ("http", "mqtt")}
    with (
        httpx.Client(timeout=PATIENCE_SECONDS) as client,
        _process(
            folder / "up.log",
            *("up", "--data-dir", folder / "data", "--gateway-port", "0"),
            *("--http-port", ports["http"], "--mqtt-port", ports["mqtt"]),
            HORTUS_SIGN_UP="open",
        ),
    ):
        wait_until(lambda: (folder / "data" / "run.json").exists(), "hortus up is ready")
        front_end = FrontEnd(f"http://127.0.0.1:{ports['http']}/api", client)
        username, refresh_token = _sign_up(front_end)
        kit = _make_kit(front_end)
        credentials = folder / "kits.json"
        credentials.write_text(json.dumps([{"serial": kit.serial, "password": kit.password}]))
        with _process(
            folder / "simulate.log",
            *("simulate", "--kits", 1, "--speed", KIT_SPEED, "--credentials", credentials),
            *("--host", "127.0.0.1", "--port", ports["mqtt"]),
        ):
            yield Journey(front_end=front_end, refresh_token=refresh_token, username=username, kit=kit)


def _sign_up(front_end: FrontEnd) -> tuple[str, str]:
    account = {"username": "Flora", "password": "It all adds up.", "emailAddress": "flora@example.org"}
    front_end.done("POST", "/users", account)
    pair = front_end.done("POST", "/me/auth", {name: account[name] for name in ("username", "password")})
    front_end.token = pair["accessToken"]
    return front_end.get("/me")["username"], pair["refreshToken"]


def _make_kit(front_end: FrontEnd) -> Ids:
    flags = {"privacyPublicDashboard": False, "privacyShowOnMap": False}
    made = front_end.done("POST", "/kits", {"name": "Roof", "latitude": None, "longitude": None, **flags})
    at = f"/kits/{made['kitSerial']}"
    configuration = front_end.done("POST", f"{at}/configurations", {"description": "Basil"})["id"]
    ids = {}
    intervals = {"intervals": {"measurementInterval": 60, "aggregateInterval": 1800}}
    for name, definition, settings in (
        ("barometer", "Virtual barometer", intervals),
        ("heater", "Virtual heater", None),
        (
            "camera",
            "Virtual random camera",
            {"schedule": [{"time": "12:00:00", "command": "uniform"}]},
        ),
    ):
        definitions = front_end.get("/peripheral-definitions?withExpectedQuantityTypes=true")
        [number] = [each["id"] for each in definitions if each["name"] == definition]
        body = {"peripheralDefinitionId": number, "name": name, "configuration": settings}
        ids[name] = front_end.done("POST", f"/kit-configurations/{configuration}/peripherals", body)["id"]
    front_end.done("PATCH", f"/kit-configurations/{configuration}", {"active": True})
    return Ids(serial=made["kitSerial"], password=made["password"], configuration=configuration, **ids)


@contextmanager
def _process(log: Path, *arguments: object, **settings: str) -> Iterator[None]:
    with log.open("ab") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "hortus", *map(str, arguments)],
            stdout=file,
            stderr=file,
            env=environment(**settings),
        )
    try:
        yield
        assert process.poll() is None, log.read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_SECONDS)
