"""Media of a deleted configuration: their objects stay for as long as it can be brought back."""

from __future__ import annotations

import uuid
from datetime import timedelta

from media_world import MediaWorld

from deleting import bring_back, delete_configuration_of
from hortus.domain.kits.removal import remove_due
from hortus.domain.media.deletion import delete_some_objects
from hortus.domain.media.sweep import sweep_objects
from hortus.flow.quarantine.replay import ReplayResult, replay
from hortus.flow.quarantine.store import quarantine_ids, waiting_for_deleted
from hortus.protocol.reasons import Reason


async def test_pictures_stay_until_the_configuration_is_removed_for_good(media: MediaWorld) -> None:
    world, fields = media.world, media.fields()
    await media.send(media.medium(**fields))
    path = {f"{world.kit.serial}/{uuid.UUID(bytes=fields['id'])}"}
    configuration_id = await delete_configuration_of(world.engine, world.peripheral)
    await sweep_objects(world.engine, media.objects, safe_age=timedelta(0), repair=True)
    assert await delete_some_objects(world.engine, media.objects) == 0
    assert media.files() == path
    await bring_back(world.engine, configuration_id)
    assert await media.content(fields["id"]) == fields["data"]

    await delete_configuration_of(world.engine, world.peripheral)
    await world.connection.execute(
        "UPDATE kit_configurations SET restorable_until = now() WHERE id = $1", configuration_id
    )
    assert [each.id for each in await remove_due(world.engine)] == [configuration_id]
    assert await delete_some_objects(world.engine, media.objects) == 1
    assert media.files() == set()


async def test_a_picture_for_a_deleted_configuration_waits_and_is_stored_once_it_is_back(
    media: MediaWorld,
) -> None:
    world, known, new = media.world, media.fields(), media.fields()
    await media.send(media.medium(**known))
    configuration_id = await delete_configuration_of(world.engine, world.peripheral)
    for fields in (known, new):
        await media.send(media.medium(**fields))
    assert await media.quarantined() == [Reason.DELETED_CONFIGURATION] * 2
    await bring_back(world.engine, configuration_id)
    async with world.engine.connect() as connection:
        ids = await quarantine_ids(connection, waiting_for_deleted(world.kit.id))
    replayed = await replay(world.connection, ids, clock_tolerance_ms=300_000, objects=media.objects)
    assert replayed == ReplayResult(stored=1, duplicate=1)
    assert await media.content(new["id"]) == new["data"]
    assert await world.count("media") == 2
