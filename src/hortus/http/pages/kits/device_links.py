"""The links of a kit or board: itself, its configuration, commands and clock, and its sensors."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from hortus.base.language.translation import gettext, ngettext
from hortus.domain.presence.judgement import PresenceState
from hortus.domain.series.freshness import Freshness
from hortus.domain.series.listing import ListedSeries
from hortus.flow.commands.outcome import TIMED_OUT
from hortus.flow.diagnosis.facts import ConnectionFacts
from hortus.flow.diagnosis.findings import CLOCK_TOLERANCE
from hortus.http.pages.kits.links import Link, LinkState
from hortus.http.pages.times import duration, precise_duration

BY_PRESENCE = {
    PresenceState.ONLINE: LinkState.GOOD,
    PresenceState.LATE: LinkState.LATE,
    PresenceState.OFFLINE: LinkState.BAD,
    PresenceState.NEVER: LinkState.UNKNOWN,
}


def links_of_device(facts: ConnectionFacts, now: datetime) -> list[Link]:
    """Return the links of the kit or board itself, and of what hangs on it."""
    device = Link(
        key="kit",
        name=gettext("Board") if facts.is_board else gettext("Kit"),
        state=BY_PRESENCE[facts.presence.state],
        proof=_device_proof(facts),
        seen_at=facts.presence.last_contact_at,
    )
    links = [device]
    if not facts.is_board:
        links += [_configuration(facts), _commands(facts), _clock(facts)]
    return links + [_sensor(each, now) for each in _by_sensor(facts)]


def _device_proof(facts: ConnectionFacts) -> str:
    if facts.presence.last_contact_at is None:
        return gettext("Nothing has arrived yet.")
    shortest = min((each.interval_seconds for each in facts.series), default=None)
    if shortest is None:
        return gettext("Its last message:")
    return gettext("Expected every %(interval)s; its last message:", interval=duration(shortest))


def _configuration(facts: ConnectionFacts) -> Link:
    state = facts.configuration
    name = gettext("Configuration")
    assert state is not None
    title = facts.configuration_name or gettext("without a name")
    if state.active_id is None:
        proof = gettext("None is active, so the kit measures nothing.")
        return Link(key="configuration", name=name, state=LinkState.BAD, proof=proof, depth=1)
    if state.faults:
        proof = gettext("“%(name)s” cannot be run: %(reason)s", name=title, reason=state.faults[0])
        return Link(key="configuration", name=name, state=LinkState.BAD, proof=proof, depth=1)
    if state.is_current:
        proof = gettext("The kit runs “%(name)s”.", name=title)
        return Link(
            key="configuration",
            name=name,
            state=LinkState.GOOD,
            proof=proof,
            seen_at=state.fetched_at,
            depth=1,
        )
    proof = (
        gettext("“%(name)s” is active, but the kit does not run it yet.", name=title)
        if state.was_heard
        else gettext("“%(name)s” waits for the kit to fetch it.", name=title)
    )
    is_known = state.runs_nothing or state.running_id is not None
    return Link(
        key="configuration",
        name=name,
        state=LinkState.BAD if is_known else LinkState.UNKNOWN,
        proof=proof,
        seen_at=state.fetched_at,
        depth=1,
    )


def _commands(facts: ConnectionFacts) -> Link:
    last = facts.last_command
    name = gettext("Commands")
    if last is None:
        proof = gettext("None was sent yet.")
        return Link(key="commands", name=name, state=LinkState.UNKNOWN, proof=proof, depth=1)
    if last.error == TIMED_OUT:
        proof, state = gettext("The kit did not answer the last one."), LinkState.BAD
    else:
        proof, state = gettext("The kit answered the last one."), LinkState.GOOD
    return Link(key="commands", name=name, state=state, proof=proof, seen_at=last.finished_at, depth=1)


def _clock(facts: ConnectionFacts) -> Link:
    name = gettext("Clock")
    wrong = {each.reason for each in facts.set_aside} & {"time-in-future", "time-too-old"}
    clock = facts.clock
    if clock is None or wrong:
        state = LinkState.BAD if wrong else LinkState.UNKNOWN
        proof = (
            gettext("Readings were set aside because their time is wrong.")
            if wrong
            else gettext("It is known once readings are stored.")
        )
        return Link(key="clock", name=name, state=state, proof=proof, depth=1)
    if abs(clock.ahead) <= CLOCK_TOLERANCE:
        proof = ngettext(
            "Right, by the last reading.",
            "Right, by the last %(readings)s readings.",
            clock.readings,
            readings=clock.readings,
        )
        return Link(key="clock", name=name, state=LinkState.GOOD, proof=proof, depth=1)
    length = precise_duration(abs(clock.ahead))
    proof = (
        gettext("%(length)s ahead, the median of %(n)s readings.", length=length, n=clock.readings)
        if clock.ahead > timedelta()
        else gettext("%(length)s behind, the median of %(n)s readings.", length=length, n=clock.readings)
    )
    return Link(key="clock", name=name, state=LinkState.BAD, proof=proof, depth=1)


def _by_sensor(facts: ConnectionFacts) -> Sequence[ListedSeries]:
    """Return one series of each sensor: the one that is worst off."""
    worst: dict[str, ListedSeries] = {}
    for each in facts.series:
        known = worst.get(each.peripheral_name)
        if known is None or _is_worse(each, known):
            worst[each.peripheral_name] = each
    return list(worst.values())


def _is_worse(one: ListedSeries, other: ListedSeries) -> bool:
    if (one.implausible is None) != (other.implausible is None):
        return one.implausible is not None
    if one.last_at is None or other.last_at is None:
        return one.last_at is None and other.last_at is not None
    return one.last_at < other.last_at


_BY_FRESHNESS = {
    Freshness.LIVE: LinkState.GOOD,
    Freshness.LATE: LinkState.LATE,
    Freshness.STALE: LinkState.BAD,
    Freshness.NEVER: LinkState.UNKNOWN,
}


def _sensor(series: ListedSeries, now: datetime) -> Link:
    interval = duration(series.interval_seconds)
    if series.implausible is not None:
        proof, state = gettext("Its values cannot have been measured."), LinkState.BAD
    elif series.last_at is None:
        proof, state = (
            gettext("No reading yet; expected every %(interval)s.", interval=interval),
            LinkState.UNKNOWN,
        )
    else:
        state = _BY_FRESHNESS[series.freshness(now)]
        proof = gettext("Expected every %(interval)s; its last reading:", interval=interval)
    return Link(
        key="sensor", name=series.peripheral_name, state=state, proof=proof, seen_at=series.last_at, depth=1
    )
