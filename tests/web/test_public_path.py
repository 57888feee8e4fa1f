"""Hortus below a path of a host, such as https://example.org/hortus: all that it writes is below that path."""

from __future__ import annotations

import ast
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path as FolderPath

import httpx
import pytest
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from test_pictures import add_picture, picture
from test_plant_page import alert, garden  # noqa: F401  (a fixture)
from web_helpers import PASSWORD, app_of, client_to, log_in

from hortus.base.errors import UsageError
from hortus.domain.accounts.api_keys import Scope, make_key
from hortus.domain.kits.invitations import create_invitation
from hortus.domain.media.objects import MediaObjects
from hortus.domain.messages.channels import add_channel
from hortus.domain.messages.sealing import Seal
from hortus.domain.plants.photos import prepare_photo, put_photo
from hortus.http.access.devices import COOKIE as DEVICE_COOKIE
from hortus.http.access.sessions import COOKIE as SESSION_COOKIE
from hortus.http.pages.requests import local_path

BELOW = "/hortus"
TOKEN_KEY = b"a key of the tests that signs tokens"
PAGES = FolderPath(str(resources.files("hortus.http.pages")))
WRITERS_OF_LOCATIONS = {"requests.py"}


class Addresses(HTMLParser):
    """Collects the values of attributes that are addresses of this host."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(content)

    def handle_starttag(self, tag, attrs):
        # A field keeps a page as our own pages are addressed; what redirects there puts the path in front.
        self.found += [value for name, value in attrs if name != "value" and value and value.startswith("/")]


def name_of(file):
    return str(file.relative_to(PAGES))


def source_files(folder, suffix):
    return sorted(
        (
            file
            for file in folder.rglob(f"*{suffix}")
            if "vendor" not in file.parts and "__pycache__" not in file.parts
        ),
        key=lambda file: file.relative_to(PAGES),
    )


@pytest.mark.parametrize("template", source_files(PAGES / "templates", ".html"), ids=name_of)
def test_a_template_writes_every_address_with_url(template):
    written = re.sub(r"{{.*?}}|{%.*?%}|{#.*?#}", "…", template.read_text("utf-8"), flags=re.DOTALL)
    bare = re.findall(r"""[\w-]+=\s*["']?(?:[^"'<>]*[\s,;=])?/(?![>/\s])[^"'\s>]*""", written)
    assert bare == [], f"write {{{{ url('/…') }}}} instead of {bare}"


@pytest.mark.parametrize(
    "file",
    [*source_files(PAGES / "static", ".js"), *source_files(PAGES / "static", ".css")],
    ids=name_of,
)
def test_a_script_or_style_sheet_names_no_address_of_its_own(file):
    bare = re.findall(r"""(?:["'`]|url\()/\w[^"'`)]*""", file.read_text("utf-8"))
    assert bare == [], f"take {bare} from an attribute that the template writes with url()"


@pytest.mark.parametrize("module", source_files(PAGES, ".py"), ids=name_of)
def test_a_page_redirects_only_with_redirect(module):
    if module.name in WRITERS_OF_LOCATIONS:
        return
    tree = ast.parse(module.read_text("utf-8"))
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    texts = {str(node.value).lower() for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert "RedirectResponse" not in names, "use redirect() of hortus.http.pages.requests"
    assert texts.isdisjoint({"location", "hx-location", "hx-redirect", "hx-push-url", "hx-replace-url"})


@pytest.fixture
async def world(engine, garden, tmp_path):  # noqa: F811
    """An application below a path whose pages all have something to show, and values for their parameters."""
    objects = MediaObjects.in_folder(tmp_path)
    plant_id, kit = garden.plants["public"], garden.kits["public"]
    async with engine.begin() as connection:
        await put_photo(connection, plant_id, await prepare_photo(picture()))
    async with engine.begin() as connection:
        message = await connection.scalar(
            text(
                "INSERT INTO quarantine (received_at, kit_id, stream, reason, detail, topic, payload,"
                " payload_bytes) VALUES (now(), :kit, 'raw', 'undecodable', '', '', 'x', 1)"
                " RETURNING id"
            ),
            {"kit": kit.id},
        )
    values = {
        "message_id": message,
        "command_id": 1,
        "serial": kit.serial,
        "plant_id": plant_id,
        "alert_id": await alert(engine, plant_id, kit),
        "species_id": 1,
        "username": "root",
        "quantity_id": 1,
        "definition_id": 1,
        "message_number": 1,
        "gateway": "local",
        "sensor": 1,
        "sensor_id": 1,
        "configuration_id": 1,
        "peripheral_id": kit.peripherals[0].id,
        "medium_id": (await add_picture(engine, objects, kit, age=timedelta(minutes=1)))[0],
    }
    async with engine.begin() as connection:
        values |= await people_of(connection, kit)
    app = app_of(engine, media_objects=objects, token_key=TOKEN_KEY, public_path=BELOW)
    return app, values


async def people_of(connection, kit):
    """Give flora full access to the kit, and things in her account."""
    flora = await connection.scalar(text("SELECT id FROM users WHERE username = 'flora'"))
    now = datetime.now(UTC)
    membership = await connection.scalar(_FULL_ACCESS, {"user": flora, "kit": kit.id})
    _, token = await create_invitation(
        connection, kit.id, flora, access_super=False, access_configure=False, now=now
    )
    key, _ = await make_key(
        connection, flora, name="Key", scopes=[Scope.READ], expires_at=now + timedelta(days=1), now=now
    )
    service = await add_channel(
        connection, flora, name="Telephone", scheme="ntfys", sealed_url=Seal(TOKEN_KEY).close("ntfys://x")
    )
    return {
        "membership_id": membership,
        "token": token,
        "key_id": key.id,
        "service_id": service,
        "kind": "ntfys",
        "name": "data.css",
        "code": "never-was-one",
    }


_FULL_ACCESS = text(
    "INSERT INTO kit_memberships (user_id, kit_id, datetime_linked, access_super, access_configure) "
    "VALUES (:user, :kit, now(), true, true) ON CONFLICT (user_id, kit_id) DO UPDATE "
    "SET access_super = true RETURNING id"
)


def pages_of(app, values):
    """Return the path of each page that can be read, with these values. A new parameter needs a value above."""
    return [
        re.sub(r":\w+}", "}", route.path).format(**values)
        for route in app.routes
        if isinstance(route, Route) and "GET" in route.methods
    ]


def require_below(address):
    assert address == BELOW or address.startswith(f"{BELOW}/"), address


@pytest.mark.parametrize("who", [None, "ada", "flora", "root"])
@pytest.mark.parametrize("sent", [BELOW, ""], ids=["path kept", "path stripped"])
async def test_every_address_in_every_answer_is_below_the_path(world, who, sent):
    app, values = world
    found_on: dict[str, str] = {}
    async with client_to(app) as client:
        if who:
            await log_in(client, who)
            assert client.cookies, "logged in"
        for page in [*pages_of(app, values), "/nowhere", "/?page=1"]:
            answer = await client.get(sent + page, headers={"Cookie": cookies_of(client)})
            assert answer.status_code in {200, 204, 286, 303, 400, 403, 404, 410}, page
            if "location" in answer.headers:
                require_below(answer.headers["location"])
            if "html" in answer.headers.get("content-type", ""):
                for address in Addresses(answer.text).found:
                    require_below(address)
                    found_on.setdefault(address, page)
        assert f"{BELOW}/" in found_on
        for address, page in found_on.items():
            if address.endswith(_NOT_FOLLOWED):
                continue
            asked = address if sent else address.removeprefix(BELOW)
            answer = await client.get(asked, headers={"Cookie": cookies_of(client)})
            assert answer.status_code in {200, 204, 286, 303, 405}, (page, address)


# Logging out would change what is seen; the others are completed by scripts or a form, or served by the API.
_NOT_FOLLOWED = (
    "/logout",
    "/set-aside/try-again",
    "/points.json",
    "/events.json",
    "/api/ws",
    "/pictures/delete",
    "/data-check/discard",
)


def cookies_of(client):
    """All cookies, whatever path they are for: those of a browser that asks the proxy for the whole path."""
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in client.cookies.jar)


async def test_logging_in_and_out_stays_below_the_path(world):
    app, values = world
    plant = f"/plants/{values['plant_id']}"
    async with client_to(app) as client:
        shown = await client.get(f"{BELOW}/login", params={"next": plant})
        assert f'name="next" value="{plant}"' in shown.text
        done = await client.post(
            f"{BELOW}/login", data={"username": "flora", "password": PASSWORD, "next": plant}
        )
        assert (done.status_code, done.headers["location"]) == (303, BELOW + plant)
        assert {(cookie.name, cookie.path) for cookie in client.cookies.jar} == {
            (f"{SESSION_COOKIE}.hortus", BELOW),
            (f"{DEVICE_COOKIE}.hortus", BELOW),
        }
        alert_id = values["alert_id"]
        seen = await client.post(f"{BELOW}/alerts/{alert_id}/seen", data={"from": plant})
        back = f"{BELOW}{plant}?alerts={alert_id}&said=seen"
        assert (seen.status_code, seen.headers["location"]) == (303, back)
        gone = await client.post(f"{BELOW}/logout")
        assert (gone.status_code, gone.headers["location"]) == (303, f"{BELOW}/")
        assert {cookie.name for cookie in client.cookies.jar} == {f"{DEVICE_COOKIE}.hortus"}


async def test_another_hortus_on_the_same_host_does_not_disturb_who_is_logged_in(engine, garden):  # noqa: F811
    elsewhere = app_of(engine, secret_key="of another installation")
    async with client_to(elsewhere) as root:
        await log_in(root, "ada")
        async with client_to(app_of(engine, public_path=BELOW)) as client:
            client.cookies.update(root.cookies)
            await client.post(f"{BELOW}/login", data={"username": "flora", "password": PASSWORD})
            assert "Log out" in (await client.get(f"{BELOW}/")).text


async def test_the_path_without_a_slash_leads_to_the_first_page(engine):
    async with client_to(app_of(engine, public_path=BELOW)) as client:
        answer = await client.get(BELOW, follow_redirects=True)
        assert (answer.status_code, answer.url.path) == (200, f"{BELOW}/")


async def test_a_path_that_only_begins_alike_is_not_ours(engine):
    async with client_to(app_of(engine, public_path=BELOW)) as client:
        assert (await client.get(f"{BELOW}-of-others/login")).status_code == 404


async def test_without_a_path_nothing_is_taken_for_one(engine):
    async with client_to(app_of(engine)) as client:
        assert (await client.get(f"{BELOW}/login")).status_code == 404


@pytest.mark.parametrize("path", ["/api", "/static", "/plants/garden", "/login"])
async def test_a_path_that_is_an_address_of_ours_is_refused(engine, path):
    with pytest.raises(
        UsageError, match=f"HORTUS_PUBLIC_URL: .* /{path.split('/')[1]}, .*another path than .*/api"
    ):
        app_of(engine, public_path=path, api=Starlette(routes=[]))


@pytest.mark.parametrize("path", ["/../mail/", "/plants/..", "/%2e%2E/x", "/.%2e?x", "/./x", "/plants/3/..#x"])
def test_the_page_after_the_log_in_does_not_lead_out_of_the_path(path):
    assert local_path(path) == "/"


@pytest.mark.parametrize("path", ["/plants/3", "/?page=2", "/kits/.well-known/a..b"])
def test_the_page_after_the_log_in_may_have_dots_elsewhere(path):
    assert local_path(path) == path


@pytest.mark.parametrize("sent", [BELOW, ""], ids=["path kept", "path stripped"])
async def test_errors_below_the_api_are_problem_documents(engine, sent):
    async with client_to(app_of(engine, public_path=BELOW)) as client:
        answer = await client.get(f"{sent}/api/nowhere")
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


async def test_a_mounted_application_is_told_the_whole_path_that_leads_to_it(engine):
    async def where(request):
        return JSONResponse([request.scope["root_path"], request.url.path])

    api = Starlette(routes=[Route("/where", where)])
    async with client_to(app_of(engine, public_path=BELOW, api=api)) as client:
        for sent in (BELOW, ""):
            answer: httpx.Response = await client.get(f"{sent}/api/where")
            assert answer.json() == [f"{BELOW}/api", f"{BELOW}/api/where"]
