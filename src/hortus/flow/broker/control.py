"""A client of Mosquitto's dynamic-security plugin that uses its control topic."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
from types import TracebackType
from typing import Any

from hortus.base.errors import OperationalError
from hortus.flow.broker.roles import CONTROL_RESPONSE_TOPIC, CONTROL_TOPIC
from hortus.protocol.mqtt.client import (
    BrokerAddress,
    BrokerUnreachableError,
    ClientLimits,
    MqttClient,
)

log = logging.getLogger(__name__)

_ANSWER_TIMEOUT_SECONDS = 30.0
_ENTRIES_PER_PAGE = 500


class BrokerCommandError(OperationalError):
    """The plugin rejected a command. `error` is its own message."""

    def __init__(self, command: str, error: str) -> None:
        super().__init__(f"The broker rejected {command}: {error}.")
        self.error = error


class ControlClient:
    """Sends commands and waits for the responses; an asynchronous context manager.

    The account needs the permissions of `roles.control_permissions` or the plugin's own role "admin".
    """

    def __init__(self, address: BrokerAddress, limits: ClientLimits | None = None) -> None:
        self._client = MqttClient(
            address, client_id=f"hortus-control-{secrets.token_hex(8)}", limits=limits or ClientLimits()
        )
        self._client.subscribe(CONTROL_RESPONSE_TOPIC, self._take_answer)
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._running: asyncio.Task[None] | None = None

    @property
    def reconnects(self) -> int:
        """The number of reconnects so far. The broker may have lost state at each."""
        return self._client.reconnects

    async def __aenter__(self) -> ControlClient:
        self._running = asyncio.create_task(self._client.run())
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._client.stop()
        if self._running is not None:
            await self._running

    async def wait_until_ready(self, timeout_seconds: float) -> None:
        """Wait until connected. Raises BrokerUnreachableError with the reason after the timeout."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._client.wait_until_ready()
        except TimeoutError as error:
            raise BrokerUnreachableError(
                self._client.last_failure or "The broker does not answer; check that it runs."
            ) from error

    async def execute(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Execute one command and return the data of its response.

        Each message carries one command: the plugin writes its file after every command, and the broker serves
        its clients only between messages. Raises BrokerCommandError, BrokerUnreachableError or
        ConnectionLostError.
        """
        key = secrets.token_hex(8)
        answered: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[key] = answered
        request = {"commands": [{"command": command, **arguments, "correlationData": key}]}
        try:
            await self._client.publish(CONTROL_TOPIC, json.dumps(request).encode())
            async with asyncio.timeout(_ANSWER_TIMEOUT_SECONDS):
                answer = await answered
        except TimeoutError as error:
            raise BrokerUnreachableError(
                f"The broker did not answer {command}; check that its dynamic-security plugin is loaded."
            ) from error
        finally:
            del self._waiting[key]
        if "error" in answer:
            raise BrokerCommandError(command, str(answer["error"]))
        data = answer.get("data", {})
        return data if isinstance(data, dict) else {}

    async def list_all(self, command: str, member: str) -> list[dict[str, Any]]:
        """Return all entries of `listClients` or `listRoles`, fetched in pages."""
        entries: list[dict[str, Any]] = []
        while True:
            data = await self.execute(command, verbose=True, count=_ENTRIES_PER_PAGE, offset=len(entries))
            page = data.get(member, [])
            entries.extend(page)
            if len(page) < _ENTRIES_PER_PAGE:
                return entries

    def _take_answer(self, _topic: str, payload: bytes) -> None:
        answers: Any = None
        with contextlib.suppress(ValueError):
            answers = json.loads(payload)
        try:
            answer = answers["responses"][0]
            key = answer.get("correlationData")
        except (TypeError, LookupError, AttributeError):
            log.warning("ignored a message on the broker's control topic that is not a response")
            return
        answered = self._waiting.get(key)
        if answered is not None and not answered.done():
            answered.set_result(answer)
