"""The page of commands: who sees and sends, confirming, once only, the states of the ledger, and results."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from sqlalchemy import text
from test_configuration_pages import fields_of, shown
from web_helpers import MadeKit, client_of, log_in, make_kit, make_member, make_user

from hortus.domain.kits.configurations import change_configuration
from hortus.domain.kits.presets import PRESETS_BY_KEY, create_from_preset
from hortus.flow.commands.store import MOST_WAITING, can_send
from hortus.flow.rpc.fetched import note_fetched

PNG = bytes.fromhex("89504e470d0a1a0a")


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A kit with heater and camera, of olga (full access), carl (may configure) and bob (may look)."""

    kit: MadeKit
    configuration: int

    @property
    def path(self) -> str:
        return f"/kits/{self.kit.serial}/commands"


@pytest.fixture
async def world(engine) -> World:
    async with engine.begin() as connection:
        kit = await make_kit(connection, "Basil")
        for name, full, configure in (("olga", True, True), ("carl", False, True), ("bob", False, False)):
            user = await make_user(connection, name)
            await make_member(connection, user, kit)
            await connection.execute(
                text(
                    "UPDATE kit_memberships SET access_super = :full, access_configure = :configure"
                    " WHERE user_id = :id"
                ),
                {"full": full, "configure": configure, "id": user.id},
            )
        row = await create_from_preset(connection, kit.id, PRESETS_BY_KEY["virtual"], "Virtual")
        await change_configuration(connection, row, {"active": True})
        await note_fetched(connection, {kit.serial: row["id"]})
        await can_send(connection)
    return World(kit=kit, configuration=row["id"])


@pytest.fixture
async def olga(engine, world):
    async with client_of(engine) as client:
        await log_in(client, "olga")
        yield client


async def commands(engine, world):
    async with engine.connect() as connection:
        statement = text("SELECT * FROM kit_commands WHERE kit_id = :id ORDER BY id")
        return (await connection.execute(statement, {"id": world.kit.id})).mappings().all()


async def change(engine, assignments, **parameters):
    async with engine.begin() as connection:
        await connection.execute(text(f"UPDATE kit_commands SET {assignments}"), parameters)


async def device_page(client, world, name):
    page = await client.get(world.path)
    link = re.search(rf'href="([^"]*)"[^>]*><bdi>{name}</bdi></a>', page.text)
    return await client.get(link[1])


async def heated(client, world, value="3", **more):
    """Send the heater a command, and return the answer."""
    sent = fields_of(await device_page(client, world, "Heater")) | {"command.heat": value, **more}
    sent.pop("action", None)
    return await client.post(world.path, data=sent)


async def test_only_people_with_full_access_send_and_others_are_told_whom_to_ask(engine, world, olga):
    async with client_of(engine) as client:
        assert (await client.get(world.path)).status_code == 303
        await log_in(client, "bob")
        assert (await client.get(world.path)).status_code == 403
        assert "Commands" not in shown(await client.get(f"/kits/{world.kit.serial}/configuration"))
    async with client_of(engine) as client:
        await log_in(client, "carl")
        page = await client.get(world.path)
        assert "Only members with full access can send commands. Ask olga." in shown(page)
        assert "Send to kit" not in page.text
        sent = {"device": "Heater", "command.heat": "3", "confirmed": "yes"}
        assert (await client.post(world.path, data=sent)).status_code == 403
        assert (await client.post(world.path, data={"action": "version"})).status_code == 403
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert (await olga.post(world.path, data=sent, headers=foreign)).status_code == 403
    assert not await commands(engine, world)


async def test_what_acts_on_plants_is_asked_about_first(engine, world, olga):
    asking = await heated(olga, world)
    assert asking.status_code == 200
    assert "Heater at Basil: Heater intensity 3 (0–10)?" in shown(asking)
    assert "The kit does it at once. Its rules may change it again." in shown(asking)
    assert not await commands(engine, world)
    answer = await olga.post(world.path, data=fields_of(asking))
    assert answer.status_code == 303
    (command,) = await commands(engine, world)
    assert (command["peripheral"], command["command_json"]) == ("Heater", '{"heat":3}')
    page = await olga.get(answer.headers["location"])
    assert "Heater: Heater intensity 3 Waiting for its turn" in shown(page)


async def test_a_form_that_is_posted_twice_sends_once(engine, world, olga):
    asked = fields_of(await heated(olga, world))
    first, second = [await olga.post(world.path, data=asked) for _ in range(2)]
    assert first.status_code == second.status_code == 303
    assert len(await commands(engine, world)) == 1


async def test_a_picture_and_a_question_need_no_confirmation(engine, world, olga):
    form = fields_of(await device_page(olga, world, "Camera"))
    form.pop("action", None)
    assert (await olga.post(world.path, data=form)).status_code == 303
    asked = fields_of(await olga.get(world.path)) | {"action": "uptime"}
    assert (await olga.post(world.path, data={"action": "uptime", "key": asked["key"]})).status_code == 303
    assert [each["method"] for each in await commands(engine, world)] == ["peripheralCommand", "uptime"]


@pytest.mark.parametrize(
    ("value", "field", "sentence"),
    [
        ("11", "command.heat", "Enter a number from 0 to 10."),
        ("-1", "command.heat", "Enter a number from 0 to 10."),
        ("", "command", "Enter at least one value."),
    ],
)
async def test_a_command_out_of_bounds_is_refused_at_its_field(engine, world, olga, value, field, sentence):
    answer = await heated(olga, world, value)
    assert answer.status_code == 422
    assert f'<li><a href="#{field}">{sentence}</a></li>' in answer.text
    assert f'id="{field}"' in answer.text
    assert not await commands(engine, world)


async def test_a_device_that_the_kit_does_not_run_takes_no_command(engine, world, olga):
    answer = await olga.post(world.path, data={"device": "Fan", "confirmed": "yes"})
    assert answer.status_code == 422
    assert "The kit does not run this device." in shown(answer)


async def test_a_kit_that_is_offline_is_told_of_before_the_tap(engine, world, olga):
    assert "The kit has not connected yet." in shown(await olga.get(world.path))
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO kit_presence (kit_id, last_contact_at, is_connected, connection_changed_at)"
                " VALUES (:id, now() - interval '3 h', false, now() - interval '2 h')"
            ),
            {"id": world.kit.id},
        )
    page = shown(await olga.get(world.path))
    assert "The kit is offline; it was last heard 3 h ago." in page
    assert "Send to kit" in page
    assert "last heard 3 h ago" in shown(await heated(olga, world))


async def test_when_nobody_reaches_kits_it_is_said_with_the_form_still_filled_in(engine, world, olga):
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM kit_command_sending"))
    assert "No process of this server can reach kits" in shown(await olga.get(world.path))
    answer = await olga.post(world.path, data=fields_of(await heated(olga, world)))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "No process of this server can reach kits" in shown(answer)
    assert 'value="3"' in answer.text
    assert not await commands(engine, world)


async def test_a_full_queue_is_said(engine, world, olga):
    for number in range(MOST_WAITING):
        answer = await olga.post(world.path, data={"action": "version", "key": f"a-key-of-this-form-{number}"})
        assert answer.status_code == 303
    answer = await olga.post(world.path, data={"action": "version", "key": "the-last-key-of-this-form"})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "10")
    assert "10 commands wait for this kit already." in shown(answer)
    page = shown(await olga.get(world.path))
    assert "Waiting for its turn (9 before it)" in page


async def test_a_command_is_taken_back_only_while_it_waits(engine, world, olga):
    await olga.post(world.path, data={"action": "version", "key": "a-key-of-this-form"})
    (command,) = await commands(engine, world)
    page = await olga.get(world.path)
    assert f"/commands/{command['id']}/take-back" in page.text
    async with client_of(engine) as client:
        await log_in(client, "carl")
        assert (await client.post(f"{world.path}/{command['id']}/take-back")).status_code == 403
    answer = await olga.post(f"{world.path}/{command['id']}/take-back")
    assert answer.headers["location"] == f"{world.path}?said=taken-back"
    page = await olga.get(world.path)
    assert "Taken back" in shown(page)
    assert "take-back" not in page.text
    answer = await olga.post(f"{world.path}/{command['id']}/take-back")
    assert answer.headers["location"] == f"{world.path}?said=too-late"


ANSWERED = "state = 'succeeded', finished_at = now()"
STATES = [
    ("state = 'sent', sent_at = now(), answer_by = now() + interval '30 s'", "Sent", "the kit has 30 s"),
    (
        f"{ANSWERED}, result_media_type = 'text/plain', result_bytes = 2, result_text = 'ok'",
        "Done",
        "",
    ),
    (
        "state = 'failed', error = 'TimedOut', finished_at = now()",
        "The kit did not answer",
        "It may still have acted.",
    ),
    (
        "state = 'failed', error = 'TimedOut', finished_at = now(), late_answer_at = now()",
        "The kit did not answer",
        "It answered later, at",
    ),
    ("state = 'failed', error = 'KitOffline', finished_at = now()", "Kit offline, not sent", ""),
    ("state = 'failed', error = 'NotSent', finished_at = now()", "Not sent", "The kit was busy"),
    (
        "state = 'failed', error = 'CommandFailed', explanation = 'no such pin', finished_at = now()",
        "Failed",
        "The kit reports: no such pin",
    ),
    ("state = 'waiting', give_up_at = now() - interval '1 s'", "Not sent", ""),
    (
        "state = 'sent', sent_at = now() - interval '1 min', answer_by = now() - interval '1 s'",
        "The kit did not answer",
        "",
    ),
]


@pytest.mark.parametrize(("assignments", "word", "sentence"), STATES)
async def test_each_state_has_its_words_and_only_what_is_confirmed_is_done(
    engine, world, olga, assignments, word, sentence
):
    await olga.post(world.path, data={"action": "version", "key": "a-key-of-this-form"})
    await change(engine, assignments)
    for path in (world.path, f"{world.path}/ledger?viewer=olga"):
        page = shown(await olga.get(path))
        if "ledger" in path and not page:
            continue
        assert word in page
        assert sentence in page
        assert ("Done" in page) == (word == "Done")
    assert "take-back" not in (await olga.get(world.path)).text


async def test_the_send_button_is_off_with_the_reason_while_a_command_is_under_way(engine, world, olga):
    await olga.post(world.path, data=fields_of(await heated(olga, world)))
    page = await device_page(olga, world, "Heater")
    assert re.search(r"data-sends-to-kit[^>]* disabled", page.text)
    assert "A command to Heater is under way." in shown(page)
    page = await device_page(olga, world, "Camera")
    assert not re.search(r"data-sends-to-kit[^>]* disabled", page.text)


async def test_results_are_shown_as_picture_text_or_file_and_nothing_in_them_runs(engine, world, olga):
    form = fields_of(await device_page(olga, world, "Camera"))
    form.pop("action", None)
    await olga.post(world.path, data=form)
    (command,) = await commands(engine, world)
    succeeded = "state = 'succeeded', finished_at = now(), result_bytes = 8, result_media_type = "
    await change(engine, succeeded + "'image/png'")
    page = await olga.get(world.path)
    assert "The result is no longer kept." in shown(page)
    async with engine.begin() as connection:
        await connection.execute(
            text("INSERT INTO kit_command_results VALUES (:id, 0, :data)"), {"id": command["id"], "data": PNG}
        )
    page = await olga.get(world.path)
    address = f"{world.path}/{command['id']}/result"
    assert f'<img src="{address}"' in page.text
    picture = await olga.get(address)
    assert (picture.content, picture.headers["content-type"]) == (PNG, "image/png")
    await change(engine, succeeded + "'text/html'")
    page = await olga.get(world.path)
    assert f'href="{address}" download' in page.text
    file = await olga.get(address)
    assert file.headers["content-disposition"] == "attachment"
    assert "sandbox" in file.headers["content-security-policy"]
    async with client_of(engine) as client:
        await log_in(client, "carl")
        assert (await client.get(address)).status_code == 403
        assert address not in (await client.get(world.path)).text
    assert (await olga.get(f"{world.path}/99999999999999999999/result")).status_code == 404


async def test_answers_to_questions_are_words(engine, world, olga):
    await olga.post(world.path, data={"action": "uptime", "key": "a-key-of-this-form"})
    await change(
        engine,
        "state = 'succeeded', finished_at = now(), result_media_type = 'application/json',"
        " result_bytes = 5, result_text = '86461'",
    )
    page = shown(await olga.get(world.path))
    assert "Time since it started Done" in page
    assert "24 h 1 min" in page


async def test_the_ledger_has_pages_and_its_fragment_notices_another_viewer(engine, world, olga):
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO kit_commands (kit_id, method, requested_at, give_up_at, state, finished_at)"
                " SELECT :id, 'version', now(), now(), 'cancelled', now() FROM generate_series(1, 30)"
            ),
            {"id": world.kit.id},
        )
    page = await olga.get(world.path)
    assert page.text.count('<li id="command-') == 25
    older = re.search(r'id="older" href="([^"]*)"', page.text)[1]
    assert (await olga.get(older)).text.count('<li id="command-') == 5
    assert (await olga.get(f"{world.path}/ledger?viewer=carl")).headers["hx-refresh"] == "true"
    address = re.search(r'hx-get="([^"]*/ledger[^"]*)"', page.text)[1].replace("&amp;", "&")
    fragment = await olga.get(address)
    assert fragment.text.count('<li id="command-') == 25
    assert "<html" not in fragment.text
