"""A message as it is handed to a transport, and the error when it is not delivered."""

from __future__ import annotations

from dataclasses import dataclass

from hortus.base.errors import OperationalError
from hortus.domain.messages.tables import MOST_FAILURE_CHARACTERS


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMessage:
    """A message to deliver. `message_id` is the same in every attempt."""

    message_id: str
    recipient: str
    subject: str
    body: str


class NotDelivered(OperationalError):
    """The message was not accepted. `permanent`: a retry would fail, too."""

    def __init__(self, reason: str, *, permanent: bool = False) -> None:
        super().__init__(one_line(reason, MOST_FAILURE_CHARACTERS))
        self.permanent = permanent


def one_line(text: str, most: int) -> str:
    """Return the text without line breaks and other control characters, at most `most` characters long.

    Subjects contain plant names: a line break in one could add headers to a mail.
    """
    printable = "".join(character if character.isprintable() else " " for character in text)
    single = " ".join(printable.split())
    return single if len(single) <= most else single[: most - 1] + "…"
