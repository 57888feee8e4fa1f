"""Words for the streams of messages, and for why one was set aside. Pure."""

from __future__ import annotations

from hortus.base.language.translation import gettext, gettext_noop
from hortus.protocol.reasons import Reason

_STREAMS = {
    "raw": gettext_noop("Readings"),
    "aggregate": gettext_noop("Summaries"),
    "media": gettext_noop("Pictures and files"),
    "other": gettext_noop("Other messages"),
}

_TITLES = {
    Reason.EMPTY_PAYLOAD: gettext_noop("Empty message"),
    Reason.PAYLOAD_TOO_LARGE: gettext_noop("Too large"),
    Reason.UNPACKED_TOO_LARGE: gettext_noop("Unpacks to too much"),
    Reason.UNDECODABLE: gettext_noop("Unreadable"),
    Reason.UNKNOWN_VARIANT: gettext_noop("Unknown kind of message"),
    Reason.BAD_ID: gettext_noop("Id of the wrong length"),
    Reason.NUMBER_OUT_OF_RANGE: gettext_noop("Number out of range"),
    Reason.VALUE_NOT_FINITE: gettext_noop("Value is not a number"),
    Reason.TIME_OUT_OF_RANGE: gettext_noop("Time out of range"),
    Reason.AGGREGATE_WITHOUT_VALUES: gettext_noop("Summary without values"),
    Reason.AGGREGATE_TOO_MANY_VALUES: gettext_noop("Summary with too many values"),
    Reason.AGGREGATE_TYPE_LENGTH: gettext_noop("Name of a value too long or empty"),
    Reason.AGGREGATE_END_BEFORE_START: gettext_noop("Summary ends before it starts"),
    Reason.TEXT_TOO_LONG: gettext_noop("Text too long"),
    Reason.TEXT_NOT_UTF8: gettext_noop("Text is not UTF-8"),
    Reason.TEXT_WITH_NUL: gettext_noop("Text with a zero character"),
    Reason.UNKNOWN_KIT: gettext_noop("Unknown kit"),
    Reason.UNKNOWN_PERIPHERAL: gettext_noop("Unknown peripheral"),
    Reason.DELETED_CONFIGURATION: gettext_noop("Deleted configuration"),
    Reason.FOREIGN_PERIPHERAL: gettext_noop("Peripheral of another kit"),
    Reason.UNKNOWN_QUANTITY_TYPE: gettext_noop("Unknown quantity type"),
    Reason.TIME_IN_FUTURE: gettext_noop("Time in the future"),
    Reason.TIME_TOO_OLD: gettext_noop("Time too far in the past"),
    Reason.TOPIC_OUTSIDE_CONTRACT: gettext_noop("Unknown topic"),
    Reason.TOPIC_NOT_ALLOWED: gettext_noop("Topic of another kit"),
    Reason.METADATA_NOT_JSON: gettext_noop("Unreadable description of a picture"),
    Reason.MEDIA_ID_TAKEN: gettext_noop("Id of another kit's picture"),
    Reason.MEDIA_STORAGE_PENDING: gettext_noop("No place for pictures"),
    Reason.TOO_MANY_MONTHS: gettext_noop("Too many old months"),
    Reason.REFUSED_BY_DATABASE: gettext_noop("Refused by the database"),
    Reason.DATABASE_DAMAGED: gettext_noop("Damaged place in the database"),
    Reason.QUARANTINE_FULL: gettext_noop("No more room"),
}

# What waits for somebody, and is right once they have done it.
_WAITING = {
    Reason.DELETED_CONFIGURATION: gettext_noop(
        "These readings wait: the kit still runs a configuration that was deleted. Bring that configuration "
        "back and they are stored, or restart the kit so that it fetches the active one."
    ),
    Reason.TOO_MANY_MONTHS: gettext_noop(
        "These readings wait: they are of more old months than a kit may begin within an hour. Check the clock "
        "of the kit. If it is right, try them again in an hour."
    ),
    Reason.MEDIA_STORAGE_PENDING: gettext_noop(
        "These pictures wait: this server has no place for pictures yet. Once it has one, try them again."
    ),
    Reason.DATABASE_DAMAGED: gettext_noop(
        "These messages wait: the place in the database where they belong is damaged on disk. Once an "
        "administrator has repaired it, try them again."
    ),
}


def stream_name(stream: str) -> str:
    """Return the name of a stream."""
    return gettext(_STREAMS[stream]) if stream in _STREAMS else stream


def reason_title(reason: str) -> str:
    """Return a reason in a few words. The database may contain reasons of a later version."""
    known = next((each for each in Reason if each.value == reason), None)
    return gettext(_TITLES[known]) if known in _TITLES else reason


def waiting_advice(reason: str) -> str:
    """Return what messages wait for, as sentences; an empty text if they wait for nothing in particular."""
    known = next((each for each in _WAITING if each.value == reason), None)
    return "" if known is None else gettext(_WAITING[known])
