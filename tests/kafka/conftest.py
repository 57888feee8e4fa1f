"""One Kafka node for the whole run, and separate topics for each test."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka_cluster import KafkaCluster
from kafka_tls import write_certificates
from kafka_world import Topics, make_topics

from hortus.flow.kafka.connection import KafkaConnection

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def tls_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `ca.pem` and the node's `server.pem`."""
    folder = tmp_path_factory.mktemp("kafka-tls")
    write_certificates(folder)
    return folder


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory, tls_folder: Path) -> Iterator[KafkaCluster]:
    """A shared running node for tests that only connect to it; tests that stop it start their own."""
    cluster = KafkaCluster(tmp_path_factory.mktemp("kafka"), tls_folder=tls_folder)
    yield cluster
    cluster.stop(signal.SIGKILL)


@pytest.fixture
def topics(kafka: KafkaCluster) -> Topics:
    """Four empty topics of four partitions (dead letters: three)."""
    return make_topics(KafkaConnection(bootstrap=kafka.bootstrap), f"test-{next(_numbers)}")
