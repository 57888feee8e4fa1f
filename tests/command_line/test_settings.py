"""Sources of settings: the environment, and files named by it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from hortus.base.errors import UsageError
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
