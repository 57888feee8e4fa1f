"""The packet identifiers of messages that a client has sent and that are not completely acknowledged."""

from __future__ import annotations

from hortus.protocol.mqtt.packets import MqttProtocolError, Publish, ReasonCode


class OpenPacketIds:
    """Messages of one connection without PUBACK (QoS 1) or PUBCOMP (QoS 2), at most `receive_maximum` of them.

    `unsettled` holds those without any answer. `received` belongs to the session: by packet identifier, a
    fingerprint of each QoS 2 message between our PUBREC and the client's PUBREL. A client that lost its memory,
    but not its session, begins again at identifier 1: its new message must not be taken for the old one, or it
    would be acknowledged and not stored.
    """

    def __init__(self, received: dict[int, int], receive_maximum: int) -> None:
        self.unsettled: dict[int, Publish] = {}
        self._received = received
        self._receive_maximum = receive_maximum
        # Of `received` those that came over this connection: they count towards its maximum (section 4.9).
        self._unreleased: set[int] = set()

    def is_new(self, publish: Publish) -> bool:
        """Return whether this message, of QoS 1 or 2, is not a repetition.

        Raises MqttProtocolError if it is another message than the unsettled one with its identifier, or if the
        client has sent more than it may.
        """
        packet_id = publish.packet_id
        if packet_id in self.unsettled:
            first = self.unsettled[packet_id]
            if publish.duplicate and publish.payload == first.payload and publish.topic == first.topic:
                return False
            raise MqttProtocolError(
                ReasonCode.PACKET_IDENTIFIER_IN_USE,
                "A packet identifier was used for another message before the first was acknowledged.",
            )
        unreleased = self._unreleased
        if len(self.unsettled) + len(unreleased) >= self._receive_maximum and packet_id not in unreleased:
            raise MqttProtocolError(
                ReasonCode.RECEIVE_MAXIMUM_EXCEEDED,
                f"More than {self._receive_maximum} messages were sent without awaiting acknowledgements.",
            )
        if publish.qos == 1:
            return True
        if self._received.get(packet_id) == _fingerprint(publish):
            return False
        unreleased.discard(packet_id)
        return True

    def receive(self, publish: Publish) -> int:
        """Register that PUBREC is sent for a QoS 2 message; return how many of the session await PUBREL."""
        self._received[publish.packet_id] = _fingerprint(publish)
        self._unreleased.add(publish.packet_id)
        return len(self._received)

    def release(self, packet_id: int) -> bool:
        """Complete a QoS 2 message; return whether there was one.

        Raises MqttProtocolError if it is not settled: PUBCOMP would say that it is safe.
        """
        if packet_id in self.unsettled:
            raise MqttProtocolError(
                ReasonCode.PROTOCOL_ERROR, "A message was released (PUBREL) before it was received (PUBREC)."
            )
        self._unreleased.discard(packet_id)
        return self._received.pop(packet_id, None) is not None


def _fingerprint(publish: Publish) -> int:
    # Sessions live in memory, so a fingerprint may differ from process to process.
    return hash((publish.topic, publish.payload))
