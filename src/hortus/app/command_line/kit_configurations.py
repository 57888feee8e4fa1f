"""`hortus kit configurations`: deleted configurations of a kit, and bringing them back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer
from rich.table import Column, Table
from sqlalchemy import select

from hortus.app.command_line.database_access import database_errors_in_words, open_ready_engine, open_url
from hortus.app.command_line.quarantine import replay_by_command
from hortus.app.command_line.terminal import DataDirOption, JsonOption, console, print_json, run
from hortus.base.database.engine import open_engine
from hortus.base.settings import read_settings
from hortus.domain.kits.deleted_configurations import (
    RESTORABLE_DAYS,
    DeletedConfiguration,
    deleted_configurations,
    restore_configuration,
)
from hortus.domain.kits.store import kit_id_of
from hortus.domain.kits.tables import KitRow
from hortus.flow.migrations.revision import require_current
from hortus.flow.quarantine.replay import ReplayResult
from hortus.flow.quarantine.store import quarantine_ids, waiting_for_deleted

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help=f"Deleted configurations of a kit: list them, and bring one back within {RESTORABLE_DAYS} days.",
)

Serial = Annotated[str, typer.Argument(help="The kit's serial, for example k-3b4c-6d7f-8g9h.")]


@app.command()
def deleted(serial: Serial, as_json: JsonOption = False, data_dir: DataDirOption = None) -> None:
    """List the kit's deleted configurations that can be brought back."""

    async def work() -> list[DeletedConfiguration]:
        async with open_ready_engine(data_dir) as engine, engine.connect() as connection:
            return await deleted_configurations(connection, await kit_id_of(connection, serial))

    found = run(work())
    if as_json:
        print_json(
            [
                {
                    "id": each.id,
                    "description": each.description,
                    "deletedAt": each.deleted_at,
                    "restorableUntil": each.restorable_until,
                    "wasActive": each.was_active,
                    "neverUsed": each.never_used,
                    "peripherals": each.peripherals,
                }
                for each in found
            ]
        )
        return
    table = Table("Id", Column("Description", max_width=40), "Deleted", "Until", "Was active", "Peripherals")
    for each in found:
        table.add_row(
            str(each.id),
            each.description or "",
            f"{each.deleted_at:%Y-%m-%d %H:%M}",
            f"{each.restorable_until:%Y-%m-%d %H:%M}",
            "yes" if each.was_active else "no",
            ", ".join(each.peripherals),
        )
    console.print(table if found else "No deleted configuration of this kit can be brought back.")


@dataclass(frozen=True, slots=True)
class _Restored:
    is_active: bool
    replayed: ReplayResult


@app.command()
def restore(
    serial: Serial,
    identifier: Annotated[int, typer.Argument(metavar="ID", help="Its id, as `deleted` shows it.")],
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Bring back a deleted configuration with all its readings, and replay what the kit sent meanwhile."""

    async def work() -> _Restored:
        settings = read_settings()
        async with open_url(data_dir, settings) as url, open_engine(url) as engine:
            with database_errors_in_words(url):
                await require_current(engine)
                async with engine.begin() as connection:
                    kit_id = await kit_id_of(connection, serial)
                    lock = select(KitRow.id).where(KitRow.id == kit_id).with_for_update(key_share=True)
                    await connection.execute(lock)
                    row = await restore_configuration(connection, kit_id, identifier)
                async with engine.connect() as connection:
                    ids = await quarantine_ids(connection, waiting_for_deleted(kit_id))
                return _Restored(row["active"], await replay_by_command(url, ids, settings, data_dir))

    restored = run(work())
    if as_json:
        print_json(
            {
                "id": identifier,
                "active": restored.is_active,
                "stored": restored.replayed.stored,
                "duplicate": restored.replayed.duplicate,
                "stillQuarantined": restored.replayed.still_quarantined,
            }
        )
        return
    console.print(f"Configuration {identifier} is back{' and active' if restored.is_active else ''}.")
    if restored.replayed.stored or restored.replayed.still_quarantined:
        console.print(
            f"Of what the kit sent meanwhile, {restored.replayed.stored} messages are stored now, "
            f"{restored.replayed.still_quarantined} still in quarantine."
        )
