"""Each file in `faulty` breaks rules; a comment beside each fault has its path: `# fault: phases[0].name`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hortus.domain.recipes.faults import MOST_FAULTS, Fault, UnusableRecipe
from hortus.domain.recipes.quantities import Place, quantities_of
from hortus.domain.recipes.reading import read_recipe
from hortus.domain.recipes.yaml_nodes import MOST_BYTES

FAULTY = sorted((Path(__file__).parent / "faulty").glob("*.yaml"))
VALID = "format: hortus-recipe/1\nname: Basil\nphases: [{name: growth, ends: {days: 14}}]\n"


def faults_of(content: str | bytes) -> tuple[Fault, ...]:
    with pytest.raises(UnusableRecipe) as refused:
        read_recipe(content)
    return refused.value.faults


def announced(text: str) -> list[tuple[int, str]]:
    found = ((number, re.search("# fault: (.*)", line)) for number, line in enumerate(text.splitlines(), 1))
    return [
        (number, "" if path == "(the file)" else path)
        for number, comment in found
        if comment
        for path in re.findall(r"\(the file\)|\S+", comment[1])
    ]


@pytest.mark.parametrize("file", FAULTY, ids=lambda file: file.stem)
def test_all_faults_of_a_file_are_told_with_line_and_path(file: Path) -> None:
    text = file.read_text("utf-8")
    faults = faults_of(text)
    assert sorted((fault.line, fault.path) for fault in faults) == sorted(announced(text))
    assert [fault for fault in faults if fault.message[-1] not in ".?" or fault.column < 1] == []


def test_a_fault_says_where_it_is_and_what_to_do() -> None:
    text = VALID.replace("days: 14", "days: 0, minDays: 3")
    assert list(map(str, faults_of(text))) == [
        "phases[0].ends.days (line 3, column 38): Write a whole number from 1 to 730, without quotes.",
        "phases[0].ends.minDays (line 3, column 50): It counts only if the phase ends by gdd. Remove it.",
    ]


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("airTemprature", "There is no such key here. Did you mean airTemperature?"),
        ("dli", "It belongs in day. Move it there."),
        ("zzz", "There is no such key here. Remove it; known are airTemperature, rootTemperature, humidity, "),
    ],
)
def test_an_unknown_key_comes_with_advice(key: str, message: str) -> None:
    (fault,) = faults_of(VALID.replace("{days: 14}", f"{{days: 14}}, light: {{{key}: {{target: 1}}}}"))
    assert fault.message.startswith(message)


def test_text_that_other_readers_take_for_something_else_stays_text() -> None:
    text = VALID.replace("Basil", "no").replace("growth", "16:00").replace("{days", "{at: midnight, days")
    recipe = read_recipe(f"{text}species: 2026-11-30\nauthors: [null., yes, 12]\n")
    assert (recipe.name, recipe.phases[0].name, recipe.species) == ("no", "16:00", "2026-11-30")
    assert recipe.authors == ("null.", "yes", "12")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "The file is empty"),
        ("# nothing but a comment\n", "The file is empty"),
        (VALID + "#" * MOST_BYTES, "The file is larger than 64 KiB"),
        (VALID + "# " + "ü" * (MOST_BYTES // 2), "The file is larger than 64 KiB"),
        (VALID.encode("utf-16"), "The file is not text in UTF-8"),
        ("name: \x07", "The character U+0007 is not accepted"),
        ('name: "\\UFFFFFFFF"', "This is not YAML: a number in an escape"),
        (f"%YAML 1.{'1' * 5000}\n---\nname: a", "This is not YAML: a number in an escape"),
        ("[" * MOST_BYTES, "Values are nested too deeply"),
        ("{a: " * 16_000, "Values are nested too deeply"),
        ("- " * 32_000, "Values are nested too deeply"),
    ],
    ids=lambda value: ascii(value[:16]),
)
def test_what_cannot_be_read_at_all_has_one_fault(content: str | bytes, message: str) -> None:
    (fault,) = faults_of(content)
    assert fault.message.startswith(message)


def test_the_place_of_an_unprintable_character_is_told() -> None:
    (fault,) = faults_of("name: Basil\nnotes: \x07")
    assert (fault.line, fault.column) == (2, 8)


def test_bytes_with_a_byte_order_mark_and_windows_line_ends_are_read() -> None:
    windows = VALID.replace("\n", "\r\n").encode("utf-8-sig")
    assert read_recipe(windows) == read_recipe(VALID)


def test_a_list_of_faults_has_an_end() -> None:
    assert len(faults_of(VALID + "".join(f"key{number}: 1\n" for number in range(1000)))) == MOST_FAULTS


def test_a_recipe_that_would_be_too_large_when_written_out_is_refused() -> None:
    aims = ",".join(f"{quantity}: {{target: 1,band: [1,1]}}" for quantity in quantities_of(Place.DARK))
    names = (f"{number:02}{'🌱' * 60}" for number in range(60))
    phases = ",".join(
        f"{{name: {name},ends: {{days: 1}},light: {{{aims}}},dark: {{{aims}}}}}" for name in names
    )
    text = f"format: hortus-recipe/1\nname: a\nnotes: {'ü' * 2000}\nphases: [{phases}]\n"
    assert len(text.encode()) < MOST_BYTES
    (fault,) = faults_of(text)
    assert fault.message == "The recipe would be too large when it is written out. Shorten it."
