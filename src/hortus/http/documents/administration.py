"""JSON objects of administration."""

from __future__ import annotations

from typing_extensions import TypedDict

from hortus.base.times import format_optional_time, format_time
from hortus.domain.administration.storage import GROWTH_DAYS, Storage
from hortus.domain.kits.people import ListedPerson
from hortus.http.conventions.replies import TimeText


class Person(TypedDict):
    """An account. `lastSeen` is null if no log-in or API key of it is left."""

    username: str
    displayName: str
    emailAddress: str
    isAdmin: bool
    kits: int
    created: TimeText
    lastSeen: TimeText | None


class PasswordLink(TypedDict):
    """A token with which a person chooses a password once: `POST /password-resets/redeem`, or on the pages."""

    username: str
    token: str


class MonthOfStorage(TypedDict):
    """Bytes of readings, aggregates and media whose device time is in this month (UTC)."""

    month: str
    readings: int
    aggregates: int
    media: int


class StorageReport(TypedDict):
    """Sizes in bytes. `fullInDays` assumes that the disk fills as in the last 30 days; null if unknown."""

    database: int
    readings: int
    aggregates: int
    rollups: int
    quarantine: int
    media: int
    grownBytes: int
    growthDays: int
    diskSize: int | None
    diskFree: int | None
    fullInDays: float | None
    months: list[MonthOfStorage]


class LogEntry(TypedDict):
    """Something that an administrator did."""

    id: int
    at: TimeText
    username: str
    deed: str
    subject: str
    count: int


class LastDay(TypedDict):
    """Counts by hour, oldest first. Messages of kits: stored to refused; to people: sent and givenUp."""

    hours: list[TimeText]
    stored: list[int]
    repeated: list[int]
    setAside: list[int]
    refused: list[int]
    sent: list[int]
    givenUp: list[int]


class UnknownSerial(TypedDict):
    """A serial that no kit has, and how many messages from it are in quarantine."""

    serial: str
    messages: int
    first: TimeText
    last: TimeText


def person_object(each: ListedPerson) -> Person:
    """Return an account as administrators see it."""
    return {
        "username": each.username,
        "displayName": each.display_name,
        "emailAddress": each.email_address,
        "isAdmin": each.is_admin,
        "kits": each.kits,
        "created": format_time(each.created_at),
        "lastSeen": format_optional_time(each.last_seen),
    }


def storage_object(storage: Storage) -> StorageReport:
    """Return what is stored."""
    disk = storage.disk
    return {
        "database": storage.database,
        "readings": storage.readings,
        "aggregates": storage.aggregates,
        "rollups": storage.rollups,
        "quarantine": storage.quarantine,
        "media": storage.media,
        "grownBytes": storage.grown_bytes,
        "growthDays": GROWTH_DAYS,
        "diskSize": disk.size if disk else None,
        "diskFree": disk.free if disk else None,
        "fullInDays": storage.full_in_days,
        "months": [
            {
                "month": f"{each.month.year:04d}-{each.month.month:02d}",
                "readings": each.readings,
                "aggregates": each.aggregates,
                "media": each.media,
            }
            for each in storage.months
        ],
    }
