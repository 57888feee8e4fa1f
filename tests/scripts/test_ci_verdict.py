from __future__ import annotations

import os
import runpy
from pathlib import Path
from xml.etree import ElementTree

import pytest

VERDICT = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "ci_verdict.py"))
PASSED = "<testcase classname='tests.wire.test_a' name='test_a'/>"


def none_skipped(*cases: str) -> str | None:
    report = ElementTree.fromstring(f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>")
    complaint: str | None = VERDICT["none_skipped"](report)
    return complaint


def skipped_because(reason: str) -> str:
    return f"<testcase classname='tests.wire.test_b' name='test_b'><skipped message='{reason}'/></testcase>"


def test_a_run_of_all_tests_is_accepted() -> None:
    assert none_skipped(PASSED) is None


def test_a_run_without_tests_is_refused() -> None:
    assert none_skipped() == "No test ran."


@pytest.mark.parametrize("user_id", [0, 1000])
def test_a_skipped_test_is_refused_with_its_reason(monkeypatch: pytest.MonkeyPatch, user_id: int) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user_id)

    assert none_skipped(PASSED, skipped_because("no browser here")) == (
        "In CI all tests must run; some were skipped: no browser here."
    )


def test_only_an_ordinary_user_may_skip_what_only_root_can_do(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = PASSED, skipped_because("only root can mount")

    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert none_skipped(*cases) is None
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert none_skipped(*cases) == "In CI all tests must run; some were skipped: only root can mount."
