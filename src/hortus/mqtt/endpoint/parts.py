"""The parts of an endpoint that all its connections share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hortus.mqtt.endpoint.broker import Broker
from hortus.mqtt.endpoint.counters import EndpointCounters
from hortus.mqtt.endpoint.gate import PublisherGate
from hortus.mqtt.endpoint.identity import OnRefused
from hortus.mqtt.endpoint.inbox import Inbox
from hortus.mqtt.endpoint.limits import EndpointLimits
from hortus.mqtt.endpoint.sessions import Session
from hortus.mqtt.endpoint.uploads import Uploads
from hortus.mqtt.packets import Connect, Will

if TYPE_CHECKING:
    from hortus.mqtt.endpoint.connection import Connection
    from hortus.mqtt.endpoint.directory import Directory


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a connection works with."""

    limits: EndpointLimits
    counters: EndpointCounters
    broker: Broker
    gate: PublisherGate
    uploads: Uploads
    inbox: Inbox
    directory: Directory
    begin_login: Callable[[Connection, Connect], asyncio.Task[None]]
    farewell: Callable[[Connection, Session, Will | None], None]
    on_refused: OnRefused
