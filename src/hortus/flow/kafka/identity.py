"""Which topic bears a name, judged from the answers of brokers, any of which may lag behind. Pure.

A topic that is deleted and made again gets another id, of which one broker may hear later than others, and an
answer does not say how old it is. But no id is used twice, so one that was replaced is the present one only if
a broker that lagged was believed.
"""

from __future__ import annotations

_ANSWERS_FOR_NEW = 3
_ANSWERS_FOR_REPLACED = 15


class TopicIdentity:
    """The id that a topic has. The first answer is believed at once; another, if it is given several times.

    `known`: the id that is believed. `last`: that of the last answer.
    """

    def __init__(self) -> None:
        self.known: str | None = None
        self.last: str | None = None
        self._replaced: set[str] = set()
        self._in_a_row = 0
        self._changes = 0

    @property
    def is_in_doubt(self) -> bool:
        """Whether the last answer was not the id that is believed."""
        return self.last != self.known

    @property
    def is_disputed(self) -> bool:
        """Whether answers with different ids took turns, so that a broker must be lagging behind."""
        return self._changes > 1

    def hear(self, topic_id: str) -> None:
        """Take note of an answer."""
        if topic_id != self.last:
            self._changes += self.last is not None
            self._in_a_row = 0
        self.last = topic_id
        self._in_a_row += 1
        if self.known is None:
            self.known = topic_id
        if self._in_a_row >= (_ANSWERS_FOR_REPLACED if topic_id in self._replaced else _ANSWERS_FOR_NEW):
            self._believe(topic_id)

    def _believe(self, topic_id: str) -> None:
        self._changes = 0
        if self.known is not None and topic_id != self.known:
            self._replaced = (self._replaced | {self.known}) - {topic_id}
            self.known = topic_id
