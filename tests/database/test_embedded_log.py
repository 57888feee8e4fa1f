from __future__ import annotations

import os

import pytest

from hortus.base.embedded_postgres import log as embedded_log
from hortus.base.embedded_postgres.log import PortTaken, PostgresLog, explain


def test_the_log_and_its_predecessor_stay_bounded_while_the_server_writes(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded_log, "MAX_LOG_BYTES", 1000)
    log = PostgresLog(tmp_path / "logs" / "postgres.log")
    descriptor = log.open()
    try:
        for number in range(100):
            os.write(descriptor, f"{number:99}\n".encode())
            log.bound()
            assert sum(path.stat().st_size for path in log.path.parent.iterdir()) <= 2000
    finally:
        os.close(descriptor)

    assert {path.name for path in log.path.parent.iterdir()} == {"postgres.log", "postgres.log.1"}
    assert {path.stat().st_mode & 0o777 for path in log.path.parent.iterdir()} == {0o600}


def test_only_what_this_start_wrote_explains_it(tmp_path):
    log = PostgresLog(tmp_path / "postgres.log")
    log.path.write_text("FATAL:  an old reason\n")
    descriptor = log.open()
    os.write(descriptor, b"FATAL:  a new reason\n")
    os.close(descriptor)

    assert log.read() == "FATAL:  a new reason\n"


@pytest.mark.parametrize(
    ("logged", "sentence"),
    [
        (
            'PANIC:  could not write to file "pg_wal/xlogtemp.1": No space left on device',
            "PostgreSQL could not start: the disk is full. Free some space and start again.",
        ),
        (
            'FATAL:  could not open file "postmaster.pid": Read-only file system',
            "PostgreSQL could not start: /d is on a read-only file system. Choose another directory.",
        ),
        (
            "LOG:  starting\nFATAL:  configuration file contains errors",
            "PostgreSQL could not start: configuration file contains errors. Its log is /l.",
        ),
        ("", "PostgreSQL could not start: it gave no reason. Its log is /l."),
    ],
)
def test_a_reason_is_explained_to_a_person(tmp_path, logged, sentence):
    assert str(explain(logged, tmp_path.__class__("/d"), tmp_path.__class__("/l"))) == sentence


def test_a_taken_port_is_distinguished_so_that_another_is_tried(tmp_path):
    logged = 'LOG:  could not bind IPv4 address "127.0.0.1": Address already in use'

    assert isinstance(explain(logged, tmp_path, tmp_path), PortTaken)
