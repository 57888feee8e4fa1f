"""The settings of a kit: who may change what, and that nobody overwrites what they have not seen."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import text
from web_helpers import client_of, log_in, make_kit, make_member, make_user

_STAMP = re.compile(r'name="stamp" value="([^"]*)"')


@pytest.fixture
async def world(engine):
    """A private kit with an owner, a configurer and a plain member; eve is none of them."""
    async with engine.begin() as connection:
        kit = await make_kit(connection, "Basil")
        for name in ("owner", "config", "plain", "eve"):
            user = await make_user(connection, name)
            if name != "eve":
                await make_member(connection, user, kit)
            await connection.execute(
                text(
                    "UPDATE kit_memberships SET access_super = :full, access_configure = :configure "
                    "WHERE user_id = :user"
                ),
                {"full": name == "owner", "configure": name in {"owner", "config"}, "user": user.id},
            )
    return kit


async def person(engine, name):
    client = client_of(engine)
    await log_in(client, name)
    return client


def path(kit, suffix=""):
    return f"/kits/{kit.serial}/settings{suffix}"


async def form_of(client, kit, **changes):
    page = (await client.get(path(kit))).text
    stamp = _STAMP.findall(page)
    return {"stamp": stamp[0] if stamp else "", "name": "Basil", **changes}


async def stored(engine, kit, column):
    async with engine.connect() as connection:
        return await connection.scalar(text(f"SELECT {column} FROM kits WHERE id = {kit.id}"))


async def test_hidden_and_unknown_kits_are_answered_alike(engine, world):
    eve = await person(engine, "eve")
    hidden, unknown = await eve.get(path(world)), await eve.get("/kits/k-nobody/settings")
    assert (hidden.status_code, unknown.status_code) == (404, 404)
    assert hidden.text.replace(world.serial, "") == unknown.text.replace("k-nobody", "")


@pytest.mark.parametrize(
    ("name", "edits", "deletes"), [("owner", True, True), ("config", True, False), ("plain", False, False)]
)
async def test_everyone_sees_what_they_may_do_and_reads_who_can_do_the_rest(
    engine, world, name, edits, deletes
):
    client = await person(engine, name)
    page = (await client.get(path(world))).text
    assert ("Save settings" in page, "Delete kit" in page) == (edits, deletes)
    assert ("Only members with full access can delete this kit." in page) is not deletes
    assert ("Ask <bdi>owner</bdi>." in page) is not edits
    assert (await client.post(path(world), data=await form_of(client, world))).status_code == (
        303 if edits else 403
    )
    refused = await client.post(path(world, "/delete"), data={"typed_name": "not this"})
    assert refused.status_code == (422 if deletes else 403)


async def test_details_are_saved_and_the_page_says_so(engine, world):
    client = await person(engine, "config")
    changes = {"name": "Basil, moved", "description": "South.\r\nWarm.", "time_zone": "Europe/Oslo"}
    saved = await client.post(path(world), data=await form_of(client, world, **changes))
    assert saved.headers["location"] == path(world) + "?said=saved"
    assert "The settings are saved." in (await client.get(saved.headers["location"])).text
    assert await stored(engine, world, "name") == "Basil, moved"
    assert await stored(engine, world, "description") == "South.\nWarm."
    assert await stored(engine, world, "time_zone") == "Europe/Oslo"


async def test_what_somebody_else_changed_meanwhile_is_shown_and_not_overwritten(engine, world):
    owner, config = await person(engine, "owner"), await person(engine, "config")
    mine = await form_of(owner, world, name="Mine")
    theirs = await form_of(config, world, name="Theirs")
    assert (await config.post(path(world), data=theirs)).status_code == 303
    refused = await owner.post(path(world), data=mine)
    assert refused.status_code == 422
    assert "<bdi>config</bdi> changed this" in refused.text
    assert "Name: <bdi>Theirs</bdi>" in refused.text
    assert 'value="Mine"' in refused.text
    assert await stored(engine, world, "name") == "Theirs"
    again = {**mine, "stamp": _STAMP.findall(refused.text)[0]}
    assert (await owner.post(path(world), data=again)).status_code == 303
    assert await stored(engine, world, "name") == "Mine"


async def test_a_change_that_the_form_has_too_is_no_conflict(engine, world):
    owner, config = await person(engine, "owner"), await person(engine, "config")
    same = await form_of(owner, world, name="Same")
    await config.post(path(world), data=await form_of(config, world, name="Same"))
    assert (await owner.post(path(world), data=same)).status_code == 303


async def test_a_kit_is_deleted_only_by_its_name(engine, world):
    owner = await person(engine, "owner")
    refused = await owner.post(path(world, "/delete"), data={"typed_name": "basil"})
    assert refused.status_code == 422
    assert "Name: type it exactly as it is shown." in refused.text
    assert await stored(engine, world, "name") == "Basil"
    deleted = await owner.post(path(world, "/delete"), data={"typed_name": "Basil"})
    assert deleted.headers["location"] == "/?said=deleted"
    assert await stored(engine, world, "name") is None
    assert "The kit is deleted, with all that it sent." in (await owner.get("/?said=deleted")).text


async def test_members_leave_but_not_the_last_one_with_full_access(engine, world):
    plain, owner = await person(engine, "plain"), await person(engine, "owner")
    left = await plain.post(path(world, "/leave"))
    assert left.headers["location"] == "/?said=left"
    assert (await plain.get(path(world))).status_code == 404
    assert "You are the only member with full access." in (await owner.get(path(world))).text
    assert (await owner.post(path(world, "/leave"))).status_code == 409
    assert (await owner.get(path(world))).status_code == 200


@pytest.mark.parametrize("suffix", ["", "/leave", "/delete"])
async def test_forms_of_other_sites_change_nothing(engine, world, suffix):
    owner = await person(engine, "owner")
    answer = await owner.post(
        path(world, suffix), data={"typed_name": "Basil"}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert answer.status_code == 403
    assert await stored(engine, world, "name") == "Basil"
