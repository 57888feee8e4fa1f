"""Sources of settings: the environment, and files named by it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hortus.base.errors import UsageError
from hortus.base.origins import parse_origins
from hortus.base.settings import InvalidSettings, Settings, read_settings
from hortus.flow.gateway.settings import read_gateway_settings


@pytest.fixture
def secret_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("HORTUS_SMTP_URL", raising=False)
    monkeypatch.setenv("HORTUS_SMTP_URL_FILE", str(tmp_path / "smtp_url"))
    return tmp_path / "smtp_url"


def smtp_url(settings: Settings) -> str | None:
    return None if settings.smtp_url is None else settings.smtp_url.get_secret_value()


def test_a_secret_may_stand_in_a_file(secret_file: Path) -> None:
    secret_file.write_text("smtp://mail.example.org\n")
    assert smtp_url(read_settings()) == "smtp://mail.example.org"


def test_the_environment_goes_before_the_file(secret_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret_file.write_text("smtp://mail.example.org\n")
    monkeypatch.setenv("HORTUS_SMTP_URL", "smtp://other.example.org")
    assert smtp_url(read_settings()) == "smtp://other.example.org"


@pytest.mark.parametrize("content", ["", "\n"])
def test_an_empty_file_counts_as_not_set_like_an_empty_variable(secret_file: Path, content: str) -> None:
    secret_file.write_text(content)
    assert smtp_url(read_settings()) is None


@pytest.mark.parametrize(("content", "why"), [(None, "No such file or directory"), (b"\xff", "it is not text")])
def test_a_file_that_cannot_be_read_is_named(secret_file: Path, content: bytes | None, why: str) -> None:
    if content is not None:
        secret_file.write_bytes(content)
    with pytest.raises(InvalidSettings, match=f"HORTUS_SMTP_URL_FILE names .*smtp_url, .*{why}"):
        read_settings()


@pytest.mark.parametrize("read", [read_settings, read_gateway_settings])
def test_the_values_that_a_setting_takes_are_named_as_it_takes_them(
    monkeypatch: pytest.MonkeyPatch, read: Callable[[], Settings]
) -> None:
    monkeypatch.setenv("LOG_LEVEL", "loud")
    with pytest.raises(UsageError, match="LOG_LEVEL: input should be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'"):
        read()


def test_a_time_zone_is_named_by_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HORTUS_TIME_ZONE", "Europe/Amsterdam")
    assert read_settings().time_zone == ZoneInfo("Europe/Amsterdam")
    monkeypatch.setenv("HORTUS_TIME_ZONE", "CEST")
    with pytest.raises(InvalidSettings, match=r"HORTUS_TIME_ZONE: .*no time zone of this name"):
        read_settings()


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://hortus.example.org", ""),
        ("http://[2001:db8::1]:8080/", ""),
        ("https://example.org/hortus/", "/hortus"),
        ("https://example.org:8443/farm/North-1", "/farm/North-1"),
    ],
)
def test_the_public_address_may_have_a_path(monkeypatch: pytest.MonkeyPatch, url: str, path: str) -> None:
    monkeypatch.setenv("HORTUS_PUBLIC_URL", url)
    settings = read_settings()
    assert (settings.public_url, settings.public_path) == (url.rstrip("/"), path)


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("example.org/hortus", "give an address such as"),
        ("ftp://example.org", "give an address such as"),
        ("https://", "give an address such as"),
        ("https://[::1", "give an address such as"),
        ("https://example.org:70000", "give an address such as"),
        ("https://ada:secret@example.org", "give an address such as"),
        ("https://example.org/hortus?x=1", "must end with its path"),
        ("https://example.org/#hortus", "must end with its path"),
        ("https://example.org/gr%C3%BCn", "letters, digits"),
        ("https://example.org/../hortus", "letters, digits"),
        ("https://example.org/a//b", "letters, digits"),
        ("https://example.org//", "letters, digits"),
    ],
)
def test_a_public_address_that_no_link_could_begin_with_is_refused(
    monkeypatch: pytest.MonkeyPatch, url: str, advice: str
) -> None:
    monkeypatch.setenv("HORTUS_PUBLIC_URL", url)
    with pytest.raises(InvalidSettings, match=f"HORTUS_PUBLIC_URL: .*{advice}"):
        read_settings()


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("", set()),
        (" , ", set()),
        ("https://plants.example.org", {"https://plants.example.org"}),
        (
            "http://localhost:3000, https://[2001:db8::1]:8443,http://192.168.1.5",
            {"http://localhost:3000", "https://[2001:db8::1]:8443", "http://192.168.1.5"},
        ),
        ("https://xn--bcher-kva.example", {"https://xn--bcher-kva.example"}),
    ],
)
def test_origins_are_listed_as_browsers_send_them(text: str, origins: set[str]) -> None:
    assert parse_origins(text) == origins


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (
            "plants.example.org",
            "'plants.example.org' is not an origin as browsers send it; write https://plants.",
        ),
        ("localhost:3000", "write https://localhost:3000"),
        ("https://plants.example.org/", "write https://plants.example.org$"),
        ("https://plants.example.org/app?x=1#y", "write https://plants.example.org$"),
        ("https://Plants.Example.org", "write https://plants.example.org$"),
        ("https://plants.example.org:443", "write https://plants.example.org$"),
        ("http://plants.example.org:80", "write http://plants.example.org$"),
        ("https://user:secret@plants.example.org", "write https://plants.example.org$"),
        ("https://bücher.example", "write https://xn--bcher-kva.example$"),
        ("https://[2001:DB8:0::1]", "write https://\\[2001:db8::1\\]$"),
        ("*", "\\* would let any page use people's cookies; name each origin"),
        ("null", "null would let any page"),
        ("https://*.example.org", "is not an origin. An origin is a scheme, a host"),
        ("ftp://plants.example.org", "is not an origin. An origin is"),
        ("https://", "is not an origin. An origin is"),
        ("https://plants.example.org:port", "is not an origin. An origin is"),
        ("https://a b", "is not an origin. An origin is"),
        ("https://[::1", "is not an origin. An origin is"),
    ],
)
def test_a_wrong_origin_stops_the_start_and_names_the_right_one(
    monkeypatch: pytest.MonkeyPatch, wrong: str, words: str
) -> None:
    monkeypatch.setenv("HORTUS_CORS_ORIGINS", f"https://right.example,{wrong}")
    with pytest.raises(InvalidSettings) as caught:
        read_settings()
    message = str(caught.value).removeprefix("Some settings cannot be used. HORTUS_CORS_ORIGINS: ").rstrip(".")
    assert re.search(words, message), message


@given(st.text(max_size=40) | st.from_regex(r"https?://[a-zA-Z0-9.:/@\[\]*-]{0,20}"))
@example("https://\u2488.example")
def test_any_text_is_a_list_of_origins_or_a_value_error(text: str) -> None:
    try:
        origins = parse_origins(text)
    except ValueError:
        return
    assert all(origin.isascii() and parse_origins(origin) == {origin} for origin in origins)
