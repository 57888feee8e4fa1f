"""How an attempt to deliver ended."""

from __future__ import annotations

from dataclasses import dataclass

from hortus.base.errors import OperationalError
from hortus.domain.messages.tables import MOST_FAILURE_CHARACTERS


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMessage:
    """What is delivered. `message_id` stays the same in every attempt."""

    message_id: str
    recipient: str
    subject: str
    body: str


class NotDelivered(OperationalError):
    """The message was not taken. `permanent`: it never will be, so trying again is of no use."""

    def __init__(self, reason: str, *, permanent: bool = False) -> None:
        super().__init__(one_line(reason, MOST_FAILURE_CHARACTERS))
        self.permanent = permanent


def one_line(text: str, most: int) -> str:
    """Return the text without line breaks and other control characters, and not longer than `most`.

    Names of plants go into subjects: with a line break in them, they could add headers to a mail.
    """
    printable = "".join(character if character.isprintable() else " " for character in text)
    single = " ".join(printable.split())
    return single if len(single) <= most else single[: most - 1] + "…"
