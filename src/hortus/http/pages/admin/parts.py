"""The parts of an installation as sentences: how each is, since when, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from hortus import __version__
from hortus.base.language.translation import gettext, ngettext
from hortus.domain.administration.figures import PartFigures
from hortus.domain.administration.storage import Storage
from hortus.domain.presence.judgement import ALIVE
from hortus.flow.migrations.revision import HEAD
from hortus.http.pages.admin.part import Knowledge, Link, Part
from hortus.http.pages.figures import count
from hortus.http.pages.sizes import size

_FULL_SOON_DAYS = 30.0
_SLOW_DATABASE = timedelta(milliseconds=250)


def parts_of(known: Knowledge) -> Sequence[Part]:
    """Return all parts in a fixed order."""
    return list(_parts(known))


def _parts(known: Knowledge) -> Iterator[Part]:
    yield _ingest(known)
    yield _jobs(known)
    yield _tasks(known)
    yield _database(known)
    if known.figures is None:
        return
    yield _storage(known.storage)
    yield Part(
        key="backups",
        name=gettext("Backups"),
        sign="attention",
        words=gettext("Hortus makes no backups yet, and cannot see whether others do."),
        link=Link("/admin/backups", gettext("How to back up")),
    )
    yield _gateways(known, known.figures)
    yield _boards(known.figures)
    yield _set_aside(known.figures)
    yield _mail(known, known.figures)
    yield Part(
        key="people",
        name=gettext("People"),
        sign="none",
        words=ngettext("%(n)s person", "%(n)s people", known.figures.people),
        link=Link("/admin/people", gettext("Show people")),
    )
    yield Part(
        key="version",
        name=gettext("Version"),
        sign="none",
        words=gettext("Hortus %(version)s is running", version=__version__),
        since=known.started_at,
    )


def _ingest(known: Knowledge) -> Part:
    name, figures, flow = gettext("Ingest"), known.figures, known.flow
    if flow is not None and not flow.is_healthy:
        since = known.now - timedelta(seconds=flow.oldest_wait_seconds) if not flow.is_flowing else None
        return Part(
            key="ingest",
            name=name,
            sign="failed",
            words=gettext("Messages wait and are not stored."),
            since=since,
            advice=flow.sentence,
        )
    if figures is None:
        return Part(key="ingest", name=name, sign="unknown", words=gettext("Not known without the database."))
    if figures.listening_until is not None and known.now - figures.listening_until > ALIVE:
        return Part(
            key="ingest",
            name=name,
            sign="failed",
            words=gettext("No process has listened to kits."),
            since=figures.listening_until,
            advice=gettext("Check that `hortus up` or `hortus ingest` is running."),
        )
    rate = round(figures.received * 60 / max(figures.received_seconds, 1.0))
    waiting = flow.messages_waiting if flow is not None else 0
    words = ngettext("%(n)s message a minute", "%(n)s messages a minute", rate)
    if not rate:
        words = gettext("Less than one message a minute")
    if waiting:
        words = gettext("Messages a minute: %(rate)s. Waiting: %(waiting)s.", rate=rate, waiting=waiting)
    if not figures.received:
        words = gettext("Nothing has arrived in this hour or the last.")
    return Part(
        key="ingest",
        name=name,
        sign="good" if figures.received else "none",
        words=words,
        since=None if figures.received else figures.last_stored_at,
        link=Link("/admin/health", gettext("Last 24 hours")),
    )


def _jobs(known: Knowledge) -> Part:
    name, more = gettext("Jobs"), Link("/admin/jobs", gettext("Queues"))
    if known.backlog is None:
        words = gettext("The queues cannot be read: the database does not answer.")
        return Part(key="jobs", name=name, sign="unknown", words=words, link=more)
    late = known.backlog.late
    if late:
        worst = max(late, key=lambda queue: queue.overdue_seconds)
        words = ngettext(
            "%(n)s queue is late: %(titles)s",
            "%(n)s queues are late: %(titles)s",
            len(late),
            titles=", ".join(queue.title for queue in late),
        )
        since, advice = worst.overdue_since(known.now), worst.sentence
        return Part(key="jobs", name=name, sign="failed", words=words, since=since, advice=advice, link=more)
    waiting = sum(queue.waiting for queue in known.backlog.queues)
    words = ngettext("In time, %(n)s thing waiting", "In time, %(n)s things waiting", waiting)
    return Part(key="jobs", name=name, sign="good", words=words, link=more)


def _tasks(known: Knowledge) -> Part:
    name, more = gettext("Tasks"), Link("/admin/health#tasks", gettext("Tasks"))
    faulty = [task for task in known.tasks if not task.is_healthy]
    if not faulty:
        words = ngettext(
            "%(n)s task of this process does its work",
            "All %(n)s tasks of this process do their work",
            len(known.tasks),
        )
        if not known.tasks:
            words = gettext("This process has no tasks of its own.")
        return Part(key="tasks", name=name, sign="good" if known.tasks else "none", words=words, link=more)
    first = faulty[0]
    return Part(
        key="tasks",
        name=name,
        sign="failed",
        words=gettext("The task %(name)s does not do its work.", name=first.name),
        since=known.now - timedelta(seconds=first.last_success_age_seconds),
        advice=first.fault or "",
        link=more,
    )


def _database(known: Knowledge) -> Part:
    name, figures = gettext("Database"), known.figures
    if figures is None:
        return Part(
            key="database",
            name=name,
            sign="failed",
            words=gettext("The database does not answer."),
            advice=gettext(
                "Check that PostgreSQL is running. Readings that kits send now wait; nothing is lost."
            ),
        )
    if figures.revision != HEAD:
        return Part(
            key="database",
            name=name,
            sign="failed",
            words=gettext("The database has not been upgraded to this version."),
            advice=gettext("Run `hortus db upgrade`."),
        )
    milliseconds = count(max(1, round(known.database_took / timedelta(milliseconds=1))))
    words = gettext(
        "Answers in %(milliseconds)s ms, %(size)s, up to date",
        milliseconds=milliseconds,
        size=size(figures.database_bytes),
    )
    slow = known.database_took > _SLOW_DATABASE
    return Part(key="database", name=name, sign="late" if slow else "good", words=words)


def _storage(storage: Storage | None) -> Part:
    more = Link("/admin/storage", gettext("Storage"))
    name = gettext("Storage")
    if storage is None:
        words = gettext("The sizes cannot be read right now.")
        return Part(key="storage", name=name, sign="unknown", words=words, link=more)
    if storage.disk is None:
        words = gettext(
            "%(size)s. The database runs where Hortus cannot see its disk.",
            size=size(storage.database + storage.media),
        )
        return Part(key="storage", name=name, sign="unknown", words=words, link=more)
    used = storage.disk.size - storage.disk.free
    words = gettext("%(used)s of %(size)s of the disk", used=size(used), size=size(storage.disk.size))
    days = storage.full_in_days
    if days is not None and days < _FULL_SOON_DAYS:
        words = ngettext(
            "%(used)s of %(size)s of the disk, full in about %(n)s day",
            "%(used)s of %(size)s of the disk, full in about %(n)s days",
            int(days),
            used=size(used),
            size=size(storage.disk.size),
        )
        return Part(key="storage", name=name, sign="attention", words=words, link=more)
    almost = storage.disk.free < storage.disk.size // 20
    return Part(key="storage", name=name, sign="attention" if almost else "good", words=words, link=more)


def _gateways(known: Knowledge, figures: PartFigures) -> Part:
    name, more = gettext("Gateways"), Link("/admin/devices", gettext("Devices"))
    if known.gateway_fault is not None:
        words = gettext("The gateway of this process does not work.")
        return Part(
            key="gateways", name=name, sign="failed", words=words, advice=known.gateway_fault, link=more
        )
    if not figures.gateways:
        words = gettext("Taking readings of boards") if known.has_gateway else gettext("No gateway")
        return Part(
            key="gateways", name=name, sign="good" if known.has_gateway else "none", words=words, link=more
        )
    words = ngettext("%(n)s gateway, last delivery", "%(n)s gateways, last delivery", figures.gateways)
    if figures.newest_delivery_at is None:
        words = ngettext("%(n)s gateway, no delivery yet", "%(n)s gateways, no delivery yet", figures.gateways)
    return Part(
        key="gateways", name=name, sign="good", words=words, since=figures.newest_delivery_at, link=more
    )


def _boards(figures: PartFigures) -> Part:
    n = figures.waiting_boards
    return Part(
        key="boards",
        name=gettext("Boards"),
        sign="attention" if n else "good",
        words=ngettext("%(n)s unknown board is heard", "%(n)s unknown boards are heard", n)
        if n
        else gettext("No unknown board is heard"),
        since=figures.first_waiting_board_at,
        link=Link("/admin/devices", gettext("Name or forget")) if n else None,
    )


def _set_aside(figures: PartFigures) -> Part:
    n = figures.set_aside
    return Part(
        key="set-aside",
        name=gettext("Set aside"),
        sign="late" if n else "good",
        words=ngettext("%(n)s message", "%(n)s messages", n) if n else gettext("Nothing is set aside"),
        link=Link("/admin/set-aside", gettext("Look at them")) if n else None,
    )


def _mail(known: Knowledge, figures: PartFigures) -> Part:
    name = gettext("Mail")
    if figures.given_up:
        words = ngettext(
            "%(n)s message could not be delivered in the last 24 hours",
            "%(n)s messages could not be delivered in the last 24 hours",
            figures.given_up,
        )
        advice = gettext("`hortus message list` says why.")
        return Part(key="mail", name=name, sign="attention", words=words, advice=advice)
    if not known.has_mail:
        return Part(
            key="mail",
            name=name,
            sign="none",
            words=gettext("No mail server is set up."),
            advice=gettext(
                "Without one, nobody gets mail, and only you can reset passwords. Set HORTUS_SMTP_URL."
            ),
        )
    if figures.accepted_at is None:
        return Part(key="mail", name=name, sign="none", words=gettext("No mail was sent in the last 7 days."))
    words = gettext("The mail server accepted the last mail")
    return Part(key="mail", name=name, sign="good", words=words, since=figures.accepted_at)
