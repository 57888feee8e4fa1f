"""What a kit says about itself: firmware often leaves "offline" as a will on a status topic of its own.

Such a topic is not in the kit protocol. What arrives on it are short texts, of which only the latest counts:
they are reported, so that they can be shown with the kit, instead of being set aside one by one. A kit has such
a topic only if its will is on it.
"""

from __future__ import annotations

from hortus.protocol.mqtt.endpoint.identity import Identity, IdentityKind, OnOwnWord
from hortus.protocol.mqtt.packets import Publish, Will
from hortus.protocol.mqtt.topics import is_extra_topic_of_kit

MAX_OWN_WORD_BYTES = 200


def status_topic_of(identity: Identity, will: Will | None) -> str | None:
    """Return the topic on which a kit speaks about itself, if it has one."""
    if will is None or identity.kind is not IdentityKind.KIT:
        return None
    return will.topic if is_extra_topic_of_kit(identity.name, will.topic) else None


class OwnWords:
    """Reports what kits say about themselves."""

    def __init__(self, on_own_word: OnOwnWord) -> None:
        self._on_own_word = on_own_word

    def take(self, identity: Identity, publish: Publish) -> bool:
        """Report a message on a status topic; return False, without doing so, if it is not a short text."""
        word = _word_in(publish.payload)
        if word is None:
            return False
        if word:  # an empty one clears a retained message
            self._on_own_word(identity.name, word)
        return True


def _word_in(payload: bytes) -> str | None:
    if len(payload) > MAX_OWN_WORD_BYTES:
        return None
    try:
        word = payload.decode().strip()
    except UnicodeDecodeError:
        return None
    return word if word.isprintable() else None
