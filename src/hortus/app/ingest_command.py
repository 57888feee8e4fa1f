"""The commands `hortus ingest` and `hortus rpc`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from hortus.app.command_line.terminal import configure_logging, run
from hortus.app.ingest import run_ingest
from hortus.app.kafka_commands import MetricsHostOption, MetricsPortOption, metrics_address
from hortus.app.kafka_ingest import run_kafka_ingest
from hortus.app.rpc import run_rpc
from hortus.base.settings import read_settings


class IngestTarget(StrEnum):
    """Where `hortus ingest` takes readings to."""

    DATABASE = "database"
    KAFKA = "kafka"


def ingest(
    to: Annotated[IngestTarget, typer.Option("--to", help="Where readings go.")] = IngestTarget.DATABASE,
    metrics_port: MetricsPortOption = None,
    metrics_host: MetricsHostOption = "127.0.0.1",
) -> None:
    """Take readings from an external MQTT broker (MQTT_HOST, …) to the database (DATABASE_URL) or to Kafka."""
    settings = read_settings()
    configure_logging(settings.log_level)
    metrics = metrics_address(metrics_host, metrics_port)
    run(run_kafka_ingest(settings, metrics) if to is IngestTarget.KAFKA else run_ingest(settings, metrics))


def rpc() -> None:
    """RPC with kits through an external MQTT broker: answer their questions, send them commands."""
    settings = read_settings()
    configure_logging(settings.log_level)
    run(run_rpc(settings))
