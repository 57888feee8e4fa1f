"""`hortus media`: list stored media, compare objects with rows, thin out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table
from sqlalchemy.engine import RowMapping

from hortus.app.command_line.database_access import open_ready_engine
from hortus.app.command_line.terminal import DataDirOption, JsonOption, console, print_json, run
from hortus.base.errors import OperationalError, UsageError
from hortus.base.settings import Settings, read_settings
from hortus.domain.kits.store import kit_id_of
from hortus.domain.media.objects import MediaObjects
from hortus.domain.media.place import media_of_command
from hortus.domain.media.retries import refused_objects
from hortus.domain.media.store import newest_media
from hortus.domain.media.sweep import SAFE_AGE, Sweep, check_rows, sweep_objects
from hortus.domain.media.thinning import Thinned, ThinningPolicy
from hortus.domain.media.thinning import thin as thin_media

_MOST_REFUSED = 1000

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Pictures and files: list, check, sweep, thin."
)


class ContentMissing(OperationalError):
    """Some media have lost their content."""


@app.command("list")
def list_command(
    kit: Annotated[str, typer.Argument(metavar="SERIAL", help="The kit.")],
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many at most.")] = 50,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """List a kit's media, newest first."""

    async def work() -> Sequence[RowMapping]:
        async with open_ready_engine(data_dir) as engine, engine.connect() as connection:
            return await newest_media(connection, await kit_id_of(connection, kit), most=limit)

    rows = run(work())
    if as_json:
        print_json([_document(row) for row in rows])
        return
    table = Table("Taken", Column("Id", no_wrap=True), "Peripheral", "Name", "Type", "Bytes", "Thumbnail")
    for row in rows:
        table.add_row(
            f"{row['datetime']:%Y-%m-%d %H:%M:%S}",
            str(row["id"]),
            str(row["peripheral_id"]),
            row["name"],
            row["type"],
            str(row["size"]),
            row["thumbnail_note"] or row["thumbnail"] or "not yet",
        )
    console.print(table if rows else "This kit has no media.")


@app.command()
def check(as_json: JsonOption = False, data_dir: DataDirOption = None) -> None:
    """Check whether every medium has its content and every object its medium; change nothing."""

    async def work() -> tuple[Sweep, Sweep, Sequence[RowMapping], str]:
        settings = read_settings()
        async with open_ready_engine(data_dir, settings) as engine:
            objects = _objects(settings, data_dir)
            rows = await check_rows(engine, objects)
            swept = await sweep_objects(engine, objects, safe_age=SAFE_AGE, repair=False)
            async with engine.connect() as connection:
                return rows, swept, await refused_objects(connection, _MOST_REFUSED), objects.description

    rows, objects, refused, place = run(work())
    if as_json:
        print_json(
            {
                "media": rows.rows,
                "withoutContent": rows.without_object,
                "incomplete": rows.incomplete,
                "objects": objects.objects,
                "withoutMedium": objects.without_row,
                "orphans": objects.orphans,
                "notOurs": objects.unknown,
                "notTold": rows.refused,
                "refused": [_refused_document(row) for row in refused],
            }
        )
    else:
        console.print(f"{rows.rows} media, {objects.objects} objects in {place}.", markup=False)
        console.print(
            f"{objects.without_row} objects older than a day belong to no medium "
            "(`hortus media sweep` removes them)."
        )
        for path in rows.incomplete:
            console.print(f"missing or damaged: {path}", markup=False)
        if rows.refused:
            console.print(f"The store does not reveal {rows.refused} objects; check their permissions.")
        for row in refused:
            console.print(_refused_sentence(row), markup=False)
    if not rows.is_clean:
        raise ContentMissing(
            f"{rows.without_object} media have lost their content. Restore the objects from a backup, or "
            "delete the media."
        )


@app.command()
def sweep(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be removed.")] = False,
    older_than_hours: Annotated[
        float, typer.Option("--older-than-hours", min=1.0, help="Leave younger objects alone.")
    ] = SAFE_AGE.total_seconds() / 3600,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Remove objects that belong to no medium: leftovers of processes that were killed while storing."""

    async def work() -> Sweep:
        settings = read_settings()
        age = timedelta(hours=older_than_hours)
        async with open_ready_engine(data_dir, settings) as engine:
            objects = _objects(settings, data_dir)
            return await sweep_objects(engine, objects, safe_age=age, repair=not dry_run)

    found = run(work())
    if as_json:
        print_json({"objects": found.objects, "removed": found.without_row, "halfWritten": found.half_written})
        return
    verb = "Would remove" if dry_run else "Removed"
    console.print(f"{verb} {found.without_row} of {found.objects} objects.")


@app.command()
def thin(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be deleted.")] = False,
    kit: Annotated[str | None, typer.Option("--kit", help="Only media of this kit (its serial).")] = None,
    all_days: Annotated[
        int | None,
        typer.Option(
            "--all-days", min=1, help="Keep everything for so long. Default: HORTUS_MEDIA_KEEP_ALL_DAYS."
        ),
    ] = None,
    hourly_days: Annotated[
        int | None,
        typer.Option(
            "--hourly-days",
            min=1,
            help="Keep one per hour until this age, then one per day. Default: HORTUS_MEDIA_KEEP_HOURLY_DAYS.",
        ),
    ] = None,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Delete old pictures except one per hour, and older ones except one per day. Never the newest."""
    settings = read_settings()
    days = all_days or settings.media_keep_all_days
    if days is None:
        raise UsageError("Say for how long everything is kept: --all-days, or set HORTUS_MEDIA_KEEP_ALL_DAYS.")
    policy = ThinningPolicy(all_days=days, hourly_days=hourly_days or settings.media_keep_hourly_days)

    async def work() -> Thinned:
        async with open_ready_engine(data_dir, settings) as engine:
            async with engine.connect() as connection:
                kit_id = None if kit is None else await kit_id_of(connection, kit)
            return await thin_media(engine, policy, kit_id=kit_id, dry_run=dry_run)

    thinned = run(work())
    if as_json:
        print_json({"media": thinned.media, "bytes": thinned.size_bytes, "dryRun": dry_run})
        return
    verb = "Would delete" if dry_run else "Deleted"
    console.print(f"{verb} {thinned.media} media of {thinned.size_bytes / 1e6:.1f} MB.")


def _objects(settings: Settings, data_dir: Path | None) -> MediaObjects:
    objects = media_of_command(settings, data_dir)
    if objects is None:
        raise UsageError("Set HORTUS_MEDIA_URL to the place where media are kept.")
    return objects


def _refused_sentence(row: RowMapping) -> str:
    what = "to be deleted" if row["wanted"] == "delete" else "for a thumbnail"
    return (
        f"refused by the store: {row['serial']}/{row['id']} {what} ({row['failure']}), tried {row['attempts']} "
        f"times, again at {row['next_attempt_at']:%Y-%m-%d %H:%M:%S}"
    )


def _refused_document(row: RowMapping) -> dict[str, Any]:
    return {
        "wanted": row["wanted"],
        "object": f"{row['serial']}/{row['id']}",
        "attempts": row["attempts"],
        "failure": row["failure"],
        "nextAttemptAt": row["next_attempt_at"],
    }


def _document(row: RowMapping) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "datetime": row["datetime"],
        "peripheralId": row["peripheral_id"],
        "name": row["name"],
        "type": row["type"],
        "size": row["size"],
        "thumbnail": row["thumbnail"],
        "thumbnailNote": row["thumbnail_note"],
    }
