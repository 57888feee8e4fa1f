from __future__ import annotations

import pytest

from hortus.base.embedded_postgres.settings import MIB, BoxSize, configuration

GIB = 1024 * MIB


def settings(memory_bytes: int, disk_bytes: int) -> dict[str, str]:
    text = configuration(BoxSize(memory_bytes=memory_bytes, disk_bytes=disk_bytes))
    lines = [line.split(" = ") for line in text.splitlines() if not line.startswith("#")]
    return dict(lines)


@pytest.mark.parametrize(
    ("memory_bytes", "shared_buffers"),
    [(128 * MIB, "32MB"), (GIB, "128MB"), (4 * GIB, "512MB"), (64 * GIB, "1024MB")],
)
def test_the_cache_is_an_eighth_of_the_memory_within_bounds(memory_bytes, shared_buffers):
    assert settings(memory_bytes, 100 * GIB)["shared_buffers"] == shared_buffers


@pytest.mark.parametrize(
    ("disk_bytes", "max_wal_size"), [(2 * GIB, "256MB"), (16 * GIB, "819MB"), (1000 * GIB, "2048MB")]
)
def test_the_log_of_changes_takes_a_twentieth_of_the_disk_within_bounds(disk_bytes, max_wal_size):
    assert settings(GIB, disk_bytes)["max_wal_size"] == max_wal_size
