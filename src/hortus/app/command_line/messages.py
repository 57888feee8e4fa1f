"""`hortus message`: messages that are queued or failed, and a test of the mail server."""

from __future__ import annotations

import asyncio
from typing import Annotated
from uuid import UUID, uuid4

import typer
from rich.table import Table

from hortus.app.command_line.database_access import open_ready_engine
from hortus.app.command_line.terminal import DataDirOption, JsonOption, console, print_json, run
from hortus.base.errors import UsageError
from hortus.base.settings import read_settings
from hortus.domain.accounts.email_addresses import is_email_address
from hortus.domain.messages.mail import MailDelivery
from hortus.domain.messages.mail_account import mail_account
from hortus.domain.messages.outcome import OutgoingMessage
from hortus.domain.messages.queue import list_messages, retry
from hortus.domain.messages.tables import MessageState

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Messages to people: list, send again, test mail."
)

_MOST_LISTED = 10_000

# Listed by name: a row's own names are not plain strings where a table has an alias.
_SHOWN = (
    *("user_id", "channel_id", "transport", "kind", "recipient", "subject", "state", "attempts"),
    *("failure", "created_at", "next_attempt_at", "finished_at"),
)


@app.command("list")
def list_command(
    state: Annotated[
        MessageState | None, typer.Option("--state", help="Only messages that are this far.")
    ] = None,
    most: Annotated[int, typer.Option("--most", min=1, max=_MOST_LISTED, help="How many.")] = 100,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """List messages, newest first, with their outcome. Their content is not shown."""

    async def work() -> None:
        async with open_ready_engine(data_dir) as engine, engine.connect() as connection:
            rows = await list_messages(connection, state=state.value if state else None, most=most)
        if as_json:
            print_json([{"id": str(row["id"])} | {name: row[name] for name in _SHOWN} for row in rows])
            return
        table = Table("Id", "Made", "To", "Subject", "State", "Attempts", "Last failure")
        for row in rows:
            made = row["created_at"].strftime("%Y-%m-%d %H:%M")
            table.add_row(
                *(str(row["id"]), made, row["recipient"], row["subject"], row["state"]),
                *(str(row["attempts"]), row["failure"] or ""),
            )
        console.print(table if rows else "No such messages.")

    run(work())


@app.command("retry")
def retry_command(
    message: Annotated[UUID | None, typer.Argument(help="The message's id, as `list` shows it.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All messages that were given up.")] = False,
    data_dir: DataDirOption = None,
) -> None:
    """Queue messages that were given up to be sent again."""
    if (message is None) != everything:
        raise UsageError("Name one message, or say --all.")

    async def work() -> int:
        async with open_ready_engine(data_dir) as engine, engine.begin() as connection:
            return await retry(connection, message)

    count = run(work())
    console.print(f"{count} {'message waits' if count == 1 else 'messages wait'} to be sent again.")


@app.command()
def test(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="The mail address to send to.")],
) -> None:
    """Send a test mail immediately, bypassing the queue, and report the mail server's answer."""
    account = mail_account(read_settings())
    if account is None:
        raise UsageError("No mail server is set. Set HORTUS_SMTP_URL and HORTUS_MAIL_FROM.")
    if not is_email_address(address):
        raise UsageError("That is no mail address; it looks like name@example.org.")
    letter = OutgoingMessage(
        message_id=str(uuid4()),
        recipient=address,
        subject="Test message",
        body="This mail was sent by `hortus message test`.\n",
    )
    run(asyncio.to_thread(MailDelivery(account, letter).deliver))
    console.print(f"The mail server {account.host} accepted the mail.", markup=False)
