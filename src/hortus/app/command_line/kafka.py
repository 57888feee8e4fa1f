"""`hortus kafka`: the topics, for operators."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from hortus.app.command_line.terminal import JsonOption, console, print_json
from hortus.base.errors import OperationalError
from hortus.base.settings import read_settings
from hortus.flow.kafka.administration import KafkaAdministration, TopicReport
from hortus.flow.kafka.connection import kafka_connection
from hortus.flow.kafka.topics import TopicNames, plan_topics

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Apache Kafka between broker and database.")
topics_app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="The topics that readings travel through."
)
app.add_typer(topics_app, name="topics")

DEFAULT_PARTITIONS = 12
DEFAULT_RETENTION_DAYS = 7
_MOST_COPIES = 3


class TopicsUnfit(OperationalError):
    """Some topics would lose or delay messages."""


@topics_app.command()
def create(
    partitions: Annotated[
        int,
        typer.Option("--partitions", min=1, max=10_000, help="Each is read by one sink at a time."),
    ] = DEFAULT_PARTITIONS,
    replication: Annotated[
        int | None,
        typer.Option(
            "--replication",
            min=1,
            max=32,
            help="Copies of each record. [default: 3, or as many as there are brokers]",
            show_default=False,
        ),
    ] = None,
    retention_days: Annotated[
        int, typer.Option("--retention-days", min=1, max=3650, help="How long records are kept.")
    ] = DEFAULT_RETENTION_DAYS,
) -> None:
    """Create the topics that do not exist yet. Existing ones are left unchanged and checked."""
    settings = read_settings()
    names = TopicNames.of(settings)
    administration = KafkaAdministration(kafka_connection(settings))
    copies = replication or min(_MOST_COPIES, administration.brokers())
    plans = plan_topics(names, partitions=partitions, replication=copies, retention_days=retention_days)
    for name, is_new in sorted(administration.create(list(plans)).items()):
        console.print(f"{name}: {'made' if is_new else 'exists already'}", markup=False)
    _raise_faults(administration.check(names))


@topics_app.command()
def check(json: JsonOption = False) -> None:
    """Check the topics for settings that would lose or delay messages; exit code 1 if there are any."""
    settings = read_settings()
    reports = KafkaAdministration(kafka_connection(settings)).check(TopicNames.of(settings))
    if json:
        print_json([_as_json(report) for report in reports])
    else:
        console.print(_table(reports))
    _raise_faults(reports)


def _raise_faults(reports: list[TopicReport]) -> None:
    faults = [f"{report.name}: {fault}" for report in reports for fault in report.faults]
    if faults:
        raise TopicsUnfit(" ".join(faults))


def _table(reports: list[TopicReport]) -> Table:
    table = Table("topic", "partitions", "copies", "remarks", box=None)
    for report in reports:
        remarks = " ".join(report.faults + report.remarks) or "fits"
        table.add_row(report.name, str(report.partitions), str(report.replication), remarks)
    return table


def _as_json(report: TopicReport) -> dict[str, object]:
    return {
        "name": report.name,
        "exists": report.exists,
        "partitions": report.partitions,
        "replication": report.replication,
        "faults": report.faults,
        "remarks": report.remarks,
    }
