"""Evaluates pytest's reports for CI; used by .ci/run. Exits with 1 and a sentence if the answer is no."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from xml.etree import ElementTree

# More failures than this are not explained by a busy machine.
MOST_REPEATED = 12
NEVER_REPEATED = "tests.faults"
# The prefix of the only reason for which an ordinary user may skip a test. Root runs these tests as well.
ONLY_FOR_ROOT = "only root can "


def failed_tests(report: ElementTree.Element) -> list[str]:
    """Return the tests that failed or could not be set up, as `module::name`."""
    return [
        f"{case.get('classname')}::{case.get('name')}"
        for case in report.iter("testcase")
        if case.find("failure") is not None or case.find("error") is not None
    ]


def may_repeat(report: ElementTree.Element) -> str | None:
    """Return why the failed tests must not be repeated, or None."""
    failed = failed_tests(report)
    if not failed:
        return "The tests ended without a test that failed; see above."
    if len(failed) > MOST_REPEATED:
        return f"{len(failed)} tests failed."
    lost = [name for name in failed if name.startswith(NEVER_REPEATED)]
    if lost:
        return f"These are never repeated: {', '.join(lost)}."
    print("Run once more by themselves: " + ", ".join(failed))
    return None


def none_skipped(report: ElementTree.Element) -> str | None:
    """Return a complaint if no test ran or some were skipped, or None."""
    if report.find(".//testcase") is None:
        return "No test ran."
    reasons = {skipped.get("message", "") for skipped in report.iter("skipped")}
    if os.geteuid() != 0:
        reasons = {reason for reason in reasons if not reason.startswith(ONLY_FOR_ROOT)}
    if reasons:
        return f"In CI all tests must run; some were skipped: {'; '.join(sorted(reasons))}."
    return None


QUESTIONS = {"may-repeat": may_repeat, "none-skipped": none_skipped}


def main() -> None:
    """Run the check named by the first argument on the report whose path follows."""
    question, path = sys.argv[1:]
    report = ElementTree.parse(Path(path)).getroot()  # noqa: S314  (pytest wrote it a moment ago)
    complaint = QUESTIONS[question](report)
    if complaint:
        sys.exit(complaint)


if __name__ == "__main__":
    main()
