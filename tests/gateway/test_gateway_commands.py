"""The gateway from the user's point of view: commands, settings, and boards in a one-box installation."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from gateway_harness import ARDUINO, reading, send

from hortus.flow.gateway.admission import BoardAdmission
from hortus.flow.gateway.errors import InvalidGatewaySettings
from hortus.flow.gateway.limits import LOCAL_NETWORKS, AdmissionRules, Rate
from hortus.flow.gateway.readings import RefusedRequest
from hortus.flow.gateway.settings import read_gateway_settings
from programs import environment, free_port
from up_process import hortus, hortus_json
from waiting import PATIENCE_SECONDS, wait_until


async def test_one_box_takes_a_boards_readings_and_a_person_names_it(tmp_path: Path) -> None:
    data_dir, log_path = tmp_path / "data", tmp_path / "up.log"
    free = ("--http-port", "0", "--mqtt-port", "0", "--gateway-port", "0")
    with log_path.open("wb") as log:
        up = subprocess.Popen(
            [sys.executable, "-m", "hortus", "up", "--data-dir", str(data_dir), *free],
            stdout=log,
            stderr=log,
            env=environment(),
        )
    try:
        said = wait_until(lambda: re.search(r"http://127.0.0.1:(\d+)/sensor-data", log_path.read_text()))
        port = int(said[1])
        assert (await send(port, ARDUINO, piece_bytes=7)).status == 200
        assert (await send(port, reading(1, humidity=60))).status == 200

        def kept() -> bool:
            waiting = hortus_json("board", "list", "--data-dir", data_dir)["waiting"]
            return [(each["sensor_id"], each["kept"]) for each in waiting] == [(1, 2)]

        wait_until(kept)
        adopted = hortus_json("board", "adopt", 1, "--name", "Basil", "--data-dir", data_dir)
        assert adopted == {"sensorId": 1, "serial": "pk-1", "readings": 2}
        assert (await send(port, reading(1, humidity=61))).status == 200

        def stored() -> bool:
            return bool(hortus_json("ledger", "--kit", "pk-1", "--data-dir", data_dir)["stored"] == 9)

        wait_until(stored)
        status = hortus_json("gateway", "status", "--data-dir", data_dir)
        assert (status["waiting"], status["counters"]["stored"]) == (0, 3)
        assert [each["sensorId"] for each in status["sensors"]] == [1]
        (board,) = hortus_json("board", "list", "--data-dir", data_dir)["boards"]
        assert (board["sensor_id"], board["serial"], board["silent_since"]) == (1, "pk-1", None)
        assert hortus_json("board", "add", "--name", "Mint", "--data-dir", data_dir)["sensorId"] == 2
        assert log_path.read_text().count("hortus board adopt 1 --name NAME") == 1
        assert "hortus_gateway_" in hortus_json("gateway", "add", "greenhouse", "--data-dir", data_dir)["token"]
        assert "greenhouse" in hortus("gateway", "list", "--data-dir", data_dir).stdout
        up.send_signal(signal.SIGINT)
        assert up.wait(PATIENCE_SECONDS) == 0
    finally:
        if up.poll() is None:
            up.kill()
            up.wait()


def test_readings_that_are_set_aside_are_listed_retried_and_dropped_by_command(tmp_path: Path) -> None:
    """A gateway with a list of known boards keeps the readings of others to itself."""
    spool = {"HORTUS_GATEWAY_SPOOL_DIR": str(tmp_path / "spool")}
    settings = {
        **spool,
        "HORTUS_GATEWAY_KNOWN_SENSORS": "1-3,9",
        "HORTUS_GATEWAY_TARGET": "plantkeeper",
        "HORTUS_GATEWAY_TARGET_URL": "https://127.0.0.1:9",
    }
    port = free_port()
    running = subprocess.Popen(
        [sys.executable, "-m", "hortus", "gateway", "--port", str(port)],
        env=environment(**settings),
        stderr=subprocess.DEVNULL,
    )
    try:

        def sent() -> bool:
            try:
                with socket.create_connection(("127.0.0.1", port)) as connection:
                    connection.sendall(reading(4))
                    return connection.recv(100).startswith(b"HTTP/1.1 200")
            except OSError:
                return False

        wait_until(sent)
        (aside,) = hortus_json("gateway", "set-aside", "list", **spool)
        assert (aside["sensorId"], aside["reason"]) == (4, "unknown-sensor")
        assert "4" in hortus("gateway", "set-aside", "list", **spool).stdout
        assert hortus("gateway", "set-aside", "retry", **spool).returncode == 2
        assert "1 wait" in hortus("gateway", "set-aside", "retry", "--sensor", "4", **spool).stdout
        assert hortus_json("gateway", "status", **spool)["waiting"] == 1
        wait_until(sent)
        assert "Dropped 1" in hortus("gateway", "set-aside", "drop", "--all", "--yes", **spool).stdout
        running.terminate()
        assert running.wait(PATIENCE_SECONDS) == 0
    finally:
        if running.poll() is None:
            running.kill()
            running.wait()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"HORTUS_GATEWAY_TARGET": "plantkeeper"}, "HORTUS_GATEWAY_TARGET_URL must say"),
        ({"HORTUS_GATEWAY_TARGET": "elsewhere"}, "HORTUS_GATEWAY_TARGET"),
        (
            {"HORTUS_GATEWAY_TARGET": "hortus", "HORTUS_GATEWAY_TARGET_URL": "https://x.example"},
            "HORTUS_GATEWAY_TARGET_TOKEN",
        ),
        (
            {"HORTUS_GATEWAY_TARGET": "plantkeeper", "HORTUS_GATEWAY_TARGET_URL": "http://x.example"},
            "not https",
        ),
        ({"HORTUS_GATEWAY_SPOOL_MEBIBYTES": "0"}, "HORTUS_GATEWAY_SPOOL_MEBIBYTES"),
        ({"HORTUS_GATEWAY_NETWORKS": "192.168.1.5/24"}, "HORTUS_GATEWAY_NETWORKS must look like"),
        ({"HORTUS_GATEWAY_KNOWN_SENSORS": "0-5"}, "HORTUS_GATEWAY_KNOWN_SENSORS must look like"),
        ({"HORTUS_GATEWAY_KNOWN_SENSORS": "5-1"}, "HORTUS_GATEWAY_KNOWN_SENSORS must look like"),
        ({"HORTUS_GATEWAY_KNOWN_SENSORS": "some"}, "HORTUS_GATEWAY_KNOWN_SENSORS must look like"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_a_sentence(
    settings: dict[str, str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InvalidGatewaySettings, match=sentence):  # noqa: PT012  (any of them may be the one)
        found = read_gateway_settings()
        found.admission_rules()
        found.target_address()
        found.target_headers()


def test_settings_say_whose_readings_are_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    monkeypatch.setenv("HORTUS_GATEWAY_TARGET_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("HORTUS_GATEWAY_KNOWN_SENSORS", "1-3, 9")
    settings = read_gateway_settings()
    rules = settings.admission_rules()
    assert settings.target_headers() == {"Authorization": "Bearer secret"}
    assert rules.known_sensors == {1, 2, 3, 9}
    assert rules.networks == LOCAL_NETWORKS
    assert rules.per_sensor == Rate(at_once=5, refill_seconds=2.0)


def refusal(call: Any, *arguments: Any) -> tuple[int, str] | None:
    try:
        call(*arguments)
    except RefusedRequest as error:
        return error.status, error.reason
    return None


def test_only_addresses_of_the_allowed_networks_are_served() -> None:
    admission = BoardAdmission(AdmissionRules(), {})
    for address in ("127.0.0.1", "192.168.1.7", "10.1.2.3", "::1", "fe80::1%eth0", "::ffff:192.168.1.7"):
        assert refusal(admission.admit_address, address) is None
    for address in ("8.8.8.8", "2001:db8::1", "::ffff:8.8.8.8"):
        assert refusal(admission.admit_address, address) == (403, "address-not-allowed")


def test_a_board_may_send_five_times_at_once_and_then_every_two_seconds() -> None:
    now = 0.0
    admission = BoardAdmission(AdmissionRules(), {}, clock=lambda: now)
    assert [refusal(admission.admit_sensor, 1) for _ in range(6)] == [None] * 5 + [(429, "sensor-too-fast")]
    assert refusal(admission.admit_sensor, 2) is None
    now = 2.0
    assert [refusal(admission.admit_sensor, 1) for _ in range(2)] == [None, (429, "sensor-too-fast")]
    now = 1000.0
    assert [refusal(admission.admit_sensor, 1) for _ in range(6)] == [None] * 5 + [(429, "sensor-too-fast")]


def test_a_pinned_board_is_set_aside_when_it_comes_from_elsewhere() -> None:
    admission = BoardAdmission(AdmissionRules(pin_addresses=True), {1: "192.168.1.7"})
    assert admission.why_set_aside(1, "192.168.1.7") is None
    assert admission.why_set_aside(2, "192.168.1.8") is None
    assert admission.why_set_aside(2, "192.168.1.8") is None
    for sensor_id, address in ((1, "192.168.1.9"), (2, "192.168.1.9")):
        verdict = admission.why_set_aside(sensor_id, address)
        assert verdict is not None
        assert verdict[0] == "other-address"
