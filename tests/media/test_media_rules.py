"""Cleaning the texts of a medium, parsing its key, and requests for ranges of it."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hortus.domain.media.keys import ObjectKey, parse_key
from hortus.domain.media.rules import MetadataNotJson, clean_metadata, clean_name, clean_type
from hortus.http.conventions.media_delivery import disposition
from hortus.http.conventions.ranges import RangeNotSatisfiable, Version, is_known, wanted_range

ID = uuid.UUID("123e4567-e89b-42d3-a456-426614174000")
VERSION = Version(size=100, etag='"abc"', modified_at=datetime(2026, 11, 22, 12, 0, 0, 500_000, tzinfo=UTC))


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("regular.png", "regular.png"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ('a "quoted" name.png', 'a "quoted" name.png'),
        ("two\r\nSet-Cookie: lines.png", "twoSet-Cookie: lines.png"),
        ("gnp\u202e.exe", "gnp.exe"),
        ("Ümläut 🌱.png", "Ümläut 🌱.png"),
        ("", f"{ID}.png"),
        ("..", f"{ID}.png"),
        ("../", f"{ID}.png"),
        ("\r\n", f"{ID}.png"),
    ],
)
def test_a_name_has_no_folders_and_nothing_that_is_not_seen(name: str, kept: str) -> None:
    assert clean_name(name, ID, "image/png") == kept


@pytest.mark.parametrize(
    ("given_type", "kept"),
    [
        ("IMAGE/PNG", "image/png"),
        ("text/plain; charset=utf-8", "text/plain; charset=utf-8"),
        ("image/svg+xml", "image/svg+xml"),
        ("", "application/octet-stream"),
        ("picture", "application/octet-stream"),
        ("image/png\r\nX-Evil: 1", "application/octet-stream"),
        ("image/png\n", "image/png"),
        ("image/" + "x" * 200, "application/octet-stream"),
        ("imäge/png", "application/octet-stream"),
    ],
)
def test_a_type_that_is_none_becomes_that_of_unknown_bytes(given_type: str, kept: str) -> None:
    assert clean_type(given_type) == kept


@given(st.text(max_size=300))
def test_any_name_and_type_can_stand_in_a_header(text: str) -> None:
    cleaned = clean_type(text)
    assert clean_type(cleaned) == cleaned
    header = disposition(text)
    assert (cleaned + header).isascii()
    assert (cleaned + header).isprintable()


def test_a_download_keeps_its_name_in_the_form_of_rfc_6266() -> None:
    assert disposition('größe "1".png') == (
        "attachment; filename=\"gr__e _1_.png\"; filename*=UTF-8''gr%C3%B6%C3%9Fe%20%221%22.png"
    )


@pytest.mark.parametrize(
    "text", ["{not json", "NaN", '"\\ud800"', "[" * 2000 + "]" * 2000, "[" * 300 + "]" * 300]
)
def test_metadata_that_cannot_be_written_again_are_refused(text: str) -> None:
    with pytest.raises(MetadataNotJson):
        clean_metadata(text)


@given(st.text(max_size=200))
def test_metadata_that_are_accepted_can_be_read_and_written_everywhere(text: str) -> None:
    try:
        cleaned = clean_metadata(text)
    except MetadataNotJson:
        return
    orjson.dumps(json.loads(cleaned))


def test_no_metadata_are_null_and_great_numbers_stay_near() -> None:
    assert clean_metadata("") == "null"
    assert json.loads(clean_metadata("123456789012345678901234567890")) == pytest.approx(1.2345678901234568e29)


def test_a_key_can_be_read_back() -> None:
    key = ObjectKey("k-3467-bcdf-ghjk", ID)
    assert parse_key(str(key)) == key
    assert parse_key(str(key.thumbnail)) == key.thumbnail
    assert parse_key(str(key.preview)) == key.preview
    assert str(key) == "k-3467-bcdf-ghjk/123e4567-e89b-42d3-a456-426614174000"


@pytest.mark.parametrize("path", ["", "x", "k/", "/k", "k/x", f"k/{ID.hex}", f"k/{ID}/x", f"k/{{{ID}}}"])
def test_what_is_no_key_of_ours_is_none(path: str) -> None:
    assert parse_key(path) is None


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("bytes=0-9", (0, 10)),
        ("bytes=90-", (90, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-1000", (0, 100)),
        ("bytes=90-1000", (90, 100)),
        ("bytes=99-99", (99, 100)),
        ("Bytes=0-0", (0, 1)),
        ("bytes=9-0", None),
        ("bytes=0-1,5-6", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("lines=0-1", None),
        ("bytes=0-" + "9" * 40, None),
    ],
)
def test_a_range_is_understood_or_means_everything(text: str, part: tuple[int, int] | None) -> None:
    assert wanted_range({"range": text}, VERSION) == part


@pytest.mark.parametrize("text", ["bytes=100-", "bytes=5000-6000", "bytes=-0"])
def test_a_range_behind_the_end_cannot_be_satisfied(text: str) -> None:
    with pytest.raises(RangeNotSatisfiable):
        wanted_range({"range": text}, VERSION)


@pytest.mark.parametrize(
    ("condition", "part"),
    [
        ('"abc"', (0, 10)),
        ("Sun, 22 Nov 2026 12:00:00 GMT", (0, 10)),
        ('"other"', None),
        ('W/"abc"', None),
        ("Sun, 22 Nov 2026 12:00:01 GMT", None),
    ],
)
def test_a_part_is_sent_only_if_it_fits_on_what_the_asker_has(
    condition: str, part: tuple[int, int] | None
) -> None:
    assert wanted_range({"range": "bytes=0-9", "if-range": condition}, VERSION) == part


@pytest.mark.parametrize(
    ("headers", "known"),
    [
        ({}, False),
        ({"if-none-match": '"x", W/"abc"'}, True),
        ({"if-none-match": "*"}, True),
        ({"if-none-match": '"x"', "if-modified-since": "Sun, 22 Nov 2026 12:00:00 GMT"}, False),
        ({"if-modified-since": "Sun, 22 Nov 2026 12:00:00 GMT"}, True),
        ({"if-modified-since": "Sun, 22 Nov 2026 11:59:59 GMT"}, False),
        ({"if-modified-since": "yesterday"}, False),
    ],
)
def test_what_the_asker_has_is_not_sent_again(headers: dict[str, str], known: bool) -> None:
    assert is_known(headers, VERSION) is known
