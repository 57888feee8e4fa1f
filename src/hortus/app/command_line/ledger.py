"""`hortus ledger`: the outcome of every message."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from hortus.app.command_line.database_access import open_ready_engine
from hortus.app.command_line.terminal import DataDirOption, JsonOption, console, print_json, run
from hortus.base.settings import read_settings
from hortus.domain.kits.store import kit_id_of
from hortus.domain.ledger.store import LedgerCounts, LedgerLine, read_ledger
from hortus.protocol.reasons import explanation_of

_BEFORE_HORTUS = (
    "What a broker has acknowledged to kits and lost before Hortus received it, as when it was killed without "
    "a journal, is not in these figures: docs/guarantees.md."
)


def ledger(
    kit: Annotated[str | None, typer.Option("--kit", help="Only this kit (its serial).")] = None,
    hours: Annotated[
        int, typer.Option("--hours", min=1, max=24 * 366, help="How far back, this hour included.")
    ] = 24,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Show the outcome of every message received: stored, duplicate, quarantined (why) or refused."""

    async def work() -> list[LedgerLine]:
        async with open_ready_engine(data_dir) as engine, engine.connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ")
            kit_ids = None if kit is None else {await kit_id_of(connection, kit)}
            return await read_ledger(connection, now=datetime.now(UTC), hours=hours, kit_ids=kit_ids)

    lines = run(work())
    is_one_box = data_dir is not None or read_settings().database_url is None
    if as_json:
        print_json(_document(lines, hours))
    else:
        _print_table(lines, hours, is_one_box=is_one_box)


def _by_kit(lines: list[LedgerLine]) -> dict[str | None, list[LedgerLine]]:
    kits: dict[str | None, list[LedgerLine]] = {}
    for line in lines:
        kits.setdefault(line.serial, []).append(line)
    return kits


def _document(lines: list[LedgerLine], hours: int) -> dict[str, Any]:
    total = LedgerCounts.sum_of(lines)
    return {
        "hours": hours,
        **_counts(total),
        "addsUp": total.adds_up,
        "kits": [
            {
                "serial": serial,
                "name": of_kit[0].kit_name,
                **_counts(LedgerCounts.sum_of(of_kit)),
                "lines": [
                    {"hour": line.hour, "stream": line.stream, **_counts(line.counts)} for line in of_kit
                ],
            }
            for serial, of_kit in _by_kit(lines).items()
        ],
    }


def _counts(counts: LedgerCounts) -> dict[str, Any]:
    by_outcome: dict[str, dict[str, int]] = {"quarantined": {}, "refused": {}, "purged": {}}
    for (outcome, reason), count in sorted(counts.reasons.items()):
        by_outcome[outcome][reason] = count
    return {
        "received": counts.received,
        "stored": counts.stored,
        "duplicate": counts.duplicate,
        "quarantined": counts.quarantined,
        "refused": counts.refused,
        "quarantinedByReason": by_outcome["quarantined"],
        "refusedByReason": by_outcome["refused"],
        "purged": sum(by_outcome["purged"].values()),
    }


def _print_table(lines: list[LedgerLine], hours: int, *, is_one_box: bool) -> None:
    table = Table(Column("Kit", no_wrap=True))
    for name in ("Received", "Stored", "Duplicate", "Quarantined", "Refused"):
        table.add_column(name, justify="right", no_wrap=True)
    for serial, of_kit in _by_kit(lines).items():
        _add_row(table, serial or "(no kit of ours)", LedgerCounts.sum_of(of_kit))
    total = LedgerCounts.sum_of(lines)
    table.add_section()
    _add_row(table, "Total", total)
    console.print(table)
    for (outcome, reason), count in sorted(total.reasons.items()):
        console.print(f"{count} {outcome}: {reason}. {explanation_of(reason)}", style="dim", markup=False)
    if total.adds_up:
        console.print(f"All {total.received} messages received in the last {hours} h are accounted for.")
        if not is_one_box:
            console.print(_BEFORE_HORTUS, style="dim")
    else:
        console.print(
            "The figures do not add up; please report this, with the output of --json.", style="bold red"
        )


def _add_row(table: Table, name: str, counts: LedgerCounts) -> None:
    figures = (counts.received, counts.stored, counts.duplicate, counts.quarantined, counts.refused)
    table.add_row(name, *map(str, figures))
