"""What names and descriptions may hold, and how any text is shown."""

from __future__ import annotations

import json
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hortus.base.text import (
    fault_of_line,
    fault_of_lines,
    fault_of_name,
    shown,
    shown_json,
    shown_lines,
)

TURNING = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
OBEYED = re.compile(f"[\x00-\x1f\x7f-\x9f\u2028\u2029{TURNING}]")


@pytest.mark.parametrize(
    "name",
    [
        "Basil",
        "CO² – “Ficus” №7",
        "  two  spaces ",
        "Zürich, Ελλάδα, ריחן, ريحان, 罗勒",
        "👩\u200d🌾 and 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "می\u200cخواهم",
        "[/x] :warning: \\x1b <b>",
        "",
    ],
)
def test_what_people_call_things_is_accepted(name: str) -> None:
    assert fault_of_name(name) is None
    assert fault_of_line(name) is None


@pytest.mark.parametrize("character", [*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0)), *TURNING])
def test_a_line_holds_nothing_that_a_terminal_obeys(character: str) -> None:
    fault = fault_of_line(f"Basil{character}")
    assert fault is not None
    assert f"U+{ord(character):04X}" in fault
    assert fault_of_name(character) is not None


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("Ba\x1bsil", "It cannot hold U+001B, a control character"),
        ("Ba\nsil", "It cannot hold U+000A, a line break"),
        ("Ba\u2028sil", "It cannot hold U+2028, a line break"),
        ("Ba\tsil", "It cannot hold U+0009, a tab"),
        ("Ba\u202esil", "It cannot hold U+202E, which turns the direction of text"),
        ("Ba\ud800sil", "It cannot hold U+D800, half of a character"),
        (" \u00a0\u3000", "A name needs a character that can be seen"),
        ("\u200b\ufeff", "A name needs a character that can be seen"),
    ],
)
def test_what_is_wrong_with_a_name_is_said(name: str, fault: str) -> None:
    assert fault_of_name(name) == fault


def test_a_description_has_lines_tabs_and_marks_of_direction() -> None:
    text = "First line\r\n\tsecond line\n\u200fריחן\u200e (basil)\n"
    assert fault_of_lines(text) is None
    assert fault_of_line(text) is not None
    for character in "\x00\x07\x0b\x1b\x7f\x85\x9b\u2028\u2029\u202e\u2066\u2069":
        assert fault_of_lines(f"{text}{character}") is not None


def test_a_text_is_shown_on_one_line_with_what_is_obeyed_written_out() -> None:
    text = "\x1b[2J\x07\x00\x9b31m\r\n\tred\u202e\u2028 – ok"
    assert shown(text) == r"\x1b[2J\x07\x00\x9b31m\r\n\tred\u202e\u2028 – ok"
    assert shown_lines("a\r\n\tb\rc\x1b\n") == "a\n\tb\\rc\\x1b\n"


@given(st.text())
def test_whatever_is_shown_holds_nothing_that_a_terminal_obeys(text: str) -> None:
    assert not OBEYED.search(shown(text))
    assert not any(unicodedata.category(character) == "Cc" for character in shown(text))
    assert not OBEYED.search(shown_lines(text).replace("\n", "").replace("\t", ""))
    assert (shown(text) == text) == (fault_of_line(text) is None)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_json_that_is_shown_means_the_same(text: str) -> None:
    document = json.dumps({text: [text]}, ensure_ascii=False, indent=2)
    assert json.loads(shown_json(document)) == {text: [text]}
    assert not OBEYED.search(shown_json(document).replace("\n", ""))
