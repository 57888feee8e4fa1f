"""Retained messages of topics outside `kit/`, in memory and bounded."""

from __future__ import annotations

from hortus.protocol.mqtt.endpoint.counters import EndpointCounters
from hortus.protocol.mqtt.endpoint.limits import EndpointLimits
from hortus.protocol.mqtt.endpoint.outbound import OutboundMessage
from hortus.protocol.mqtt.topics import filter_matches, parse_shared_filter


class RetainedMessages:
    """The last retained message of each topic (section 3.3.1.3)."""

    def __init__(self, *, limits: EndpointLimits, counters: EndpointCounters) -> None:
        self._limits = limits
        self._counters = counters
        self._messages: dict[str, OutboundMessage] = {}
        self._bytes = 0

    def keep(self, message: OutboundMessage) -> None:
        """Retain this message for later subscribers; an empty payload removes the retained one.

        Topics under `kit/` retain nothing: kit-mqtt 2 retains no message there, and a kit would mistake a
        retained answer of an earlier boot for the answer to its own request.
        """
        if message.topic.startswith("kit/"):
            return
        previous = self._messages.pop(message.topic, None)
        if previous is not None:
            self._bytes -= previous.held_bytes
        if not message.payload:
            return
        too_many = len(self._messages) >= self._limits.max_retained_messages
        if too_many or self._bytes + message.held_bytes > self._limits.max_retained_bytes:
            self._counters.retained_dropped += 1
            return
        self._messages[message.topic] = message._replace(retain=True)
        self._bytes += message.held_bytes

    def matching(self, topic_filter: str, now: float) -> list[OutboundMessage]:
        """Return the messages for a new subscription; a shared subscription gets none (section 4.8.2)."""
        if parse_shared_filter(topic_filter) is not None:
            return []
        found = []
        for topic, message in list(self._messages.items()):
            if message.expires_at is not None and message.expires_at <= now:
                del self._messages[topic]
                self._bytes -= message.held_bytes
            elif filter_matches(topic_filter, topic):
                found.append(message)
        return found
