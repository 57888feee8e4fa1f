"""Why a message was not stored: one table of reasons with their plain explanations.

The value of a reason is recorded in the ledger, the quarantine and metrics, so it never changes once released.
The explanation is shown to growers on the quarantine page. This module imports nothing of Hortus, so that the
wire codec, ingest and the pages can all use it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Reason(StrEnum):
    """Why a message was quarantined or refused, for machines; `explanation` is the text for people."""

    explanation: str

    def __new__(cls, name: str, explanation: str) -> Self:
        """Create a member from its row of the table."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.explanation = explanation
        return member

    # Detectable from the bytes alone: raised by the wire codec.
    EMPTY_PAYLOAD = (
        "empty-payload",
        "The message was empty. This happens when a retained message is cleared on the broker.",
    )
    PAYLOAD_TOO_LARGE = (
        "payload-too-large",
        "The message is larger than any message of its kind may be.",
    )
    UNPACKED_TOO_LARGE = (
        "unpacked-too-large",
        "The message is small but claims to unpack to far more than a message of its kind can hold.",
    )
    UNDECODABLE = (
        "undecodable",
        "The message is damaged or is not a message of the kit protocol.",
    )
    UNKNOWN_VARIANT = (
        "unknown-variant",
        "The message uses a method or an answer that this version of Hortus does not know.",
    )
    BAD_ID = (
        "bad-id",
        "The id of the message is not 16 bytes long, so a repeated delivery could not be recognised.",
    )
    NUMBER_OUT_OF_RANGE = (
        "number-out-of-range",
        "A number in the message does not fit the place that the kit protocol has for it.",
    )
    VALUE_NOT_FINITE = (
        "value-not-finite",
        "The measured value is not a number or is infinite. The sensor or its driver probably failed.",
    )
    TIME_OUT_OF_RANGE = (
        "time-out-of-range",
        "The time lies after the year 9999 and cannot be stored. Check the clock of the kit.",
    )
    AGGREGATE_WITHOUT_VALUES = (
        "aggregate-without-values",
        "The summary contains no values.",
    )
    AGGREGATE_TOO_MANY_VALUES = (
        "aggregate-too-many-values",
        "The summary contains more than 16 different values.",
    )
    AGGREGATE_TYPE_LENGTH = (
        "aggregate-type-length",
        "A value in the summary has a name that is empty or longer than 50 characters.",
    )
    AGGREGATE_END_BEFORE_START = (
        "aggregate-end-before-start",
        "The summary ends before it starts. The clock of the kit was probably set back in between.",
    )
    TEXT_TOO_LONG = (
        "text-too-long",
        "A text in the message is longer than it may be.",
    )
    TEXT_NOT_UTF8 = (
        "text-not-utf8",
        "A text in the message contains bytes that are not text (UTF-8).",
    )
    TEXT_WITH_NUL = (
        "text-with-nul",
        "A text in the message contains a zero character, which the database cannot store.",
    )

    # Detectable only with the kit's configuration, the clock and the topic: found by ingest.
    UNKNOWN_KIT = (
        "unknown-kit",
        "No kit with this serial is registered here.",
    )
    UNKNOWN_PERIPHERAL = (
        "unknown-peripheral",
        "The message names a peripheral that does not exist. It may have been deleted.",
    )
    DELETED_CONFIGURATION = (
        "deleted-configuration",
        "The configuration that the kit runs was deleted. Bring it back, or restart the kit with another one.",
    )
    FOREIGN_PERIPHERAL = (
        "foreign-peripheral",
        "The message names a peripheral that belongs to another kit.",
    )
    UNKNOWN_QUANTITY_TYPE = (
        "unknown-quantity-type",
        "The message names a quantity type that does not exist.",
    )
    TIME_IN_FUTURE = (
        "time-in-future",
        "The time of the message lies in the future. Check the clock of the kit.",
    )
    TIME_TOO_OLD = (
        "time-too-old",
        "The time of the message lies too far in the past. Check the clock of the kit.",
    )
    TOPIC_OUTSIDE_CONTRACT = (
        "topic-outside-contract",
        "The message was sent to a topic that the kit protocol does not have.",
    )
    TOPIC_NOT_ALLOWED = (
        "topic-not-allowed",
        "The sender may not publish on this topic. A kit writes on its own topics only.",
    )
    METADATA_NOT_JSON = (
        "metadata-not-json",
        "What the kit says about the picture or file is not JSON, or nested too deeply.",
    )
    MEDIA_ID_TAKEN = (
        "media-id-taken",
        "Another kit has a picture or file with this id already. Ids must be random.",
    )
    MEDIA_STORAGE_PENDING = (
        "media-storage-pending",
        "No place for pictures and files is set (HORTUS_MEDIA_URL). The message is kept and can be replayed.",
    )
    TOO_MANY_MONTHS = (
        "too-many-months",
        "The kit sent readings of very many old months. Check its clock; if it is right, replay in an hour.",
    )
    REFUSED_BY_DATABASE = (
        "refused-by-database",
        "The database refused to store the message. It is kept and can be replayed.",
    )
    DATABASE_DAMAGED = (
        "database-damaged",
        "The place in the database where this belongs is damaged on disk. Once repaired, it can be replayed.",
    )
    QUARANTINE_FULL = (
        "quarantine-full",
        "So many messages of this kit were set aside that the oldest of them were thrown away to make room.",
    )


def explanation_of(name: str) -> str:
    """Return the explanation of a reason by its recorded name; empty for a name from another version."""
    return next((reason.explanation for reason in Reason if reason.value == name), "")
