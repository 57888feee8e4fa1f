"""`hortus plant` and `hortus species`, on a database with a plant that is measured."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import asyncpg

from hortus.base.database.partitions import Month, ensure_partitions
from up_process import hortus, hortus_json

PLANT = """
WITH owner AS (
    INSERT INTO users (username, display_name, password_hash, email_address, gravatar_alternative)
    VALUES ('flora', 'Flora', 'none', 'flora@example.org', 'x') RETURNING id
), kit AS (
    INSERT INTO kits (serial, password_hash, name) VALUES ('k-3467-bcdf-ghjk', '!', 'Greenhouse') RETURNING id
), configuration AS (
    INSERT INTO kit_configurations
        (kit_id, controller_symbol_location, controller_symbol, control_rules, active)
    SELECT id, '', '', '{}', true FROM kit RETURNING id, kit_id
), peripheral AS (
    INSERT INTO peripherals (kit_id, kit_configuration_id, peripheral_definition_id, name, configuration)
    SELECT c.kit_id, c.id, d.id, 'Thermometer', '{}' FROM configuration c, peripheral_definitions d
    WHERE d.name = 'Virtual temperature sensor' RETURNING id, kit_id, kit_configuration_id
), plant AS (
    INSERT INTO plants (owner_id, species_id, name) SELECT id, 1, 'Monty [red]' FROM owner RETURNING id
), link AS (
    INSERT INTO plant_links (plant_id, kit_id, linked_from) SELECT plant.id, kit.id, now() FROM plant, kit
)
INSERT INTO raw_measurements
    (datetime, value, id, kit_id, peripheral_id, kit_configuration_id, quantity_type_id)
SELECT $1, 17.5, $2, kit_id, id, kit_configuration_id, 1 FROM peripheral
"""


async def test_a_name_that_looks_like_markup_ends_no_command(migrated_database_url: str) -> None:
    connection = await asyncpg.connect(migrated_database_url)
    await connection.execute(
        "INSERT INTO kits (serial, password_hash, name) VALUES ('k-3467-bcdf-ghjk', '!', '[/x] [red]')"
    )
    await connection.close()
    listed = hortus("kit", "list", DATABASE_URL=migrated_database_url)
    assert (listed.returncode, "[/x] [red]" in listed.stdout) == (0, True)


async def test_plants_and_species_are_listed_and_shown(migrated_database_url: str) -> None:
    settings = {"DATABASE_URL": migrated_database_url}
    assert "No plants yet" in hortus("plant", "list", **settings).stdout
    connection = await asyncpg.connect(migrated_database_url)
    await ensure_partitions(connection, [Month.of(datetime.now(UTC))])
    await connection.execute(PLANT, datetime.now(UTC), uuid.uuid4())
    await connection.close()

    (plant,) = hortus_json("plant", "list", **settings)
    assert (plant["name"], plant["owner"], plant["condition"]) == ("Monty [red]", "flora", "low")
    assert plant["kits"] == ["k-3467-bcdf-ghjk"]
    shown = hortus("plant", "show", plant["id"], **settings).stdout
    assert "Monty [red], Monstera: low" in shown
    assert "Temperature (°C)" in shown
    assert "18 … 27" in shown
    assert "k-3467-bcdf-ghjk, the whole kit" in shown
    connection = await asyncpg.connect(migrated_database_url)
    await connection.execute("UPDATE raw_measurements SET value = -127")
    await connection.close()
    trouble = "Sensor reports −127 °C, which is outside what is possible for temperature"
    assert trouble in " ".join(hortus("plant", "show", plant["id"], **settings).stdout.split())
    (plant,) = hortus_json("plant", "list", **settings)
    (temperature,) = [each for each in plant["quantities"] if each["quantityTypeId"] == 1]
    assert (temperature["condition"], temperature["value"]) == ("noData", None)
    assert temperature["implausible"].startswith(trouble)

    unknown = hortus("plant", "show", 4242, **settings)
    assert (unknown.returncode, "no plant 4242" in unknown.stderr) == (2, True)

    species = hortus_json("species", "list", **settings)
    assert [each["name"] for each in species][:2] == ["Monstera", "Philodendron"]
    assert "Soil moisture (%)" in hortus("species", "show", 1, **settings).stdout
