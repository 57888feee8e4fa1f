"""How commands get to kits: through the built-in endpoint, or an external broker."""

from __future__ import annotations

from hortus.flow.commands.transport import NotSent
from hortus.protocol.mqtt.client import BrokerUnreachableError, MqttClient
from hortus.protocol.mqtt.endpoint import MqttEndpoint
from hortus.protocol.mqtt.topics import KitTopic


class EndpointTransport:
    """To kits that are connected to this very process."""

    def __init__(self, endpoint: MqttEndpoint) -> None:
        self._endpoint = endpoint

    @property
    def connected(self) -> bool:
        """Always: it is this process."""
        return True

    async def send(self, topic: KitTopic, payload: bytes, *, expiry_seconds: int) -> bool:
        """Deliver at once."""
        if not self._endpoint.is_kit_connected(topic.serial):
            return False
        return self._endpoint.publish(str(topic), payload, qos=1, expiry_seconds=expiry_seconds) > 0

    async def publish(self, topic: str, payload: bytes) -> bool:
        """Deliver an answer at once."""
        return self._endpoint.publish(topic, payload, qos=1) > 0


class BrokerTransport:
    """Through an external broker, which tells us whether the kit has subscribed (MQTT 5, section 3.4.2.1)."""

    def __init__(self, client: MqttClient) -> None:
        self._client = client

    @property
    def connected(self) -> bool:
        """Whether the broker has let us in, and lets us hear answers."""
        return self._client.connected

    async def send(self, topic: KitTopic, payload: bytes, *, expiry_seconds: int) -> bool:
        """Publish, and wait until the broker has it."""
        try:
            return await self._client.publish(str(topic), payload, qos=1, expiry_seconds=expiry_seconds)
        except BrokerUnreachableError as error:
            raise NotSent(str(error)) from error
