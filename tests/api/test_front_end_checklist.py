"""The compatibility checklist (http-api 8.3), item by item, on a whole installation with a running kit.

The front-end appends next-page addresses to the base of the API unchanged, compares `content-type` for
equality, and ignores what it does not know.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from contract_scene import AGGREGATE, CONFIGURATION, FULL_USER, KIT, MEDIUM, PERIPHERAL, assert_shape
from front_end_world import Journey, journey
from websockets.sync.client import connect

from waiting import PATIENCE_SECONDS, wait_until


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    folder: Path = tmp_path_factory.mktemp("front-end")
    folder.chmod(0o755)
    with journey(folder) as installation:
        yield installation


def test_1_errors_appear_under_the_fields_of_forms(made: Journey) -> None:
    for path, body, fields in (
        ("/me/auth", {"username": "Flora", "password": "wrong"}, {"username", "password"}),
        (
            "/users",
            {"username": "", "password": "a rose is a rose", "emailAddress": "x"},
            {"username", "emailAddress"},
        ),
        (
            "/users",
            {"username": "FLORA", "password": "It all adds up.", "emailAddress": "new@example.org"},
            {"username"},
        ),
    ):
        refused = made.front_end.as_nobody().send("POST", path, body)
        assert refused.status_code == 400
        assert refused.headers["content-type"] == "application/problem+json"
        document = refused.json()
        assert document["type"] == "/probs/invalid-parameters"
        assert fields <= document["invalidParameters"].keys()


def test_2_lists_go_on_relative_to_the_base_and_other_sites_may_ask(made: Journey) -> None:
    origin = {
        "Origin": "http://front-end.example",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    for method in ("GET", "POST", "PATCH", "DELETE"):
        preflight = made.front_end.client.options(
            f"{made.front_end.base_url}{made.at}", headers={**origin, "Access-Control-Request-Method": method}
        )
        assert preflight.status_code == 200
        assert method in preflight.headers["access-control-allow-methods"].split(",")
        assert preflight.headers["access-control-allow-headers"] == "content-type,authorization"
    answer = made.front_end.send("GET", f"{made.at}/aggregate-measurements")
    assert answer.headers["access-control-expose-headers"] == "link,x-next"


def test_3_a_bad_token_does_not_break_what_is_public(made: Journey) -> None:
    made.front_end.done("PATCH", made.at, {"privacyPublicDashboard": True})
    stale = made.front_end.as_nobody()
    stale.token = "no token of ours"
    for path in ("", "/configurations", "/members", "/aggregate-measurements", "/media"):
        stale.get(made.at + path)
    stale.get("/kits")
    made.front_end.done("PATCH", made.at, {"privacyPublicDashboard": False})


def test_4_every_access_token_that_refresh_hands_out_opens_me(made: Journey) -> None:
    page = made.front_end.as_nobody()
    for _ in range(2):
        page.token = page.done("POST", "/me/refresh", {"refreshToken": made.refresh_token})
        for _ in range(2):
            assert_shape(page.get("/me"), FULL_USER)


def test_5_keys_are_all_there_and_unknown_ones_are_ignored(made: Journey) -> None:
    before = made.front_end.get(made.at)
    assert_shape(before, KIT)
    sent = {
        "name": "Roof",
        "description": None,
        "latitude": None,
        "longitude": None,
        "privacyPublicDashboard": None,
        "privacyShowOnMap": None,
        "colour": "green",
    }
    assert_shape(made.front_end.done("PATCH", made.at, sent), KIT)
    after = made.front_end.get(made.at)
    assert {**after, "lastSeen": None} == {**before, "lastSeen": None}


def test_6_changes_are_answered_with_the_whole_object(made: Journey) -> None:
    [configuration] = made.front_end.get(f"{made.at}/configurations")
    changed = made.front_end.done(
        "PATCH", f"/kit-configurations/{configuration['id']}", {"description": "Mint"}
    )
    assert_shape(changed, CONFIGURATION)
    copied = made.front_end.done("POST", f"{made.at}/configurations?source={configuration['id']}")
    try:
        [copy] = [
            each for each in made.front_end.get(f"{made.at}/configurations") if each["id"] == copied["id"]
        ]
        peripheral = copy["peripherals"][0]
        renamed = made.front_end.done(
            "PATCH", f"/peripherals/{peripheral['id']}", {**peripheral, "name": "Air"}
        )
        assert_shape(renamed, PERIPHERAL)
        assert renamed == {**peripheral, "name": "Air"}
    finally:
        made.front_end.done("DELETE", f"/kit-configurations/{copied['id']}")


def test_7_definitions_tell_what_they_measure_and_take(made: Journey) -> None:
    definitions = made.front_end.get("/peripheral-definitions?withExpectedQuantityTypes=true")
    assert all(isinstance(each["expectedQuantityTypes"], list) for each in definitions)
    by_name = {each["name"]: each for each in definitions}
    assert by_name["Virtual barometer"]["commandSchema"] is None
    assert len(by_name["Virtual barometer"]["expectedQuantityTypes"]) == 3
    assert by_name["Virtual heater"]["expectedQuantityTypes"] == []
    assert by_name["Virtual heater"]["commandSchema"]["type"] == "object"


def test_8_aggregates_of_the_kit_come_newest_first(made: Journey) -> None:
    path = f"{made.at}/aggregate-measurements?peripheral={made.kit.barometer}&quantityType=1"

    def two_or_more() -> list[dict[str, Any]]:
        page: list[dict[str, Any]] = made.front_end.get(path)
        return page if len(page) > 1 else []

    page = wait_until(two_or_more, "the kit has sent two aggregates")
    assert_shape(page, [AGGREGATE])
    starts = [each["datetimeStart"] for each in page]
    assert starts == sorted(starts, reverse=True)
    for each in page:
        assert each["values"]["minimum"] <= each["values"]["average"] <= each["values"]["maximum"]


def test_9_live_values_follow_the_subscription(made: Journey) -> None:
    made.front_end.done("PATCH", made.at, {"privacyPublicDashboard": True})
    wait_until(lambda: made.front_end.get(made.at)["lastSeen"], "the kit was heard")
    url = made.front_end.base_url.replace("http://", "ws://") + "/ws"
    with connect(url, origin="http://front-end.example") as socket:  # type: ignore[arg-type]
        # What the front-end sends first, when it comes from the page of another kit.
        stale = {"jsonrpc": "2.0", "id": 0, "method": "unsubscribe_subscribe_raw_measurements", "params": [7]}
        socket.send(json.dumps(stale))
        request = {"method": "subscribe_raw_measurements", "params": {"kit_serial": made.kit.serial}}
        socket.send(json.dumps({"jsonrpc": "2.0", "id": 1, **request}))
        messages = [json.loads(socket.recv(timeout=PATIENCE_SECONDS))]
        while messages[-1].get("id") != 1:
            messages.append(json.loads(socket.recv(timeout=PATIENCE_SECONDS)))
        subscription = messages[-1]["result"]
        assert 0 <= subscription < 2**53
        heard: set[int] = set()
        while heard != {1, 2, 3}:
            told = json.loads(socket.recv(timeout=PATIENCE_SECONDS))
            assert told["method"] == "subscribe_raw_measurements"
            assert told["params"]["subscription"] == subscription
            value = told["params"]["result"]
            assert value.keys() == {"id", "kitSerial", "datetime", "peripheral", "quantityType", "value"}
            assert (value["kitSerial"], value["peripheral"]) == (made.kit.serial, made.kit.barometer)
            assert isinstance(value["value"], float)
            heard.add(value["quantityType"])
    made.front_end.done("PATCH", made.at, {"privacyPublicDashboard": False})


def test_10_the_archive_needs_no_token_and_media_need_one(made: Journey) -> None:
    wait_until(lambda: made.front_end.get(f"{made.at}/aggregate-measurements"), "the kit has sent an aggregate")
    link = made.front_end.done("POST", f"{made.at}/archive")
    days = "from=2020-01-01T00:00:00.000%2B00:00&to=2099-01-01T00:00:00.000%2B00:00"
    archive = made.front_end.as_nobody().send("GET", f"{made.at}/archive?token={link}&{days}")
    assert (archive.status_code, archive.headers["content-type"]) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(archive.content)) as whole:
        assert whole.testzip() is None
        lines = whole.read("aggregate_measurements.csv").decode().splitlines()
        assert lines[0].startswith("datetimeStart,datetimeEnd,peripheral,kitConfiguration,quantityType")
        assert len(lines) > 1

    camera = f"{made.at}/media?configuration={made.kit.configuration}"
    media = wait_until(lambda: made.front_end.get(camera), "the camera has taken a picture")
    assert_shape(media, [MEDIUM])
    content = made.front_end.send("GET", f"/media/{media[0]['id']}/content")
    assert (content.status_code, content.headers["content-type"]) == (200, media[0]["type"])
    assert len(content.content) == media[0]["size"]
    assert made.front_end.as_nobody().send("GET", f"/media/{media[0]['id']}/content").status_code == 401
    assert made.front_end.send("DELETE", f"/media/{media[0]['id']}").status_code in {200, 204}
    assert made.front_end.send("GET", f"/media/{media[0]['id']}/content").status_code == 404


def asked(made: Journey, method: str, path: str, body: Any = None) -> httpx.Response:
    """Ask the kit. It answers once it has booted; until then the API answers with 502 or 504."""

    def answered() -> httpx.Response | None:
        response = made.front_end.send(method, f"/kit-rpc/{made.kit.serial}/{path}", body)
        assert response.status_code in {200, 502, 503, 504}, response.text
        return response if response.status_code == 200 else None

    return wait_until(answered, "the kit answers")  # type: ignore[return-value]


def test_10_answers_of_the_kit_have_exactly_the_types_that_the_front_end_shows(made: Journey) -> None:
    version = asked(made, "GET", "version")
    assert (version.headers["content-type"], type(version.json())) == ("application/json", str)
    uptime = asked(made, "GET", "uptime")
    assert (uptime.headers["content-type"], type(uptime.json())) == ("application/json", int)
    heated = asked(made, "POST", "peripheral-command", {"peripheral": "heater", "command": {"heat": 5}})
    assert (heated.headers["content-type"], heated.text) == ("text/plain", "ok")
    picture = asked(made, "POST", "peripheral-command", {"peripheral": "camera", "command": "uniform"})
    assert picture.headers["content-type"] in {"image/png", "image/jpeg", "image/gif"}
    assert picture.content


def test_11_a_private_kit_shows_its_own_page_to_whoever_is_not_logged_in(made: Journey) -> None:
    assert made.front_end.as_nobody().send("GET", made.at).status_code == 401
    assert made.front_end.get(made.at)["serial"] == made.kit.serial
