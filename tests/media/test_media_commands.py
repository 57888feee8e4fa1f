"""`hortus media`, called from the command line."""

from __future__ import annotations

import json
import os
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from media_world import MediaWorld
from typer.testing import CliRunner

from hortus.app.command_line import media as cli
from hortus.base.errors import HortusError, UsageError
from hortus.domain.media.keys import ObjectKey


@pytest.fixture
def installation(media: MediaWorld, monkeypatch: pytest.MonkeyPatch) -> MediaWorld:
    monkeypatch.setenv("DATABASE_URL", media.world.url)
    monkeypatch.setenv("HORTUS_MEDIA_URL", str(media.folder))
    monkeypatch.setenv("COLUMNS", "250")
    return media


async def call(*arguments: str) -> Any:
    """Call a command in a thread, because it runs its own event loop."""
    import asyncio

    return await asyncio.to_thread(CliRunner().invoke, cli.app, arguments)


async def test_media_are_listed_checked_and_swept(installation: MediaWorld) -> None:
    media = installation
    fields = media.fields()
    await media.send(media.medium(**fields))
    key = ObjectKey(media.world.kit.serial, uuid.UUID(bytes=fields["id"]))
    orphan = ObjectKey(media.world.kit.serial, uuid.uuid4())
    await media.objects.put(orphan, (b"left",), "image/png", size=4)
    yesterday = (datetime.now(UTC) - timedelta(days=2)).timestamp()
    os.utime(media.folder / str(orphan), (yesterday, yesterday))

    listed = await call("list", media.world.kit.serial)
    assert str(key.medium_id) in listed.output
    checked = await call("check")
    assert (checked.exit_code, "1 media, 2 objects" in checked.output) == (0, True)
    dry = await call("sweep", "--dry-run")
    assert "Would remove 1 of 2 objects." in dry.output
    assert "Removed 1 of 2 objects." in (await call("sweep")).output
    assert media.files() == {str(key)}

    await media.objects.delete(key)
    missing = await call("check")
    assert str(key) in missing.output
    assert isinstance(missing.exception, HortusError)


async def test_a_check_names_what_the_store_refuses_and_what_it_said(installation: MediaWorld) -> None:
    media = installation
    fields = media.fields()
    await media.send(media.medium(**fields))
    run = media.world.connection.execute
    gone = uuid.uuid4()
    await run(
        "INSERT INTO queue_media_pending_deletion"
        " (media_id, kit_serial, media_datetime, media_size, attempts, failure)"
        " VALUES ($1, 'k-gone', now(), 1, 3, 'It is [locked].')",
        gone,
    )
    await run(
        "UPDATE media SET thumbnail_attempts = 2, thumbnail_retry_at = now(), thumbnail_note = 'Not yours.'"
    )
    checked = await call("check")
    assert checked.exit_code == 0
    assert f"k-gone/{gone} to be deleted (It is [locked].), tried 3 times" in checked.output
    assert f"{uuid.UUID(bytes=fields['id'])} for a thumbnail (Not yours.), tried 2 times" in checked.output
    told = json.loads((await call("check", "--json")).output)["refused"]
    assert [(row["wanted"], row["attempts"], row["failure"]) for row in told] == [
        ("delete", 3, "It is [locked]."),
        ("thumbnail", 2, "Not yours."),
    ]


async def test_thinning_asks_for_a_policy_and_can_only_look(installation: MediaWorld) -> None:
    media = installation
    asked = await call("thin")
    assert isinstance(asked.exception, UsageError)
    for minute in range(3):
        fields = media.fields() | {"datetime_ms": 1_700_000_000_000 + 60_000 * minute}
        await media.send(media.medium(**fields))
    dry = await call("thin", "--all-days", "30", "--dry-run")
    assert "Would delete 1 media" in dry.output
    assert await media.world.count("media") == 3
    assert "Deleted 1 media" in (await call("thin", "--all-days", "30")).output
    assert await media.world.count("media") == 2


async def test_without_a_place_the_commands_say_what_to_set(
    installation: MediaWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HORTUS_MEDIA_URL")
    for command in ("check", "sweep"):
        result = await call(command)
        assert isinstance(result.exception, UsageError)
        assert "HORTUS_MEDIA_URL" in str(result.exception)


def test_the_default_folder_of_an_installation_is_not_made_by_looking(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli.app, ["check", "--data-dir", str(tmp_path / "nothing")])
    assert result.exit_code != 0
    assert not (tmp_path / "nothing").exists()
