"""`hortus user list | admin | delete`: what they say, what they do, and what they leave."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from hortus.base.database.engine import open_engine
from hortus.base.database.url import DatabaseUrl
from hortus.domain.accounts.passwords import Passwords, generate_password
from hortus.domain.accounts.store import User, create_user
from hortus.domain.kits.members import add_member
from hortus.domain.kits.store import CreatedKit, KitStore, NewKit
from programs import environment, free_port
from up_process import hortus, hortus_json
from waiting import PATIENCE_SECONDS


class Place:
    """A database with people, and the command line that works on it."""

    def __init__(self, url: str, engine: AsyncEngine) -> None:
        self.url = url
        self.engine = engine

    async def person(self, username: str, *, is_admin: bool = False) -> User:
        async with self.engine.begin() as connection:
            return await create_user(
                connection,
                Passwords(),
                username=username,
                email_address=f"{username}@example.org",
                password=generate_password(),
                is_admin=is_admin,
            )

    async def kit(self, *members: User) -> CreatedKit:
        """Make a kit to which the first of these people has full access."""
        async with self.engine.begin() as connection:
            kit = await KitStore().create(connection, NewKit(name="Basil"))
            for member in members:
                is_super = member is members[0]
                await add_member(
                    *(connection, kit.id, member.id),
                    access_super=is_super,
                    access_configure=is_super,
                    now=datetime.now(UTC),
                )
            return kit

    async def run_sql(self, statement: str, **parameters: Any) -> Any:
        async with self.engine.begin() as connection:
            found = await connection.execute(text(statement), parameters)
            return found.all() if found.returns_rows else None

    def say(self, *arguments: str, typed: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "hortus", "user", *arguments],
            input=typed,
            stdin=subprocess.DEVNULL if typed is None else None,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            env=environment(DATABASE_URL=self.url),
            check=False,
        )

    def people(self) -> dict[str, dict[str, Any]]:
        return {each["username"]: each for each in hortus_json("user", "list", DATABASE_URL=self.url)}


@pytest.fixture
async def place(migrated_database_url: str) -> Any:
    async with open_engine(DatabaseUrl.parse(migrated_database_url)) as engine:
        yield Place(migrated_database_url, engine)


def words(said: str) -> str:
    return " ".join(said.split())


async def test_people_are_listed_with_what_is_known_of_them(place: Place) -> None:
    ada, bob = await place.person("ada", is_admin=True), await place.person("bob")
    await place.kit(ada, bob)
    await place.kit(ada)
    used = datetime.now(UTC) - timedelta(hours=3)
    await place.run_sql(
        "INSERT INTO refresh_tokens (id, user_id, password_stamp, created_at, last_used_at, expires_at)"
        " VALUES (gen_random_uuid(), :user, 'x', :used, :used, now())",
        user=ada.id,
        used=used,
    )
    people = place.people()
    assert list(people) == ["ada", "bob"]
    assert {name: people["ada"][name] for name in ("emailAddress", "isAdmin", "kits")} == {
        "emailAddress": "ada@example.org",
        "isAdmin": True,
        "kits": 2,
    }
    assert datetime.fromisoformat(people["ada"]["lastSeen"]) == used
    assert (people["bob"]["isAdmin"], people["bob"]["kits"], people["bob"]["lastSeen"]) == (False, 1, None)
    table = place.say("list").stdout
    assert "bob@example.org" in table
    assert "3 h ago" in table


def test_a_list_without_people_says_how_to_make_one(place: Place) -> None:
    assert "hortus user create NAME" in place.say("list").stdout


async def test_a_person_becomes_an_administrator_and_an_ordinary_user_again(place: Place) -> None:
    await place.person("ada", is_admin=True)
    await place.person("bob")
    granted = place.say("admin", "Bob", "--grant")
    assert (granted.returncode, granted.stdout) == (0, "bob is now an administrator.\n")
    assert place.people()["bob"]["isAdmin"] is True
    assert place.say("admin", "bob", "--grant").stdout == "bob is already an administrator.\n"
    revoked = place.say("admin", "bob", "--revoke")
    assert (revoked.returncode, revoked.stdout, revoked.stderr) == (0, "bob is now an ordinary user.\n", "")
    assert place.people()["bob"]["isAdmin"] is False
    assert "Missing option" in place.say("admin", "bob").stderr


async def test_the_only_administrator_is_named_as_such_before_and_after(place: Place) -> None:
    await place.person("ada", is_admin=True)
    asked = place.say("admin", "ada", "--revoke", typed="n\n")
    assert asked.returncode == 1
    assert "ada is the only administrator." in asked.stdout
    assert place.people()["ada"]["isAdmin"] is True
    revoked = place.say("admin", "ada", "--revoke", typed="y\n")
    assert revoked.returncode == 0
    assert "This server has no administrator now." in words(revoked.stderr)
    assert "hortus user admin NAME --grant" in words(revoked.stderr)
    deleted = place.say("delete", "ada", "--yes")
    assert "This server has no administrator now." in words(deleted.stderr)


async def test_an_account_is_deleted_when_its_name_is_typed(place: Place) -> None:
    ada, bob = await place.person("ada", is_admin=True), await place.person("bob")
    shared, lonely = await place.kit(ada, bob), await place.kit(bob)
    for name in ("mint", "basil"):
        await place.run_sql(
            "INSERT INTO plants (owner_id, name) VALUES (:owner, :name)", owner=bob.id, name=name
        )
    await place.run_sql(
        "INSERT INTO plant_links (plant_id, kit_id, linked_from)"
        " SELECT id, :kit, now() FROM plants WHERE name = 'mint'",
        kit=lonely.id,
    )
    refused = place.say("delete", "bob", typed="ada\n")
    assert (refused.returncode, "nothing was deleted" in refused.stderr) == (2, True)
    assert "bob" in place.people()
    assert place.say("delete", "bob").returncode != 0  # no terminal to ask at
    assert "bob" in place.people()
    deleted = place.say("delete", "bob", typed="Bob\n")
    assert (deleted.returncode, deleted.stderr) == (0, "")
    said = words(deleted.stdout)
    assert "and 1 plant that no kit measures" in said
    assert "These stay: 1 plant that kits measure, 0 species" in said
    assert lonely.serial in said
    assert shared.serial not in said
    assert "Deleted the account bob." in said
    assert list(place.people()) == ["ada"]
    assert [row.name for row in await place.run_sql("SELECT name FROM plants")] == ["mint"]
    assert len(await place.run_sql("SELECT id FROM kits")) == 2


async def test_an_account_on_which_others_depend_is_kept_and_the_command_says_why(place: Place) -> None:
    bob, cleo = await place.person("bob"), await place.person("cleo")
    shared = await place.kit(bob, cleo)
    for options in (["--yes"], []):
        refused = place.say("delete", "bob", *options, typed="bob\n")
        assert refused.returncode == 2
        assert f"full access to the shared kit {shared.serial}" in words(refused.stderr)
    assert "bob" in place.people()


@pytest.mark.parametrize(
    "command", [("admin", "nobody", "--grant"), ("delete", "nobody", "--yes"), ("delete", "nobody")]
)
def test_an_unknown_person_is_said_to_be_unknown(place: Place, command: tuple[str, ...]) -> None:
    refused = place.say(*command)
    assert (refused.returncode, "There is no user 'nobody'" in words(refused.stderr)) == (2, True)


@pytest.mark.parametrize("command", [("list",), ("admin", "ada", "--grant"), ("delete", "ada", "--yes")])
def test_without_its_database_a_command_fails_with_a_sentence(command: tuple[str, ...]) -> None:
    refused = hortus("user", *command, DATABASE_URL=f"postgresql://127.0.0.1:{free_port()}/hortus")
    assert refused.returncode == 1
    assert "cannot be reached" in words(refused.stderr)
    assert "Traceback" not in refused.stderr
