"""How `make test` shares the tests between its workers: whole files, and long ones first.

Most of the time a test waits for a program to start or to answer, and another can use the processor meanwhile.
"""

from __future__ import annotations

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# Whichever is begun last decides how long one worker has nothing to do.
_LONGEST_FIRST = ("faults", "commands", "kafka", "api", "rpc", "web", "gateway", "live", "broker", "deploy")

# Their tests share what takes long to start, so one worker runs the folder.
_TOGETHER = frozenset({"faults", "kafka"})


def _folder(nodeid: str) -> str:
    return nodeid.split("/")[1]


class ByFile(LoadScopeScheduling):
    """Gives each worker a file at a time, or a folder of those that stay together."""

    def _split_scope(self, nodeid: str) -> str:
        folder = _folder(nodeid)
        return folder if folder in _TOGETHER else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    config.option.loadscopereorder = False  # it would begin with the files of most tests, which are quick ones
    return ByFile(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        order = {folder: place for place, folder in enumerate(_LONGEST_FIRST)}
        items.sort(key=lambda item: order.get(_folder(item.nodeid), len(order)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what came of fault runs, which only the worker that ran them knows otherwise."""
    reports = [report for group in terminalreporter.stats.values() for report in group]
    teardowns = [each for each in reports if isinstance(each, pytest.TestReport) and each.when == "teardown"]
    lines = [line for each in teardowns for name, line in each.user_properties if name == "fault run"]
    if lines:
        terminalreporter.section("fault runs")
        for line in lines:
            terminalreporter.write_line(str(line))
