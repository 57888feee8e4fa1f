"""The troubles of a kit in words: what is wrong, and what to do. In the language of the request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo

from hortus.base.language.translation import gettext, gettext_noop, ngettext
from hortus.flow.diagnosis.findings import Finding, Trouble
from hortus.http.pages.figures import count
from hortus.http.pages.times import clock_text, precise_duration
from hortus.protocol.reasons import explanation_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownTrouble:
    """A trouble for a page: `key` names it for tests, `advice` may be empty."""

    key: str
    sentence: str
    advice: str


_SENTENCES: dict[Trouble, str] = {
    Trouble.NO_CLIENT_ID: gettext_noop("The kit connects without a client id, so it is not let in."),
    Trouble.UNSUPPORTED_AUTHENTICATION: gettext_noop(
        "The kit wants to log in by a method that Hortus does not have."
    ),
    Trouble.PROTOCOL_ERROR: gettext_noop("The kit sent something that is not MQTT, and was disconnected."),
    Trouble.NOT_CHECKED: gettext_noop(
        "The kit could not log in because the database did not answer. The kit is not at fault."
    ),
    Trouble.NEVER_CONNECTED: gettext_noop("The kit has not connected yet."),
    Trouble.SHARED_ACCOUNT: gettext_noop(
        "Two clients take turns under this kit's account, so their readings mix."
    ),
    Trouble.NO_CONFIGURATION: gettext_noop("The kit has no active configuration, so it measures nothing."),
    Trouble.FAULTY_CONFIGURATION: gettext_noop(
        "The kit could not run its active configuration, so it does not get it."
    ),
    Trouble.OLD_CONFIGURATION: gettext_noop("The kit does not run its active configuration yet."),
    Trouble.CLOCK_IN_FUTURE: gettext_noop(
        "The kit's clock is ahead: its readings lie in the future, so they were set aside."
    ),
    Trouble.CLOCK_IN_PAST: gettext_noop(
        "The kit's clock is far behind: its readings lie in the distant past, so they were set aside."
    ),
    Trouble.UNKNOWN_PERIPHERAL: gettext_noop(
        "The kit sends readings of devices that its configuration does not have, so they were set aside."
    ),
}

_ADVICE: dict[Trouble, str] = {
    Trouble.WRONG_PASSWORD: gettext_noop(
        "Compare the password on the kit with the one you stored, or make a new one and enter it there."
    ),
    Trouble.OTHER_SPELLING: gettext_noop(
        "Enter the serial exactly as shown here, in small letters and without spaces."
    ),
    Trouble.NO_CLIENT_ID: gettext_noop("Set a client id in the kit's program, such as its serial."),
    Trouble.UNSUPPORTED_AUTHENTICATION: gettext_noop(
        "Let the kit log in with user name and password: its serial and its password."
    ),
    Trouble.PROTOCOL_ERROR: gettext_noop("Check that the kit's program speaks MQTT 3.1.1 or 5, and update it."),
    Trouble.NOT_CHECKED: gettext_noop("Wait a moment: the kit tries again by itself."),
    Trouble.NEVER_CONNECTED: gettext_noop(
        "Check its power and its network, then the server address, serial and password on it."
    ),
    Trouble.DISCONNECTED: gettext_noop("Check its power and its network. It reconnects by itself."),
    Trouble.SILENT: gettext_noop("Check its power and its network."),
    Trouble.SHARED_ACCOUNT: gettext_noop(
        "Add a kit for each of them, and enter its serial and password there."
    ),
    Trouble.NO_CONFIGURATION: gettext_noop("Activate a configuration, then restart the kit."),
    Trouble.FAULTY_CONFIGURATION: gettext_noop(
        "Copy the configuration, correct the copy, activate it, and restart the kit."
    ),
    Trouble.OLD_CONFIGURATION: gettext_noop("Restart the kit: it asks for its configuration only then."),
    Trouble.WRONG_TOPIC: gettext_noop(
        "Set the topics in the kit's program: a kit publishes below kit/SERIAL/ with its own serial only."
    ),
    Trouble.CLOCK_IN_FUTURE: gettext_noop("Let the kit set its clock by NTP."),
    Trouble.CLOCK_IN_PAST: gettext_noop("Let the kit set its clock by NTP."),
    Trouble.CLOCK_AHEAD: gettext_noop("Let the kit set its clock by NTP."),
    Trouble.CLOCK_BEHIND: gettext_noop("Let the kit set its clock by NTP, or check its network if it is slow."),
    Trouble.UNKNOWN_PERIPHERAL: gettext_noop("Restart the kit, so that it fetches its configuration again."),
    Trouble.SENSOR_SILENT: gettext_noop("Check its cable and its address."),
    Trouble.SENSOR_NEVER: gettext_noop("Check its cable and its address."),
    Trouble.SENSOR_IMPLAUSIBLE: gettext_noop("Check its cable; it may be broken."),
}


def shown_trouble(finding: Finding, zone: tzinfo, now: datetime) -> ShownTrouble:
    """Return a trouble in words. Times are those of the kit."""
    sentence = _WITH_VALUES.get(finding.trouble)
    return ShownTrouble(
        key=finding.trouble.value,
        sentence=(
            sentence(finding, _at(finding.at, zone, now)) if sentence else gettext(_SENTENCES[finding.trouble])
        ),
        advice=gettext(_ADVICE[finding.trouble]) if finding.trouble in _ADVICE else "",
    )


def _at(moment: datetime | None, zone: tzinfo, now: datetime) -> str:
    return "" if moment is None else clock_text(moment, zone, beside=now, seconds=True)


def _wrong_password(finding: Finding, at: str) -> str:
    return ngettext(
        "The password is wrong (%(time)s).",
        "The password is wrong (%(times)s attempts, the last at %(time)s).",
        max(1, finding.times),
        times=count(finding.times),
        time=at,
    )


def _other_spelling(finding: Finding, at: str) -> str:
    return gettext(
        "The serial is written differently on the kit: it logs in as “%(name)s” (%(time)s).",
        name=finding.subject.strip(),
        time=at,
    )


def _wrong_topic(finding: Finding, at: str) -> str:
    if not finding.subject.count("/"):  # a reason of the quarantine, not a topic
        return gettext("The kit publishes to a topic that is not its own (%(time)s).", time=at)
    return gettext(
        "The topic is wrong: the kit publishes to %(topic)s (%(time)s).", topic=finding.subject, time=at
    )


def _unreadable(finding: Finding, at: str) -> str:
    reason = explanation_of(finding.subject)
    return ngettext(
        "A message was set aside at %(time)s: %(reason)s",
        "%(times)s messages were set aside, the last at %(time)s: %(reason)s",
        max(1, finding.times),
        times=count(finding.times),
        time=at,
        reason=gettext(reason) if reason else finding.subject,
    )


def _ahead(finding: Finding, _at: str) -> str:
    assert finding.length is not None
    return gettext("The kit's clock is %(length)s ahead.", length=precise_duration(finding.length))


def _behind(finding: Finding, _at: str) -> str:
    assert finding.length is not None
    length = precise_duration(finding.length)
    return gettext(
        "The kit's clock is %(length)s behind, or its readings are held up on the way.", length=length
    )


_WITH_VALUES: dict[Trouble, Callable[[Finding, str], str]] = {
    Trouble.WRONG_PASSWORD: _wrong_password,
    Trouble.OTHER_SPELLING: _other_spelling,
    Trouble.WRONG_TOPIC: _wrong_topic,
    Trouble.UNREADABLE: _unreadable,
    Trouble.CLOCK_AHEAD: _ahead,
    Trouble.CLOCK_BEHIND: _behind,
    Trouble.DISCONNECTED: lambda _finding, at: gettext(
        "The kit has been disconnected since %(time)s.", time=at
    ),
    Trouble.SILENT: lambda _finding, at: gettext("The kit has been silent since %(time)s.", time=at),
    Trouble.SENSOR_SILENT: lambda finding, at: gettext(
        "%(sensor)s has been silent since %(time)s.", sensor=finding.subject, time=at
    ),
    Trouble.SENSOR_NEVER: lambda finding, _at: gettext(
        "%(sensor)s has not sent a reading yet.", sensor=finding.subject
    ),
    Trouble.SENSOR_IMPLAUSIBLE: lambda finding, at: gettext(
        "%(sensor)s sends values that cannot have been measured (%(time)s).", sensor=finding.subject, time=at
    ),
}
