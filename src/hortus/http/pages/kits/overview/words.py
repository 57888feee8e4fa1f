"""Sentences on the overview of a kit, in the language of the request. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from hortus.base.language.translation import gettext, gettext_noop
from hortus.domain.presence.judgement import PresenceState
from hortus.flow.commands.command import CommandState
from hortus.http.pages.kits.overview.content import Configurations, Overview

COMMAND_WORDS = {
    CommandState.WAITING: gettext_noop("waiting"),
    CommandState.SENT: gettext_noop("sent, no answer yet"),
    CommandState.SUCCEEDED: gettext_noop("done"),
    CommandState.FAILED: gettext_noop("failed"),
    CommandState.CANCELLED: gettext_noop("taken back"),
}
COMMAND_SIGNS = {
    CommandState.WAITING: "waiting",
    CommandState.SENT: "waiting",
    CommandState.SUCCEEDED: "good",
    CommandState.FAILED: "failed",
    CommandState.CANCELLED: "none",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A sentence about the whole kit. `kind` names its sign, `state` is for tests."""

    kind: str
    state: str
    words: str


def notices(overview: Overview) -> list[Notice]:
    """Return what to say above the readings, the most important first."""
    found = [_silence(overview), _shared(overview), _configuration(overview), _partial(overview)]
    return [each for each in found if each is not None]


def _silence(overview: Overview) -> Notice | None:
    judgement = overview.presence.judgement
    if judgement.state is not PresenceState.OFFLINE or judgement.last_contact_at is None:
        return None
    return Notice(
        kind="offline",
        state="offline",
        words=gettext("The kit is silent. Its values are those of before. Check its power and its network."),
    )


def _shared(overview: Overview) -> Notice | None:
    if not overview.presence.is_shared:
        return None
    return Notice(
        kind="failed",
        state="shared",
        words=gettext(
            "Two clients take turns under this kit's account, so their readings mix. Add a kit for each of "
            "them, and enter its serial and password there."
        ),
    )


def _configuration(overview: Overview) -> Notice | None:
    configurations, state = overview.configurations, overview.configurations.state
    if state.running_deleted_at is not None:
        return _notice("deleted", _of_deleted(configurations))
    if state.active_id is None:
        words = gettext("This kit has no active configuration, so it measures nothing.")
        return _notice("no-configuration", words)
    if configurations.is_board or overview.is_new:
        return None
    active = configurations.name_of(state.active_id)
    if state.faults:
        words = gettext(
            "The kit cannot run its active configuration “%(active)s”. Copy it, correct the copy, activate "
            "that and restart the kit.",
            active=active,
        )
        return _notice("refused", words)
    if state.runs_nothing:
        words = gettext(
            "The kit runs nothing: nobody could answer it in time when it started. Restart it, and it fetches "
            "“%(active)s”.",
            active=active,
        )
        return _notice("runs-nothing", words)
    return None if state.is_current else _notice("other-configuration", _of_other(configurations, active))


def _of_deleted(configurations: Configurations) -> str:
    state = configurations.state
    running = configurations.name_of(state.running_id)
    if state.active_id is None:
        return gettext(
            "The kit still runs “%(running)s”, which was deleted. Activate another configuration, and restart "
            "the kit.",
            running=running,
        )
    return gettext(
        "The kit still runs “%(running)s”, which was deleted. Restart it, and it fetches “%(active)s”.",
        running=running,
        active=configurations.name_of(state.active_id),
    )


def _of_other(configurations: Configurations, active: str) -> str:
    state = configurations.state
    if state.running_id is None:
        return gettext(
            "It is not known which configuration the kit runs. Restart it, and it fetches “%(active)s”.",
            active=active,
        )
    running = configurations.name_of(state.running_id)
    if state.fetched_id == state.active_id:
        return gettext(
            "The kit was given “%(active)s”, but its readings are of “%(running)s”. Restart it.",
            active=active,
            running=running,
        )
    return gettext(
        "The kit still runs “%(running)s”. Restart it, and it fetches “%(active)s”.",
        running=running,
        active=active,
    )


def _partial(overview: Overview) -> Notice | None:
    total = len(overview.lines)
    if not 0 < overview.old < total or overview.presence.judgement.state is PresenceState.OFFLINE:
        return None
    words = gettext("%(old)s of %(total)s readings are not recent.", old=str(overview.old), total=str(total))
    return Notice(kind="unknown", state="partial", words=words)


def _notice(state: str, words: str) -> Notice:
    return Notice(kind="attention", state=state, words=words)
