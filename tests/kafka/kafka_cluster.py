"""Real Apache Kafka on free loopback ports: one broker or several, in KRaft mode, each a process of its own."""

from __future__ import annotations

import signal
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from programs import free_port, system_program
from waiting import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]
USERNAME, PASSWORD = "hortus", "stream-secret"


def classpath() -> str:
    """Return the path of the server's classes, downloading them if needed."""
    fetched = subprocess.run([ROOT / "scripts/fetch-kafka"], capture_output=True, text=True)
    assert fetched.returncode == 0, fetched.stderr
    return f"{fetched.stdout.strip()}/*"


class KafkaNode:
    """One process that is broker and controller."""

    def __init__(self, folder: Path, number: int, heap_mebibytes: int, quick_start: bool) -> None:
        self.folder = folder
        self.number = number
        self.port = free_port()
        self.sasl_port = free_port()
        self.tls_port = free_port()
        self.controller_port = free_port()
        # For the few seconds of a test, compiling thoroughly costs more than it gains.
        self._options = [f"-Xmx{heap_mebibytes}m", *(["-XX:TieredStopAtLevel=1"] if quick_start else [])]
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)

    @property
    def configuration(self) -> Path:
        return self.folder / "server.properties"

    def configure(
        self, voters: str, nodes: int, tls_folder: Path | None, *, is_controller: bool, session_ms: int
    ) -> None:
        listeners = {"PLAINTEXT": self.port, "SASL_PLAINTEXT": self.sasl_port}
        if is_controller:
            listeners["CONTROLLER"] = self.controller_port
        replicas = min(nodes, 3)
        login = f'username="{USERNAME}" password="{PASSWORD}"'
        plain = (
            f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USERNAME}="{PASSWORD}";'
        )
        scram = f"org.apache.kafka.common.security.scram.ScramLoginModule required {login};"
        lines = {
            "process.roles": "broker,controller" if is_controller else "broker",
            "node.id": self.number,
            "controller.quorum.voters": voters,
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,"
            "SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL",
            "log.dirs": self.folder / "data",
            "auto.create.topics.enable": "false",
            "offsets.topic.num.partitions": 2,
            "offsets.topic.replication.factor": replicas,
            "transaction.state.log.num.partitions": 1,
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
            "group.min.session.timeout.ms": 1000,
            "num.network.threads": 2,
            "num.io.threads": 2,
            "broker.session.timeout.ms": session_ms,
            "broker.heartbeat.interval.ms": 500,
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
            "listener.name.sasl_plaintext.plain.sasl.jaas.config": plain,
            "listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config": scram,
        }
        if tls_folder is not None:
            listeners["SASL_SSL"] = self.tls_port
            lines |= {
                "ssl.keystore.type": "PEM",
                "ssl.keystore.location": tls_folder / "server.pem",
                "listener.name.sasl_ssl.plain.sasl.jaas.config": plain,
                "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": scram,
            }
        lines["listeners"] = ",".join(f"{name}://127.0.0.1:{port}" for name, port in listeners.items())
        self.configuration.write_text("".join(f"{key}={value}\n" for key, value in lines.items()))

    def format(self, classes: str, cluster: str) -> subprocess.Popen[bytes]:
        return self._java(
            classes, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self.configuration),
            "--add-scram", f"SCRAM-SHA-512=[name={USERNAME},password={PASSWORD},iterations=4096]",
        )  # fmt: skip

    def start(self, classes: str) -> None:
        self._process = self._java(classes, "kafka.Kafka", str(self.configuration))

    def _java(self, classes: str, *arguments: str) -> subprocess.Popen[bytes]:
        options = [*self._options, "-XX:+UseSerialGC"]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [system_program("java"), *options, "-cp", classes, *arguments], stdout=log, stderr=log
            )

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(PATIENCE_SECONDS)
            self._process = None

    def send_signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    @property
    def process_id(self) -> int:
        assert self._process is not None
        return self._process.pid

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-4000:]


@dataclass(frozen=True)
class OneController:
    """The first node as the only controller: where it listens, and where the other nodes are told that it does.

    What is between the two can keep from them what has changed. They are not taken for dead so soon.
    """

    port: int
    told_port: int


class KafkaCluster:
    """A cluster of brokers, started on creation. `stop` ends all of them."""

    def __init__(
        self,
        folder: Path,
        *,
        nodes: int = 1,
        heap_mebibytes: int = 256,
        tls_folder: Path | None = None,
        quick_start: bool = True,
        controller: OneController | None = None,
    ) -> None:
        self.nodes = [
            KafkaNode(folder / f"broker-{number}", number, heap_mebibytes, quick_start)
            for number in range(1, nodes + 1)
        ]
        self._classes = classpath()
        self._configure(tls_folder, controller)
        # Not any first letter: one in 64 is a hyphen, and the program would take the id for an option.
        cluster = "H" + urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]
        for formatting in [node.format(self._classes, cluster) for node in self.nodes]:
            assert formatting.wait(PATIENCE_SECONDS) == 0, self.nodes[0].log()
        self.start()

    def _configure(self, tls_folder: Path | None, controller: OneController | None) -> None:
        first, count = self.nodes[0], len(self.nodes)
        voters = ",".join(f"{node.number}@127.0.0.1:{node.controller_port}" for node in self.nodes)
        if controller is None:
            for node in self.nodes:
                node.configure(voters, count, tls_folder, is_controller=True, session_ms=3000)
            return
        first.controller_port = controller.port
        for node in self.nodes:
            port = controller.port if node is first else controller.told_port
            voter = f"{first.number}@127.0.0.1:{port}"
            node.configure(voter, count, tls_folder, is_controller=node is first, session_ms=120_000)

    def start(self, nodes: Sequence[KafkaNode] | None = None) -> None:
        """Start these nodes (default: all), and wait until every running one is in the cluster."""
        try:
            for node in nodes or self.nodes:
                node.start(self._classes)
            self._wait()
        except BaseException:
            self.stop()
            raise

    def _wait(self) -> None:
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "logger": _silent()})
        deadline = time.monotonic() + PATIENCE_SECONDS
        expected = {node.number for node in self.nodes if node.running}
        while True:
            assert time.monotonic() < deadline, "\n".join(node.log() for node in self.nodes)
            assert all(node.running for node in self.nodes if node.number in expected), self.nodes[0].log()
            try:
                if expected <= set(admin.list_topics(timeout=2).brokers):
                    return
            except KafkaException:
                time.sleep(0.05)

    @property
    def bootstrap(self) -> str:
        return ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        for node in self.nodes:
            node.stop(number)


def _silent() -> object:
    import logging

    logger = logging.getLogger("kafka-start")
    logger.setLevel(logging.CRITICAL)
    return logger
