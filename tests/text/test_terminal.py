"""What commands print and processes log: texts of strangers among ours, told from them."""

from __future__ import annotations

import io
import logging

import pytest
from rich.table import Table

from hortus.app.command_line.terminal import OneLineFormatter, Terminal, print_json


def printed(*things: object, lines: bool = False) -> str:
    terminal = Terminal()
    terminal.file = io.StringIO()
    terminal.width = 100
    for each in things:
        (terminal.print_lines if lines else terminal.print)(each)
    return terminal.file.getvalue()


def test_a_name_in_a_sentence_or_a_table_has_its_control_characters_written_out() -> None:
    name = "\x1b]0;owned\x07\u202eBasil\nlisaB :warning: [/x]"
    assert printed(f"Kit: {name}") == "Kit: \\x1b]0;owned\\x07\\u202eBasil\\nlisaB :warning: [/x]\n"
    table = Table("Name", "Is")
    table.add_row(name, "late")
    lines = printed(table).splitlines()
    assert "\\x1b]0;owned\\x07\\u202eBasil\\nlisaB :warning: [/x]" in lines[3]
    assert len({len(line) for line in lines}) == 1  # the columns still stand below each other


def test_a_text_of_several_lines_keeps_them_and_nothing_else() -> None:
    assert printed("Likes\r\n\tit \x1b[31mwarm", lines=True) == "Likes\n        it \\x1b[31mwarm\n"


def test_json_for_programs_holds_nothing_that_a_terminal_obeys(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": "\x9b31m\u202e\x7f"})
    assert capsys.readouterr().out == '{\n  "name": "\\u009b31m\\u202e\\u007f"\n}\n'


def formatted(message: str, *values: object, error: Exception | None = None) -> list[str]:
    exc_info = None if error is None else (type(error), error, error.__traceback__)
    record = logging.LogRecord("hortus.protocol.mqtt", logging.INFO, __file__, 1, message, values, exc_info)
    return OneLineFormatter().format(record).split("\n")


def test_a_topic_with_line_breaks_is_one_line_in_the_log() -> None:
    topic = "kit/a\n2026-11-22 12:00:00,000 ERROR hortus.accounts: admin logged in\r\x1b[2K"
    [line] = formatted("a message on %s could not be handled", topic)
    assert line.endswith(
        r"kit/a\n2026-11-22 12:00:00,000 ERROR hortus.accounts: admin logged in\r\x1b[2K could not be handled"
    )


def test_no_line_of_a_traceback_passes_for_an_event() -> None:
    error = ValueError("bad\n2026-11-22 12:00:00,000 ERROR hortus.accounts: \x1b[1madmin logged in")
    event, *traceback = formatted("failed", error=error)
    assert event.endswith("failed")
    assert traceback
    assert all(line.startswith("  ") for line in traceback)
    assert not any("\x1b" in line for line in traceback)
