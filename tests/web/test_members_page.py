"""The members of a kit on its page: who sees what, levels, removal, invitations by link."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import text
from web_helpers import app_of, client_of, client_to, log_in, make_kit, make_user

_JOIN = text(
    "INSERT INTO kit_memberships (user_id, kit_id, datetime_linked, access_super, access_configure) "
    "VALUES (:user, :kit, now(), :full, :configure) RETURNING id"
)


class World:
    def __init__(self, app, kit, ids):
        self.app, self.kit, self.ids = app, kit, ids
        self.path = f"/kits/{kit.serial}/members"

    def member(self, name: str, action: str) -> str:
        return f"{self.path}/{self.ids[name]}/{action}"


@pytest.fixture
async def world(engine):
    """A public kit: ada has full access, bob may configure, cleo views; eve is no member."""
    async with engine.begin() as connection:
        kit = await make_kit(connection, "Basil", public=True)
        ids = {}
        for name, full, configure in (
            ("ada", True, True),
            ("bob", False, True),
            ("cleo", False, False),
            ("eve", False, False),
        ):
            user = await make_user(connection, name)
            if name != "eve":
                values = {"user": user.id, "kit": kit.id, "full": full, "configure": configure}
                ids[name] = await connection.scalar(_JOIN, values)
    return World(app_of(engine), kit, ids)


async def levels(engine) -> dict[str, str]:
    async with engine.connect() as connection:
        rows = await connection.execute(
            text(
                "SELECT u.username, CASE WHEN access_super THEN 'full' WHEN access_configure THEN 'configure' "
                "ELSE 'view' END FROM kit_memberships m JOIN users u ON u.id = m.user_id"
            )
        )
        return dict(tuple(row) for row in rows)


async def test_members_see_names_and_only_full_access_has_the_controls(world):
    async with client_to(world.app) as client:
        assert (await client.get(world.path)).headers["location"].startswith("/login?next=")
        await log_in(client, "eve")
        assert (await client.get(world.path)).status_code == 403
        assert "/members" not in (await client.get(f"/kits/{world.kit.serial}/charts")).text
    async with client_to(world.app) as client:
        await log_in(client, "bob")
        page = (await client.get(world.path)).text
        assert ("Cleo" in page or "cleo" in page, "Add a person" in page) == (True, False)
        assert "Only members with full access can change who sees this kit. Ask <bdi>ada</bdi>." in page
        assert "Leave this kit" in page
        for path, form in (
            (world.path, {"username": "eve", "level": "view"}),
            (world.member("cleo", "level"), {"level": "configure"}),
            (world.member("cleo", "remove"), {}),
            (f"{world.path}/invite", {"level": "view", "uses": "1"}),
        ):
            assert (await client.post(path, data=form)).status_code == 403
        assert (await client.get(f"{world.path}/suggestions?username=e")).status_code == 403


async def test_pages_of_both_groups_of_tabs_show_the_tabs(world):
    async with client_to(world.app) as client:
        await log_in(client, "ada")
        for page in ("charts", "members"):
            answer = await client.get(f"/kits/{world.kit.serial}/{page}")
            assert (answer.status_code, f'href="{world.path}"' in answer.text) == (200, True)


async def test_a_person_is_added_by_name_with_suggestions(engine, world):
    async with client_to(world.app) as client:
        await log_in(client, "ada")
        offered = (await client.get(f"{world.path}/suggestions?username=EV")).text
        assert offered == '<option value="eve">eve</option>'
        nobody = await client.post(world.path, data={"username": "zoe", "level": "view"})
        assert (nobody.status_code, 'href="#username"' in nobody.text) == (422, True)
        added = await client.post(world.path, data={"username": "Eve", "level": "configure"})
        assert added.headers["location"] == f"{world.path}?said=added"
    assert (await levels(engine))["eve"] == "configure"


async def test_a_level_is_raised_and_lowered(engine, world):
    async with client_to(world.app) as client:
        await log_in(client, "ada")
        for level in ("full", "view"):
            changed = await client.post(world.member("bob", "level"), data={"level": level})
            assert changed.headers["location"] == f"{world.path}?said=changed"
            assert (await levels(engine))["bob"] == level
        assert (await client.post(world.member("bob", "level"), data={"level": "all"})).status_code == 422


async def test_the_last_one_with_full_access_cannot_be_lowered_and_the_page_says_why(engine, world):
    async with client_to(world.app) as client:
        await log_in(client, "ada")
        page = (await client.get(world.path)).text
        assert "You are the only member with full access" in page
        assert world.member("ada", "level") not in page
        for action, form in (("level", {"level": "view"}), ("remove", {})):
            refused = await client.post(world.member("ada", action), data=form)
            assert (refused.status_code, "at least one member with full access" in refused.text) == (409, True)
    assert (await levels(engine))["ada"] == "full"


async def test_a_member_is_removed_after_a_question_and_another_leaves(engine, world):
    async with client_to(world.app) as client:
        await log_in(client, "ada")
        asked = (await client.get(world.member("bob", "remove"))).text
        assert "<bdi>bob</bdi> no longer sees <bdi>Basil</bdi>" in asked
        removed = await client.post(world.member("bob", "remove"))
        assert removed.headers["location"] == f"{world.path}?said=removed"
        assert (await client.get(world.member("bob", "remove"))).status_code == 404
    async with client_to(world.app) as client:
        await log_in(client, "cleo")
        assert "Leave this kit?" in (await client.get(world.member("cleo", "remove"))).text
        assert (await client.post(world.member("cleo", "remove"))).headers["location"] == "/"
    assert await levels(engine) == {"ada": "full"}


async def test_a_membership_of_another_kit_is_not_reached_through_this_one(engine, world):
    async with engine.begin() as connection:
        other = await make_kit(connection, "Fern")
        user = await connection.scalar(text("SELECT id FROM users WHERE username = 'ada'"))
        await connection.execute(_JOIN, {"user": user, "kit": other.id, "full": True, "configure": True})
    async with client_to(world.app) as client:
        await log_in(client, "ada")
        path = f"/kits/{other.serial}/members/{world.ids['bob']}"
        assert (await client.post(f"{path}/remove")).status_code == 404
        assert (await client.post(f"{path}/level", data={"level": "view"})).status_code == 404
    assert (await levels(engine))["bob"] == "configure"


async def test_an_invitation_is_shown_once_listed_and_withdrawn(engine, world):
    async with client_to(world.app) as client:
        await log_in(client, "ada")
        form = {"level": "configure", "uses": "30", "note": "Class 3b"}
        made = await client.post(f"{world.path}/invite", data=form)
        assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
        link = re.search(r"http://hortus\.test(/invitations/[\w-]{43})", made.text)[1]
        page = (await client.get(world.path)).text
        assert ("Class 3b" in page, link in page, "For 30 more people" in page) == (True, False, True)
        async with client_to(world.app) as stranger:
            assert (await stranger.get(link)).status_code == 200
        withdraw = re.search(r'action="(/kits/[\w-]+/invitations/\d+/withdraw)"', page)[1]
        assert (await client.post(withdraw)).headers["location"] == f"{world.path}?said=withdrawn"
        assert (await client.post(withdraw)).status_code == 404
        async with client_to(world.app) as stranger:
            assert (await stranger.get(link)).status_code == 410


@pytest.mark.parametrize(
    ("field", "value", "refused"),
    [("uses", "41", "uses"), ("uses", "", "uses"), ("level", "all", "level"), ("note", "x" * 41, "note"),
     ("level", "full", "uses")],
)  # fmt: skip
async def test_an_invitation_that_cannot_be_is_refused_at_its_field(world, field, value, refused):
    async with client_to(world.app) as client:
        await log_in(client, "ada")
        form = {"level": "view", "uses": "2", "note": ""} | {field: value}
        answer = await client.post(f"{world.path}/invite", data=form)
    assert (answer.status_code, f'href="#{refused}"' in answer.text) == (422, True)


async def test_an_open_page_is_told_that_its_viewer_lost_access(engine, world):
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE kits SET privacy_public_dashboard = false"))
    access = f"/kits/{world.kit.serial}/access?viewer=cleo"
    async with client_of(engine) as client:
        await log_in(client, "cleo")
        assert ((await client.get(access)).status_code, (await client.get(access)).content) == (204, b"")
        async with engine.begin() as connection:
            await connection.execute(
                text("DELETE FROM kit_memberships WHERE id = :id"), {"id": world.ids["cleo"]}
            )
        told = await client.get(access)
        assert (told.status_code, "You no longer see this kit" in told.text) == (286, True)
        await client.post("/logout")
        told = await client.get(access)
        assert (told.status_code, "You have been logged out" in told.text) == (286, True)
