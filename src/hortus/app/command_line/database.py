"""`hortus db`: schema, definitions and address of the database."""

from __future__ import annotations

from typing import Annotated

import typer

from hortus.app.command_line.database_access import database_errors_in_words, open_url
from hortus.app.command_line.terminal import DataDirOption, console, run
from hortus.base.database.engine import connector, open_engine
from hortus.base.database.repair import Salvage, repair
from hortus.base.errors import UsageError
from hortus.base.installation.data_directory import running_installation
from hortus.base.settings import read_settings
from hortus.domain.definitions.store import load_definitions
from hortus.domain.plants.built_in_species import load_species
from hortus.flow.migrations.migrate import schema_state, upgrade

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="The database: schema, definitions, address."
)


@app.command("upgrade")
def upgrade_command(data_dir: DataDirOption = None) -> None:
    """Upgrade the database to this version's schema, and load the built-in definitions."""

    async def work() -> None:
        async with open_url(data_dir) as url, open_engine(url) as engine:
            with database_errors_in_words(url):
                before = (await schema_state(engine)).current
                await upgrade(engine)
                after = (await schema_state(engine)).current
                async with engine.begin() as connection:
                    await load_definitions(connection)
                    await load_species(connection)
        console.print(f"The schema is at {after}" + (" already." if before == after else f", was {before}."))

    run(work())


@app.command()
def check(data_dir: DataDirOption = None) -> None:
    """Check whether the database matches this version; exit code 1 if not."""

    async def work() -> bool:
        async with open_url(data_dir) as url, open_engine(url) as engine:
            with database_errors_in_words(url):
                state = await schema_state(engine)
        if state.is_current:
            console.print(f"The database is at {state.head} and matches this version.")
        elif state.current != state.head:
            console.print(
                f"The database is at {state.current or 'no revision at all'}, this version needs "
                f"{state.head}. Run `hortus db upgrade`."
            )
        else:
            console.print("The database differs from this version's models:")
            for difference in state.differences:
                console.print(f"  {difference}", markup=False)
        return state.is_current

    if not run(work()):
        raise typer.Exit(1)


@app.command()
def definitions(
    data_dir: DataDirOption = None,
    simulation: Annotated[
        bool, typer.Option("--simulation/--no-simulation", help="Whether to load virtual peripherals, too.")
    ] = True,
    update_existing: Annotated[
        bool, typer.Option("--update-existing", help="Overwrite built-in definitions that were changed.")
    ] = False,
) -> None:
    """Load the built-in quantity types and peripheral definitions. Repeating it changes nothing."""

    async def work() -> None:
        async with open_url(data_dir) as url, open_engine(url) as engine:
            with database_errors_in_words(url):
                async with engine.begin() as connection:
                    loaded = await load_definitions(
                        connection, simulation=simulation, update_existing=update_existing
                    )
        console.print(
            f"Added {loaded.quantity_types} quantity types and "
            f"{loaded.peripheral_definitions} peripheral definitions."
        )

    run(work())


@app.command("repair")
def repair_command(
    relation: Annotated[str, typer.Argument(help="The index or month that the log or /healthz names.")],
    data_dir: DataDirOption = None,
) -> None:
    """Repair a damaged index, or salvage a damaged month of readings; see docs/operations.md first.

    An index is built anew. Of a month, all rows on readable pages are copied into a new table; the damaged one
    is kept under another name.
    """

    async def work() -> Salvage | None:
        async with open_url(data_dir) as url:
            with database_errors_in_words(url):
                connection = await connector(url, "hortus db repair")()
                try:
                    return await repair(connection, relation)
                finally:
                    await connection.close()

    salvage = run(work())
    if salvage is None:
        console.print(f"Built {relation} anew.", markup=False)
    else:
        console.print(
            f"Saved {salvage.rows} rows, from {salvage.pages - len(salvage.lost_pages)} of {salvage.pages} "
            f"pages. The damaged table is kept as {salvage.kept_as}.",
            markup=False,
        )
    console.print(
        "Now store what was set aside: hortus quarantine replay --reason database-damaged", soft_wrap=True
    )


@app.command()
def url(
    data_dir: DataDirOption = None,
    libpq: Annotated[bool, typer.Option("--libpq", help="In the form that psql and pg_dump take.")] = False,
) -> None:
    """Print the SQLAlchemy URL of the database in use, including the password: mind who is watching."""
    settings = read_settings()
    if data_dir is not None or settings.database_url is None:
        directory = data_dir or settings.data_dir
        if running_installation(directory) is None:
            raise UsageError(
                f"Nothing runs in {directory}, so its database has no address now. Start it with "
                f"`hortus up --data-dir {directory}`."
            )

    async def work() -> str:
        async with open_url(data_dir, settings) as database_url:
            return database_url.libpq() if libpq else database_url.sqlalchemy()

    console.print(run(work()), markup=False, soft_wrap=True)
