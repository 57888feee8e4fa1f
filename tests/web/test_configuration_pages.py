"""The pages of configurations: who sees and changes them, devices by their forms, copies, files, activation."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from web_helpers import MadeKit, add_readings, client_of, log_in, make_kit, make_member, make_user

from hortus.domain.accounts.store import User
from hortus.domain.kits.configurations import MOST_CONFIGURATIONS
from hortus.flow.rpc.fetched import note_fetched

DHT22 = "AstroPlant air temperature sensor"
BAROMETER = "Virtual barometer"
UNKNOWN_DEFINITION = {"name": "N", "module": "m", "class": "C"}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A private kit of ada, who may configure it, and bob, who may look; carol's kit; eve is a stranger."""

    kit: MadeKit
    other: MadeKit
    people: dict[str, User]

    @property
    def path(self) -> str:
        return f"/kits/{self.kit.serial}/configuration"


@pytest.fixture
async def world(engine) -> World:
    async with engine.begin() as connection:
        kit, other = await make_kit(connection, "Basil"), await make_kit(connection, "Lettuce")
        people = {name: await make_user(connection, name) for name in ("ada", "bob", "eve")}
        await make_member(connection, people["ada"], kit)
        await make_member(connection, people["ada"], other)
        await make_member(connection, people["bob"], kit)
        await connection.execute(
            text("UPDATE kit_memberships SET access_configure = true WHERE user_id = :id"),
            {"id": people["ada"].id},
        )
    return World(kit=kit, other=other, people=people)


@pytest.fixture
async def ada(engine, world):
    async with client_of(engine) as client:
        await log_in(client, "ada")
        yield client


@pytest.fixture
async def bob(engine, world):
    async with client_of(engine) as client:
        await log_in(client, "bob")
        yield client


async def rows(engine, statement, **parameters):
    async with engine.connect() as connection:
        return (await connection.execute(text(statement), parameters)).mappings().all()


async def configurations(engine, kit):
    return await rows(
        engine,
        "SELECT * FROM kit_configurations WHERE kit_id = :kit AND deleted_at IS NULL ORDER BY id",
        kit=kit.id,
    )


async def devices(engine, configuration_id):
    return await rows(
        engine,
        "SELECT name, configuration, id FROM peripherals WHERE kit_configuration_id = :id ORDER BY id",
        id=configuration_id,
    )


async def definition_id(engine, name):
    return (await rows(engine, "SELECT id FROM peripheral_definitions WHERE name = :name", name=name))[0]["id"]


async def created(ada, world, source="empty", name="Winter"):
    """Create a configuration and return its address."""
    answer = await ada.post(world.path, data={"name": name, "source": source})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].split("?")[0]


def shown(answer):
    """The text of a page, on one line."""
    body = re.sub(r"<(script|style).*?</\1>", " ", answer.text, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def fields_of(answer):
    """The fields of all forms of a page with their values, as a browser would post them."""
    found = {}
    for tag in re.findall(r"<input[^>]*>", answer.text):
        name = re.search(r'\bname="([^"]*)"', tag)
        if name and ("checked" in tag or not re.search(r'type="(radio|checkbox)"', tag)):
            value = re.search(r'\bvalue="([^"]*)"', tag)
            found[name[1]] = value[1] if value else ""
    for name, options in re.findall(
        r'<select[^>]*\bname="([^"]*)"[^>]*>(.*?)</select>', answer.text, re.DOTALL
    ):
        chosen = re.search(r'value="([^"]*)" selected', options) or re.search(r'value="([^"]*)"', options)
        found[name] = chosen[1] if chosen else ""
    return found


async def test_hidden_kits_answer_like_unknown_ones(engine, world):
    for suffix in ("", "/1", "/1/activate", "/1/peripherals/new", "/1/peripherals/1", "/1/file"):
        async with client_of(engine) as client:
            for logged_in in (False, True):
                if logged_in:
                    await log_in(client, "eve")
                hidden = await client.get(f"/kits/{world.kit.serial}/configuration{suffix}")
                unknown = await client.get(f"/kits/k-aaaa-aaaa-aaaa/configuration{suffix}")
                assert hidden.status_code == unknown.status_code == (404 if logged_in else 303)
                assert hidden.text.replace(world.kit.serial, "k-aaaa-aaaa-aaaa") == unknown.text


async def test_a_member_reads_and_is_told_who_can_change(engine, world, ada, bob):
    address = await created(ada, world, "astroplant")
    page = await bob.get(world.path)
    assert "Only members who can configure this kit can change them. Ask ada." in shown(page)
    assert "Create configuration" not in page.text
    page = await bob.get(address)
    assert "Activate…" not in page.text
    (first, *_) = await devices(engine, int(address.rsplit("/", 1)[1]))
    device = await bob.get(f"{address}/peripherals/{first['id']}")
    assert '<fieldset class="bare" disabled>' in device.text
    assert "Save device" not in device.text


@pytest.mark.parametrize(
    "post",
    [
        "",
        "/upload",
        "/{id}/rename",
        "/{id}/copy",
        "/{id}/change",
        "/{id}/delete",
        "/{id}/activate",
        "/{id}/restore",
        "/{id}/peripherals/new",
        "/{id}/peripherals/{device}",
        "/{id}/peripherals/{device}/delete",
    ],
)
async def test_only_configurers_change_anything_and_only_from_our_pages(engine, world, ada, bob, post):
    address = await created(ada, world, "virtual")
    identifier = int(address.rsplit("/", 1)[1])
    (device, *_) = await devices(engine, identifier)
    path = world.path + post.format(id=identifier, device=device["id"])
    sent = {"name": "X", "source": "empty", "definition": str(await definition_id(engine, BAROMETER))}
    before = await configurations(engine, world.kit), await devices(engine, identifier)
    assert (await bob.post(path, data=sent)).status_code == 403
    assert (await ada.post(path, data=sent, headers={"Sec-Fetch-Site": "cross-site"})).status_code == 403
    async with client_of(engine) as stranger:
        assert (await stranger.post(path, data=sent)).status_code == 303
    assert (await configurations(engine, world.kit), await devices(engine, identifier)) == before


async def test_a_preset_brings_devices_that_a_kit_can_run(engine, world, ada):
    for preset in ("astroplant", "virtual"):
        address = await created(ada, world, preset, preset)
        page = await ada.get(address)
        assert 'aria-labelledby="problems"' not in page.text
        assert 'aria-labelledby="warnings"' not in page.text
    names = [each["name"] for each in await devices(engine, int(address.rsplit("/", 1)[1]))]
    assert names == ["Climate", "Heater", "Camera"]


async def test_a_configuration_needs_a_name(engine, world, ada):
    for name in ("", "   ", "x" * 1001, "a\x00b"):
        answer = await ada.post(world.path, data={"name": name, "source": "empty"})
        assert answer.status_code == 422
        assert "data-takes-focus" in answer.text
    assert len(await configurations(engine, world.kit)) == 1


async def test_a_device_is_added_by_its_form_changed_and_removed(engine, world, ada):
    address = await created(ada, world)
    chooser = await ada.get(f"{address}/peripherals/new")
    assert DHT22 in chooser.text
    assert "PlantKeeper" not in chooser.text, "kits cannot run what is for boards"
    definition = await definition_id(engine, DHT22)
    form = await ada.get(f"{address}/peripherals/new?definition={definition}")
    assert "1,440 readings a day" in form.text
    sent = fields_of(form) | {"name": "Air", "settings.gpioAddress": "4"}
    answer = await ada.post(f"{address}/peripherals/new", data=sent)
    assert answer.headers["location"] == f"{address}?said=added"
    (device,) = await devices(engine, int(address.rsplit("/", 1)[1]))
    assert device["configuration"] == {
        "intervals": {"measurementInterval": 60, "aggregateInterval": 1800}, "gpioAddress": 4
    }  # fmt: skip
    page = await ada.get(address)
    assert "pin 4 · every 60 s" in shown(page)
    own = f"{address}/peripherals/{device['id']}"
    sent = fields_of(await ada.get(own)) | {"name": "Roof", "settings.gpioAddress": "5"}
    assert (await ada.post(own, data=sent)).status_code == 303
    (device,) = await devices(engine, int(address.rsplit("/", 1)[1]))
    assert (device["name"], device["configuration"]["gpioAddress"]) == ("Roof", 5)
    assert "Remove Roof?" in shown(await ada.get(f"{own}/delete"))
    assert (await ada.post(f"{own}/delete")).status_code == 303
    assert not await devices(engine, int(address.rsplit("/", 1)[1]))


async def test_faults_are_at_their_fields_and_the_form_stays_filled_in(engine, world, ada):
    address = await created(ada, world)
    definition = await definition_id(engine, DHT22)
    form = await ada.get(f"{address}/peripherals/new?definition={definition}")
    sent = fields_of(form) | {
        "name": "",
        "settings.gpioAddress": "x17",
        "settings.intervals.measurementInterval": "4",
        "settings.intervals.measurementInterval.unit": "s",
    }
    answer = await ada.post(f"{address}/peripherals/new", data=sent)
    assert answer.status_code == 422
    links = re.findall(r'<li><a href="#([^"]+)">', answer.text)
    assert links == ["name", "settings.intervals.measurementInterval", "settings.gpioAddress"]
    for link in links:
        assert f'id="{link}"' in answer.text
        assert f'id="{link}-error"' in answer.text
    assert 'value="x17"' in answer.text
    taken = fields_of(form) | {"name": "Air"}
    assert (await ada.post(f"{address}/peripherals/new", data=taken)).status_code == 303
    answer = await ada.post(f"{address}/peripherals/new", data=taken)
    assert answer.status_code == 422
    assert "Another device of this configuration has this name." in answer.text


async def test_rows_are_added_and_removed_without_saving(engine, world, ada):
    address = await created(ada, world)
    definition = await definition_id(engine, "AstroPlant fans")
    sent = fields_of(await ada.get(f"{address}/peripherals/new?definition={definition}"))
    more = await ada.post(f"{address}/peripherals/new", data=sent | {"action": "add:settings.gpioAddresses"})
    assert more.status_code == 200
    assert fields_of(more)["settings.gpioAddresses.count"] == "3"
    fewer = await ada.post(
        f"{address}/peripherals/new", data=fields_of(more) | {"action": "remove:settings.gpioAddresses.0"}
    )
    assert [fields_of(fewer).get(f"settings.gpioAddresses.{row}") for row in range(3)] == ["19", "", None]
    assert not await devices(engine, int(address.rsplit("/", 1)[1]))


async def test_what_another_person_saved_meanwhile_is_not_overwritten_unseen(engine, world, ada):
    address = await created(ada, world, "astroplant")
    (device, *_) = await devices(engine, int(address.rsplit("/", 1)[1]))
    own = f"{address}/peripherals/{device['id']}"
    mine = theirs = fields_of(await ada.get(own))
    assert (await ada.post(own, data=theirs | {"settings.gpioAddress": "5"})).status_code == 303
    answer = await ada.post(own, data=mine | {"settings.gpioAddress": "6"})
    assert answer.status_code == 422
    assert "Air: GPIO address changes from 5 to 6." in shown(answer)
    assert (await ada.post(own, data=fields_of(answer))).status_code == 303
    (device, *_) = await devices(engine, int(address.rsplit("/", 1)[1]))
    assert device["configuration"]["gpioAddress"] == 6


async def test_rules_follow_a_device_that_is_renamed(engine, world, ada):
    address = await created(ada, world, "virtual")
    identifier = int(address.rsplit("/", 1)[1])
    rules = {"fuzzyControl": {"input": {"Climate": {}}, "output": {}, "rules": []}}
    async with engine.begin() as connection:
        await connection.execute(
            text("UPDATE kit_configurations SET control_rules = CAST(:rules AS json) WHERE id = :id"),
            {"rules": json.dumps(rules), "id": identifier},
        )
    (device, *_) = await devices(engine, identifier)
    own = f"{address}/peripherals/{device['id']}"
    await ada.post(own, data=fields_of(await ada.get(own)) | {"name": "Air"})
    row = next(each for each in await configurations(engine, world.kit) if each["id"] == identifier)
    assert row["control_rules"]["fuzzyControl"]["input"] == {"Air": {}}


async def test_pins_that_are_used_twice_are_a_warning_only(engine, world, ada):
    address = await created(ada, world, "astroplant")
    definition = await definition_id(engine, DHT22)
    form = fields_of(await ada.get(f"{address}/peripherals/new?definition={definition}"))
    assert (await ada.post(f"{address}/peripherals/new", data=form | {"name": "Second"})).status_code == 303
    assert "Pin 17 is used more than once: Air, Second." in shown(await ada.get(address))
    assert (await ada.post(f"{address}/activate")).status_code == 303


async def test_a_used_configuration_is_copied_to_be_changed_in_one_step(engine, world, ada):
    (used,) = await configurations(engine, world.kit)
    address = f"{world.path}/{used['id']}"
    page = await ada.get(address)
    assert "It was active once, so it stays as it is" in shown(page)
    (device, *_) = await devices(engine, used["id"])
    for path in (f"{address}/peripherals/new", f"{address}/peripherals/{device['id']}/delete"):
        assert (await ada.get(path)).status_code == 409
    refused = await ada.post(f"{address}/peripherals/{device['id']}", data={"name": "X"})
    assert refused.status_code == 409
    answer = await ada.post(f"{address}/change")
    copy = (await configurations(engine, world.kit))[-1]
    assert answer.headers["location"] == f"{world.path}/{copy['id']}?said=copied"
    assert (copy["description"], copy["never_used"]) == ("Copy of Standard virtual sensors", True)
    assert len(await devices(engine, copy["id"])) == len(await devices(engine, used["id"]))


async def test_a_copy_goes_to_another_kit_that_one_may_configure(engine, world, ada):
    (used,) = await configurations(engine, world.kit)
    answer = await ada.post(f"{world.path}/{used['id']}/copy", data={"kit": world.other.serial})
    copy = (await configurations(engine, world.other))[-1]
    assert answer.headers["location"] == f"/kits/{world.other.serial}/configuration/{copy['id']}?said=copied"
    async with engine.begin() as connection:
        hidden = await make_kit(connection, "Hidden")
    assert (await ada.post(f"{world.path}/{used['id']}/copy", data={"kit": hidden.serial})).status_code == 404
    assert (await ada.post(f"{world.path}/{used['id']}/copy", data={"kit": "k-no"})).status_code == 404


async def test_a_rename_that_crosses_another_one_is_told(engine, world, ada):
    address = await created(ada, world)
    fields = fields_of(await ada.get(address))
    assert (await ada.post(f"{address}/rename", data=fields | {"name": "Summer"})).status_code == 303
    answer = await ada.post(f"{address}/rename", data=fields | {"name": "Autumn"})
    assert answer.status_code == 422
    assert "Somebody renamed it meanwhile to “Summer”" in shown(answer)
    assert (await ada.post(f"{address}/rename", data=fields_of(answer) | {"name": "Autumn"})).status_code == 303
    assert "Autumn" in shown(await ada.get(world.path))


async def test_a_deleted_configuration_can_be_brought_back(engine, world, ada):
    address = await created(ada, world)
    answer = await ada.post(f"{address}/delete")
    listing = await ada.get(answer.headers["location"])
    assert "can be brought back for 30 days" in shown(listing)
    assert f'action="{address}/restore"' in listing.text
    assert (await ada.get(address)).status_code == 404
    assert (await ada.post(f"{address}/restore")).headers["location"] == f"{world.path}?said=restored"
    assert (await ada.get(address)).status_code == 200
    assert (await ada.post(f"{address}/restore")).status_code == 404


async def test_a_configuration_comes_back_unchanged_from_its_file(engine, world, ada):
    address = await created(ada, world, "astroplant")
    file = await ada.get(f"{address}/file")
    assert file.headers["content-disposition"].startswith("attachment")
    answer = await ada.post(f"{world.path}/upload", files={"file": ("mine.json", file.content)})
    assert answer.status_code == 303, answer.text
    copy = answer.headers["location"].split("?")[0]
    assert (await ada.get(f"{copy}/file")).content == file.content
    page = await ada.get(f"{copy}/difference?with={address.rsplit('/', 1)[1]}")
    assert "Nothing: both do the same." in shown(page)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda d: b"{", "This file is not JSON"),
        (lambda d: b"[]", "This file is not a configuration that Hortus wrote."),
        (lambda d: json.dumps(d | {"version": 2}), "newer version of Hortus"),
        (lambda d: json.dumps(d | {"devices": None}), "The file has no list of devices"),
        (lambda d: json.dumps(d | {"devices": [1]}), "Device 1 has no name, definition or settings."),
        (lambda d: json.dumps(d | {"devices": d["devices"][:1] * 2}), "Two devices are named “Air”."),
        (lambda d: json.dumps(d | {"controlRules": []}), "controlRules: an object is expected"),
        (
            lambda d: json.dumps(d | {"devices": [d["devices"][0] | {"settings": {}}]}),
            "Air: : 'intervals' is a required property",
        ),
        (
            lambda d: json.dumps(d | {"devices": [d["devices"][0] | {"definition": UNKNOWN_DEFINITION}]}),
            "Air: this server has no definition “N”.",
        ),
        (lambda d: json.dumps(d | {"description": 3}), "The description is not a text"),
    ],
)
async def test_an_unusable_file_is_refused_with_what_is_wrong(engine, world, ada, change, sentence):
    address = await created(ada, world, "astroplant")
    document = (await ada.get(f"{address}/file")).json()
    before = await configurations(engine, world.kit)
    answer = await ada.post(f"{world.path}/upload", files={"file": ("mine.json", change(document))})
    assert answer.status_code == 422
    assert sentence in shown(answer).replace("&#39;", "'")
    assert await configurations(engine, world.kit) == before


async def test_a_file_that_is_too_large_or_missing_is_refused(engine, world, ada):
    answer = await ada.post(f"{world.path}/upload", files={"file": ("mine.json", b" " * 600_000)})
    assert answer.status_code == 413
    assert (await ada.post(f"{world.path}/upload", files={"file": ("mine.json", b"")})).status_code == 422
    assert (await ada.post(f"{world.path}/upload", content=b"no form")).status_code == 400


async def test_activating_shows_the_difference_and_then_the_chain(engine, world, ada, database_url):
    (used,) = await configurations(engine, world.kit)
    copy = (await ada.post(f"{world.path}/{used['id']}/change")).headers["location"].split("?")[0]
    (device, *_) = await devices(engine, int(copy.rsplit("/", 1)[1]))
    own = f"{copy}/peripherals/{device['id']}"
    sent = fields_of(await ada.get(own)) | {"settings.intervals.measurementInterval": "30"}
    await ada.post(own, data=sent)
    asking = await ada.get(f"{copy}/activate")
    assert "Temperature: Measurement interval changes from 60 s to 30 s." in shown(asking)
    assert (await ada.post(f"{copy}/activate")).headers["location"] == f"{copy}?said=activated"
    assert states(await ada.get(copy)) == {
        "saved": "done", "active": "done", "fetched": "ahead", "running": "ahead"
    }  # fmt: skip
    page = shown(await ada.get(copy))
    assert "The kit has not connected yet. Start it; it asks for its configuration then." in page
    identifier = int(copy.rsplit("/", 1)[1])
    async with engine.begin() as connection:
        await note_fetched(connection, {world.kit.serial: used["id"]})
    assert "Restart the kit; it asks for its configuration only then." in shown(await ada.get(copy))
    async with engine.begin() as connection:
        await note_fetched(connection, {world.kit.serial: identifier})
    assert states(await ada.get(copy)) == {
        "saved": "done", "active": "done", "fetched": "done", "running": "ahead"
    }  # fmt: skip
    await add_readings(database_url, world.kit, [(datetime.now(UTC) + timedelta(seconds=1), 21.0)])
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "UPDATE raw_measurements SET kit_configuration_id = :id, received_at = now() + interval '1 s'"
            ),
            {"id": identifier},
        )
    page = await ada.get(copy)
    assert set(states(page).values()) == {"done"}
    listing = shown(await ada.get(world.path))
    assert "Restart" not in listing


def states(page):
    return dict(re.findall(r'data-step="(\w+)" data-state="(\w+)"', page.text))


async def test_a_configuration_that_a_kit_could_not_run_is_not_activated(engine, world, ada):
    address = await created(ada, world, "virtual")
    identifier = int(address.rsplit("/", 1)[1])
    heat = {"type": "continuous", "continuous": {"minimal": 0, "maximal": 5}}
    rules = {"fuzzyControl": {"input": {}, "output": {"Gone": {"heat": heat}}, "rules": []}}
    async with engine.begin() as connection:
        await connection.execute(
            text("UPDATE kit_configurations SET control_rules = CAST(:rules AS json) WHERE id = :id"),
            {"rules": json.dumps(rules), "id": identifier},
        )
        await connection.execute(
            text(
                "UPDATE peripherals SET configuration = '{}'"
                " WHERE kit_configuration_id = :id AND name = 'Climate'"
            ),
            {"id": identifier},
        )
    asking = shown(await ada.get(f"{address}/activate"))
    assert "2 problems have to be solved first" in asking
    assert "Activate configuration" not in asking
    answer = await ada.post(f"{address}/activate")
    assert answer.status_code == 422
    assert "data-takes-focus" in answer.text
    assert [each["active"] for each in await configurations(engine, world.kit)] == [True, False]


async def test_limits_are_told_at_the_form(engine, world, ada):
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO kit_configurations"
                " (kit_id, controller_symbol_location, controller_symbol, control_rules)"
                " SELECT :kit, 'm', 'C', '{}' FROM generate_series(2, :most)"
            ),
            {"kit": world.kit.id, "most": MOST_CONFIGURATIONS},
        )
    answer = await ada.post(world.path, data={"name": "One more", "source": "empty"})
    assert answer.status_code == 422
    assert "which is the limit" in shown(answer)
    (first, *_) = await configurations(engine, world.kit)
    assert (await ada.post(f"{world.path}/{first['id']}/change")).status_code == 403
    listing = await ada.get(world.path)
    assert "Older configurations" in listing.text
    older = re.search(r"configuration\?before=\d+", listing.text)[0]
    assert (await ada.get(f"/kits/{world.kit.serial}/{older}")).status_code == 200


@pytest.mark.parametrize("number", ["0", "999999", "99999999999999999999"])
async def test_ids_that_do_not_exist_or_are_of_other_kits_are_not_found(engine, world, ada, number):
    (foreign,) = await configurations(engine, world.other)
    for identifier in (number, foreign["id"]):
        for suffix in ("", "/activate", "/file", "/difference", "/peripherals/new", "/delete"):
            assert (await ada.get(f"{world.path}/{identifier}{suffix}")).status_code == 404
        assert (await ada.post(f"{world.path}/{identifier}/restore")).status_code == 404
    (own,) = await configurations(engine, world.kit)
    (device, *_) = await devices(engine, foreign["id"])
    for identifier in (number, device["id"]):
        assert (await ada.get(f"{world.path}/{own['id']}/peripherals/{identifier}")).status_code == 404
    assert (await ada.get(f"{world.path}/{own['id']}/difference?with={foreign['id']}")).status_code == 404
