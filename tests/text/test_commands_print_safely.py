"""Commands on a database with rows that hold what a terminal obeys: from kits, or older than the rule."""

from __future__ import annotations

import asyncio
import re

import asyncpg
import pytest
from click.testing import CliRunner
from typer.main import get_command

from hortus.app.command_line.main import app
from hortus.app.command_line.terminal import console
from hortus.base.database.url import DatabaseUrl

# Clears the screen, sets the title, turns the direction of text, and begins a line of its own.
EVIL = "\x1b[2J\x1b]0;x\x07\x9b31m\u202ecigam\nReason: none"
OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

ROWS = """
INSERT INTO kits (serial, password_hash, name) VALUES ('k-3467-bcdf-ghjk', '!', $1);
INSERT INTO kit_configurations (kit_id, controller_symbol_location, controller_symbol, control_rules, active)
    SELECT id, 'x', 'y', '{}', true FROM kits;
INSERT INTO peripherals (kit_id, kit_configuration_id, peripheral_definition_id, name, configuration)
    SELECT kit_id, id, (SELECT min(id) FROM peripheral_definitions), $1, '{}' FROM kit_configurations;
INSERT INTO quarantine (received_at, kit_id, stream, reason, detail, topic, payload, payload_bytes)
    SELECT now(), id, 'raw', 'wrong-topic', $1, $1, '\\x1b', 1 FROM kits;
INSERT INTO kit_commands (kit_id, method, peripheral, command_json, state, requested_at, give_up_at,
                          result_text, result_media_type, result_bytes)
    SELECT id, 'peripheralCommand', $1, to_json($1::text), 'succeeded', now(), now(), $1, 'text/plain', 9
    FROM kits;
INSERT INTO gateways (name, token_hash) VALUES ($1, 'none');
INSERT INTO boards (kit_id, sensor_id, gateway_id, last_address)
    SELECT kits.id, 7, gateways.id, $1 FROM kits, gateways;
INSERT INTO species (name, description) VALUES ($1, $1);
INSERT INTO plants (name, species_id, remark) SELECT $1, max(id), '' FROM species;
INSERT INTO plant_links (plant_id, kit_id, peripheral_name, quantity_type_id, linked_from)
    SELECT plants.id, kits.id, $1, 1, now() FROM plants, kits;
"""


async def insert_rows(database_url: str) -> int:
    connection = await asyncpg.connect(**DatabaseUrl.parse(database_url).asyncpg_arguments())
    try:
        await connection.execute(ROWS.replace("$1", f"'{EVIL}'"))
        return await connection.fetchval("SELECT id FROM quarantine")
    finally:
        await connection.close()


async def run_hortus(database_url: str, *arguments: str) -> str:
    # In a thread, because a command has an event loop of its own.
    runner = CliRunner(env={"DATABASE_URL": database_url})
    done = await asyncio.to_thread(runner.invoke, get_command(app), arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


async def test_what_a_terminal_obeys_is_written_out_by_every_command(
    migrated_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "width", 500)
    await run_hortus(migrated_database_url, "db", "definitions")
    number = await insert_rows(migrated_database_url)
    for command in (
        ("kit", "list"),
        ("kit", "commands", "k-3467-bcdf-ghjk"),
        ("quarantine", "list"),
        ("quarantine", "show", str(number)),
        ("board", "list"),
        ("gateway", "list"),
        ("plant", "list"),
        ("plant", "show", "1"),
        ("species", "list"),
        ("kit", "list", "--json"),
        ("quarantine", "list", "--json"),
    ):
        printed = await run_hortus(migrated_database_url, *command)
        written = (
            "\\u202ecigam" in printed,
            "\\n" in printed,
            "\\u009b31m" in printed or "\\x9b31m" in printed,
        )
        assert written == (True, True, True), (command, printed)
        assert not OBEYED.search(printed), (command, printed)
        assert "\nReason: none" not in printed, command
