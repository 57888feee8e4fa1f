"""The kits' own record of what they sent and what they were told, kept outside everything under test."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

from fault_readings import Message


class Journal:
    """Notes each message when it is first written to a connection, and each word of the server about it.

    `taken` is the first acknowledgement (PUBACK, PUBREC), `finished` the last (PUBACK, PUBCOMP), with the time
    of the monotonic clock. `deliveries` counts every PUBLISH written, repetitions included. Every event is a
    line in the file as well, for a person who has to find out what happened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sent: dict[int, Message] = {}
        self.taken: dict[int, float] = {}
        self.finished: dict[int, float] = {}
        self.deliveries: Counter[int] = Counter()
        self._file = path.open("w", encoding="utf-8", buffering=1)

    def note_written(self, message: Message) -> None:
        """A PUBLISH is about to be written."""
        self.deliveries[message.number] += 1
        if message.number not in self.sent:
            self.sent[message.number] = message
            self._note("sent", message)
        else:
            self._note("again", message)

    def note_taken(self, message: Message) -> None:
        """The server has taken the message over."""
        if message.number not in self.taken:
            self.taken[message.number] = time.monotonic()
            self._note("taken", message)

    def note_finished(self, message: Message) -> None:
        """The server will not hear of this message again."""
        self.finished[message.number] = time.monotonic()
        self._note("finished", message)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _note(self, event: str, message: Message) -> None:
        what = message.reading or f"rubbish:{message.reason}"
        self._file.write(
            f"{time.time():.3f} {event} {message.number} kit={message.kit_id} {message.stream} {what}\n"
        )
