"""The texts of the scripts of charts, in the language of the page. Pure."""

from __future__ import annotations

import orjson

from hortus.base.language.translation import gettext, plural_patterns
from hortus.http.pages.charts.marks import CAUSES
from hortus.http.pages.times import precise_patterns


def script_words(versus: str) -> str:
    """Return the texts as JSON; `versus` is what the chart is compared with."""
    words = {
        **_cursor(),
        **_before(versus),
        **_notices(),
        **_pictures_and_links(),
        **_marks(),
        "live": gettext("Live"),
        "lost": gettext("No connection since %(time)s. Retrying."),
        "chart": gettext("chart"),
        "dateAndTime": gettext("%(date)s, %(time)s"),
        "durations": precise_patterns(),
        "atLeast": gettext("at least %(bound)s"),
        "atMost": gettext("at most %(bound)s"),
        "target": gettext("Target %(range)s (%(whose)s)"),
        "targets": plural_patterns(
            "Target %(range)s (%(whose)s) and 1 more", "Target %(range)s (%(whose)s) and %(n)s more"
        ),
    }
    return orjson.dumps(words).decode()


def _cursor() -> dict[str, object]:
    return {
        "spread": plural_patterns("%(low)s to %(high)s, %(n)s reading", "%(low)s to %(high)s, %(n)s readings"),
        "noReadings": gettext("no readings"),
        "noReadingsBetween": gettext("no readings %(start)s–%(end)s"),
        "noReadingsSince": gettext("no readings since %(start)s"),
        "noReadingsBefore": gettext("no readings before %(end)s"),
    }


def _before(versus: str) -> dict[str, str]:
    if versus == "week":
        return {
            "beforeNone": gettext("(a week before: no readings)"),
            "beforeValue": gettext("(a week before: %(value)s)"),
            "beforeDifference": gettext("(%(difference)s to a week before)"),
        }
    return {
        "beforeNone": gettext("(a day before: no readings)"),
        "beforeValue": gettext("(a day before: %(value)s)"),
        "beforeDifference": gettext("(%(difference)s to a day before)"),
    }


def _notices() -> dict[str, object]:
    return {
        "notLoaded": gettext("The points could not be loaded."),
        "picturesStay": gettext("The points could not be loaded. The pictures are those of the first answer."),
        "noConnection": gettext("There is no connection."),
        "unexpected": gettext("The server did not answer as expected."),
        "triesAgain": gettext("This page tries again by itself."),
        "newReadings": plural_patterns("%(n)s new reading.", "%(n)s new readings."),
        "goToNow": gettext("Go to now"),
    }


def _pictures_and_links() -> dict[str, str]:
    return {
        "range": gettext("%(start)s to %(end)s"),
        "asOf": gettext("As of %(time)s"),
        "inZone": gettext("%(times)s (%(zone)s)"),
        "copied": gettext("Copied."),
        "linkToCopy": gettext("Link to copy"),
        "copyThis": gettext("Copy this link:"),
    }


def _marks() -> dict[str, object]:
    return {
        "causes": {cause: gettext(words) for cause, words in CAUSES.items()},
        "gapBecause": gettext("%(length)s, %(cause)s"),
        "because": gettext("(%(cause)s)"),
        "marks": plural_patterns("%(n)s event at %(time)s", "%(n)s events from %(time)s on"),
        "fromTo": gettext("%(start)s to %(end)s"),
        "since": gettext("since %(start)s"),
        "moreMarks": plural_patterns("1 older event is not shown.", "%(n)s older events are not shown."),
    }
