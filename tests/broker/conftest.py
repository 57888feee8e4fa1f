from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mosquitto_process import Mosquitto


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A running broker with the shipped configuration, the services' accounts and one kit."""
    broker = Mosquitto(tmp_path)
    broker.seed([("k-one", "one")])
    with broker.start():
        yield broker
