"""`hortus quarantine`: inspect quarantined messages, replay them once the cause is fixed, or delete them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table
from sqlalchemy.ext.asyncio import AsyncConnection

from hortus.app.command_line.database_access import (
    database_errors_in_words,
    open_ready_engine,
    open_url,
)
from hortus.app.command_line.terminal import DataDirOption, JsonOption, console, print_json, run
from hortus.base.database.engine import connector, open_engine
from hortus.base.database.url import DatabaseUrl
from hortus.base.errors import UsageError
from hortus.base.settings import Settings, read_settings
from hortus.domain.kits.store import kit_id_of
from hortus.domain.media.place import media_of_command
from hortus.flow.migrations.revision import require_current
from hortus.flow.quarantine.replay import ReplayResult
from hortus.flow.quarantine.replay import replay as replay_messages
from hortus.flow.quarantine.store import (
    QuarantinedMessage,
    QuarantineFilter,
    list_quarantine,
    purge_quarantine,
    quarantine_ids,
    show_quarantined,
)
from hortus.protocol.reasons import Reason, explanation_of

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Messages set aside: list, show, replay, purge."
)

Ids = Annotated[list[int] | None, typer.Argument(help="Numbers of messages, as `list` shows them.")]
KitOption = Annotated[str | None, typer.Option("--kit", help="Only messages of this kit (its serial).")]
ReasonOption = Annotated[str | None, typer.Option("--reason", help="Only messages set aside for this reason.")]
AllOption = Annotated[bool, typer.Option("--all", help="All messages that the other options allow.")]


@app.command("list")
def list_command(
    kit: KitOption = None,
    reason: ReasonOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many at most.")] = 50,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """List messages in quarantine, newest first."""

    async def work() -> list[QuarantinedMessage]:
        async with open_ready_engine(data_dir) as engine, engine.connect() as connection:
            wanted = await _filter(connection, None, kit, reason)
            return await list_quarantine(connection, wanted, limit=limit)

    entries = run(work())
    if as_json:
        print_json([_document(entry) for entry in entries])
        return
    table = Table(
        "Number", "Received", Column("Kit", no_wrap=True), "Stream", "Reason", "Bytes", "What is wrong"
    )
    for entry in entries:
        table.add_row(
            str(entry.id),
            f"{entry.received_at:%Y-%m-%d %H:%M:%S}",
            entry.serial or "–",
            entry.stream,
            entry.reason,
            str(entry.payload_bytes),
            entry.detail,
        )
    console.print(table if entries else "Nothing is in quarantine.")


@app.command()
def show(
    identifier: Annotated[int, typer.Argument(metavar="NUMBER", help="The message's number.")],
    raw: Annotated[
        bool, typer.Option("--raw", help="Write the message's bytes, and nothing else, to standard output.")
    ] = False,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Show one message: its origin, the reason for its quarantine, and its bytes."""

    async def work() -> QuarantinedMessage:
        async with open_ready_engine(data_dir) as engine, engine.connect() as connection:
            return await show_quarantined(connection, identifier)

    entry = run(work())
    if raw:
        sys.stdout.buffer.write(entry.payload)
    elif as_json:
        print_json({**_document(entry), "payloadHex": entry.payload.hex()})
    else:
        console.print(f"Number:   {entry.id}")
        console.print(f"Received: {entry.received_at.isoformat()}")
        console.print(f"Kit:      {entry.serial or '(no kit of ours)'}", markup=False)
        console.print(f"Topic:    {entry.topic}", markup=False)
        console.print(f"Reason:   {entry.reason}. {explanation_of(entry.reason)}", markup=False)
        console.print(f"Detail:   {entry.detail}", markup=False)
        console.print(f"Bytes:    {entry.payload_bytes} ({len(entry.payload)} kept)")
        console.print(entry.payload[:1024].hex(" "), soft_wrap=True)


@app.command()
def replay(
    identifiers: Ids = None,
    kit: KitOption = None,
    reason: ReasonOption = None,
    everything: AllOption = False,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Try to store messages again, after the cause has been fixed."""
    _require_choice(identifiers, kit, reason, everything)

    async def work() -> ReplayResult:
        settings = read_settings()
        async with open_url(data_dir, settings) as url, open_engine(url) as engine:
            with database_errors_in_words(url):
                await require_current(engine)
                async with engine.connect() as connection:
                    ids = await quarantine_ids(connection, await _filter(connection, identifiers, kit, reason))
                return await replay_by_command(url, ids, settings, data_dir)

    result = run(work())
    if as_json:
        print_json(
            {
                "stored": result.stored,
                "duplicate": result.duplicate,
                "stillQuarantined": result.still_quarantined,
            }
        )
        return
    console.print(
        f"Stored {result.stored}, known already {result.duplicate}, "
        f"still in quarantine {result.still_quarantined}."
    )


async def replay_by_command(
    url: DatabaseUrl, ids: list[int], settings: Settings, data_dir: Path | None
) -> ReplayResult:
    """Replay these messages over a connection of their own, with the media store of the command."""
    connection = await connector(url, "hortus quarantine replay")()
    try:
        return await replay_messages(
            connection,
            ids,
            clock_tolerance_ms=settings.clock_tolerance_seconds * 1000,
            objects=media_of_command(settings, data_dir),
        )
    finally:
        await connection.close()


@app.command()
def purge(
    identifiers: Ids = None,
    kit: KitOption = None,
    reason: ReasonOption = None,
    everything: AllOption = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDirOption = None,
) -> None:
    """Delete messages permanently. The ledger still counts them as quarantined."""
    _require_choice(identifiers, kit, reason, everything)
    if not yes:
        typer.confirm("Delete these messages permanently?", abort=True)

    async def work() -> int:
        async with open_ready_engine(data_dir) as engine, engine.begin() as connection:
            return await purge_quarantine(connection, await _filter(connection, identifiers, kit, reason))

    console.print(f"Purged {run(work())}.")


async def _filter(
    connection: AsyncConnection, identifiers: list[int] | None, kit: str | None, reason: str | None
) -> QuarantineFilter:
    known = [str(each) for each in Reason]
    if reason is not None and reason not in known:
        raise UsageError(f"There is no reason {reason!r}. Reasons are: {', '.join(known)}.")
    return QuarantineFilter(
        ids=tuple(identifiers) if identifiers else None,
        kit_id=None if kit is None else await kit_id_of(connection, kit),
        reason=reason,
    )


def _require_choice(
    identifiers: list[int] | None, kit: str | None, reason: str | None, everything: bool
) -> None:
    if not (identifiers or kit or reason or everything):
        raise UsageError("Select messages: their numbers, --kit, --reason, or --all.")


def _document(entry: QuarantinedMessage) -> dict[str, Any]:
    return {
        "id": entry.id,
        "receivedAt": entry.received_at,
        "serial": entry.serial,
        "stream": entry.stream,
        "reason": entry.reason,
        "explanation": explanation_of(entry.reason),
        "detail": entry.detail,
        "topic": entry.topic,
        "bytes": entry.payload_bytes,
    }
