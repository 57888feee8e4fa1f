"""The way from the reader to the sensors of a kit: link by link, each with its proof."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from hortus.base.language.translation import gettext
from hortus.domain.presence.judgement import PresenceState
from hortus.flow.diagnosis.facts import ConnectionFacts
from hortus.flow.diagnosis.findings import findings
from hortus.http.monitoring.backlog import Backlog
from hortus.http.pages.kits.device_links import BY_PRESENCE, links_of_device
from hortus.http.pages.kits.links import Link, LinkState
from hortus.http.pages.kits.trouble_words import ShownTrouble, shown_trouble
from hortus.http.pages.times import clock_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Eyes:
    """What a viewer may see: addresses if they configure the kit, our own works if they administrate.

    `log_ins`: kits connect to this process, so their log-ins are seen.
    """

    addresses: bool
    works: bool
    log_ins: bool = False
    mail_is_set_up: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The whole chain. `first` is the sentence about the first broken link."""

    first: str
    is_good: bool
    links: Sequence[Link]
    troubles: Sequence[ShownTrouble]
    now: datetime


def chain_of(facts: ConnectionFacts, backlog: Backlog | None, zone: tzinfo, now: datetime, eyes: Eyes) -> Chain:
    """Return the chain of a kit, for a viewer who is one of its people."""
    troubles = [shown_trouble(each, zone, now) for each in findings(facts, now)]
    links = [
        _you(),
        *_hortus(facts, backlog, eyes),
        _door(facts, zone, now, eyes),
        *links_of_device(facts, now),
    ]
    return Chain(
        first=troubles[0].sentence if troubles else state_sentence(facts, zone, now),
        is_good=not troubles,
        links=links,
        troubles=troubles,
        now=now,
    )


def state_sentence(facts: ConnectionFacts, zone: tzinfo, now: datetime) -> str:
    """Return how the kit is, in one sentence that tells nobody anything about its account."""
    presence = facts.presence
    last = presence.last_contact_at
    match presence.state:
        case PresenceState.NEVER:
            return gettext("The kit has not connected yet.")
        case PresenceState.OFFLINE if last is not None:
            at = clock_text(last, zone, beside=now)
            return gettext("The kit has been silent since %(time)s.", time=at)
        case PresenceState.LATE:
            return gettext("The kit is late: less arrives than it should.")
        case _ if not facts.series:
            return gettext("The kit is online.")
        case _:
            return gettext("The kit is online, and its sensors send.")


def _you() -> Link:
    return Link(key="you", name=gettext("You"), state=LinkState.GOOD, proof=gettext("This page reached you."))


def _hortus(facts: ConnectionFacts, backlog: Backlog | None, eyes: Eyes) -> list[Link]:
    newest = max((each.last_at for each in facts.series if each.last_at), default=None)
    links = [
        Link(
            key="hortus",
            name=gettext("Hortus"),
            state=LinkState.GOOD,
            proof=gettext("It reads and stores; the newest stored reading of this kit:")
            if newest
            else gettext("It reads and stores; nothing of this kit is stored yet."),
            seen_at=newest,
        )
    ]
    if not eyes.works:
        return links
    late = backlog.late if backlog else []
    jobs_state = LinkState.UNKNOWN if backlog is None else LinkState.BAD if late else LinkState.GOOD
    proof = late[0].sentence if late else gettext("Background work is in time.")
    links.append(
        Link(
            key="jobs",
            name=gettext("Background work"),
            state=jobs_state,
            proof=proof if backlog else gettext("It could not be asked."),
            depth=1,
        )
    )
    links.append(
        Link(
            key="mail",
            name=gettext("Email"),
            state=LinkState.GOOD if eyes.mail_is_set_up else LinkState.UNKNOWN,
            proof=gettext("A mail server is set up.") if eyes.mail_is_set_up else gettext("It is not set up."),
            depth=1,
        )
    )
    return links


def _door(facts: ConnectionFacts, zone: tzinfo, now: datetime, eyes: Eyes) -> Link:
    """Return the link between the kit and us: the log-in, or for boards the gateway."""
    if facts.board is not None:
        return _gateway(facts, eyes)
    name = gettext("Log-in")
    log_ins = facts.log_ins
    refused = [each for each in findings(facts, now)[:1] if each.at == log_ins.refused_at and each.at]
    if refused:
        shown = shown_trouble(refused[0], zone, now).sentence
        if log_ins.refused_from and eyes.addresses:
            shown = gettext("%(sentence)s From %(address)s.", sentence=shown, address=log_ins.refused_from)
        return Link(key="door", name=name, state=LinkState.BAD, proof=shown, seen_at=log_ins.logged_in_at)
    if facts.is_connected is False:
        at = _when(facts.connection_changed_at, zone, now)
        proof = gettext("Disconnected since %(time)s.", time=at)
        return Link(key="door", name=name, state=LinkState.BAD, proof=proof, seen_at=log_ins.logged_in_at)
    if facts.is_connected:
        at = _when(facts.connection_changed_at, zone, now)
        proof = gettext("Connected since %(time)s.", time=at)
        if log_ins.logged_in_from and eyes.addresses:
            address = log_ins.logged_in_from
            proof = gettext("Connected since %(time)s, from %(address)s.", time=at, address=address)
        return Link(key="door", name=name, state=LinkState.GOOD, proof=proof, seen_at=log_ins.logged_in_at)
    return Link(
        key="door",
        name=name,
        state=LinkState.UNKNOWN,
        proof=gettext("The kit has not logged in here yet.")
        if eyes.log_ins and log_ins.logged_in_at is None
        else gettext("Not seen here. If kits connect to another broker, only traffic counts."),
        seen_at=log_ins.logged_in_at,
    )


def _gateway(facts: ConnectionFacts, eyes: Eyes) -> Link:
    board = facts.board
    assert board is not None
    name = gettext("Gateway")
    if board.gateway is None:
        proof = gettext("No gateway has delivered a reading of this board yet.")
        return Link(key="door", name=name, state=LinkState.UNKNOWN, proof=proof)
    proof = gettext("Readings come through the gateway %(name)s.", name=board.gateway)
    if board.address and eyes.addresses:
        proof = gettext(
            "Readings come through the gateway %(name)s, from %(address)s.",
            name=board.gateway,
            address=board.address,
        )
    state = BY_PRESENCE[facts.presence.state]
    return Link(key="door", name=name, state=state, proof=proof, seen_at=facts.presence.last_contact_at)


def _when(moment: datetime | None, zone: tzinfo, now: datetime) -> str:
    return "" if moment is None else clock_text(moment, zone, beside=now, seconds=True)
