"""In which language a page is, and that there is nothing on it that cannot be translated."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import translations
from babel.messages.pofile import read_po
from filled_garden import fill, log_in_as_root
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup
from page_addresses import PATHS
from web_helpers import app_of, client_of, client_to, make_kit

from hortus.base.language.languages import TRANSLATED, languages, negotiated
from hortus.base.language.pseudo import pseudo
from hortus.base.language.translation import gettext, ngettext, pgettext, speaking
from hortus.http.pages.rendering import Templates

TEMPLATES = translations.SOURCE / "http/pages/templates"


@pytest.mark.parametrize(
    ("header", "tag"),
    [
        ("", "nl"),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("fr-FR, fr;q=0.9, en-US;q=0.8, de;q=0.7", "en"),
        ("en;q=0.2, DE;q=0.8", "de"),
        ("de;q=0, en", "en"),
        ("fr", "nl"),
        ("*", "nl"),
        ("en-XA", "en-XA"),
        (",;=q\x00ü" * 1000, "nl"),
    ],
)
def test_the_language_is_what_the_browser_prefers_or_else_the_servers(header, tag):
    assert negotiated(header, "nl") == tag


@given(st.text(max_size=600))
def test_any_header_gives_a_language(header):
    assert negotiated(header, "en") in languages()


def test_texts_are_translated_where_they_are_shown():
    assert gettext("Too cold") == "Too cold"
    with speaking("de"):
        assert gettext("Too cold") == "Zu kalt"
        assert pgettext("quantity", "Humidity") == "Luftfeuchte"
        assert ngettext("1 kit", "%(n)s kits", 3) == "3 Kits"
        with speaking("nl"):
            assert gettext("Too cold") == "Te koud"
        assert gettext("Too cold") == "Zu kalt"


def test_the_template_of_translations_holds_the_texts_of_this_version():
    current = translations.template_text(translations.collected())
    assert translations.TEMPLATE.read_text("utf-8") == current, "run `make translations`"


@pytest.mark.parametrize("tag", TRANSLATED)
def test_every_text_is_translated_with_the_same_values_and_tags(tag):
    with (translations.CATALOGUES / f"{tag}.po").open("rb") as source:
        catalogue = read_po(source, locale=tag)
    text, missing = translations.update(tag, translations.collected())
    assert missing == 0
    assert (translations.CATALOGUES / f"{tag}.po").read_text("utf-8") == text, "run `make translations`"
    for message in catalogue:
        assert not message.check(catalogue), message.id
        english = message.id if isinstance(message.id, tuple) else (message.id,)
        translated = message.string if isinstance(message.string, tuple) else (message.string,)
        if message.id:
            assert {frozenset(_parts(each)) for each in translated} <= {
                frozenset(_parts(each)) for each in english
            }, message.id


def _parts(text: str) -> list[str]:
    return re.findall(r"%\(\w+\)s|<[^>]+>|`[^`]+`", text)


def test_the_pseudo_locale_keeps_values_and_tags_and_is_longer():
    assert pseudo("It is under <code>%(name)s</code>.").startswith("⟦Îţ îš ûñđéŕ <code>%(name)s</code>.")
    assert len(pseudo("Mark as seen")) >= 1.4 * len("Mark as seen")


def test_values_in_a_text_are_shown_as_everywhere_on_the_pages():
    """Escaped, with signs that change the direction of text made visible, and numbers with their separators."""
    template = Templates()._environment.from_string(
        "{% trans name=name, n=n %}{{ name }} has 1 kit{% pluralize n %}"
        "{{ name }} has {{ n }} kits{% endtrans %}"
    )
    assert template.render(name="<b>a\u202eb", n=1500) == "&lt;b&gt;a\\u202eb has 1,500 kits"
    with speaking("de"):
        assert template.render(name=Markup("<bdi>Ada</bdi>"), n=1500).startswith("<bdi>Ada</bdi> has 1.500")


async def test_a_page_is_in_the_language_that_its_browser_asks_for(engine, database_url):
    async with engine.begin() as connection:
        await make_kit(connection, "Fern", public=True)
    app = app_of(engine, language="nl")
    async with client_to(app) as client:
        pages = [await client.get("/", headers={"Accept-Language": tag}) for tag in ("de", "en", "fr", "ar-XB")]
    for page, words in zip(
        pages, ("Noch keine Messwerte", "No readings yet", "Nog geen metingen", "Ñö"), strict=True
    ):
        assert words in page.text
        assert "Accept-Language" in page.headers["vary"]
    assert [re.search("<html [^>]+>", page.text)[0] for page in pages] == [
        '<html lang="de" dir="ltr">',
        '<html lang="en" dir="ltr">',
        '<html lang="nl" dir="ltr">',
        '<html lang="ar-XB" dir="rtl">',
    ]


async def test_shared_answers_are_shared_only_within_a_language(engine, database_url):
    async with engine.begin() as connection:
        await make_kit(connection, "Fern", public=True)
    async with client_of(engine) as client:
        english, german, again = [
            (await client.get("/", headers={"Accept-Language": tag})).text for tag in ("en", "de", "en")
        ]
    assert "Has not connected yet" in english
    assert "War noch nicht verbunden" in german
    assert "Has not connected yet" in again


async def test_errors_are_in_the_language_too_and_those_of_the_api_are_not(engine):
    headers = {"Accept-Language": "de"}
    async with client_of(engine) as client:
        page = await client.get("/nowhere", headers=headers)
        problem = await client.get("/api/nowhere", headers=headers)
    assert "Seite nicht gefunden" in page.text
    assert problem.json()["title"] == "Not Found"


@pytest.mark.parametrize("tag", ["en-XA", "ar-XB"])
async def test_no_page_has_a_text_that_nobody_can_translate(engine, database_url, tag):
    """A letter without an accent belongs to such a text; what people typed is in <bdi> or <code>."""
    garden = await fill(engine, database_url)
    found = {}
    async with client_of(engine) as client:
        for path in PATHS:
            await log_in_as_root(client, path)
            answer = await client.get(path.format(**garden.addresses), headers={"Accept-Language": tag})
            assert answer.status_code == path.status, path
            if not path.shows_codes and (texts := _untranslated(answer.text)):
                found[path] = texts
    assert found == {}


class _Texts(HTMLParser):
    """Collects texts and attributes that people read, but not what people typed."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._left_out: list[str] = []

    def handle_starttag(self, tag, attrs):
        void = tag in {"meta", "link", "input", "img", "br", "path", "circle", "rect", "polyline"}
        is_typed = tag in {"bdi", "code", "script", "kbd"} or ("data-typed", None) in attrs
        if not void and (is_typed or self._left_out):
            self._left_out.append(tag)
        if not self._left_out:
            self.texts += [
                text or "" for name, text in attrs if name in {"title", "alt", "aria-label", "placeholder"}
            ]
        self.texts += [
            text or "" for name, text in attrs if name in {"data-words", "data-done", "data-by-hand"}
        ]

    def handle_endtag(self, tag):
        if self._left_out and self._left_out[-1] == tag:
            self._left_out.pop()

    def handle_data(self, data):
        if not self._left_out:
            self.texts.append(data)


_NOT_WORDS = re.compile(
    r"%\(\w+\)s|\"\w+\":"  # values and names of the words for scripts
    r"|\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)[a-z]*\b|\bUTC\b"
    r"|\bHortus(?: [\d.]+)?\b|\d\s[kMGT]?B\b"
    r"|\bk-\w{4}-\w{4}-\w{4}\b"  # a kit without a name, in a list to select from
)


def _untranslated(page: str) -> list[str]:
    parser = _Texts()
    parser.feed(page)
    return [text for text in parser.texts if re.search("[A-Za-z]{2}", _NOT_WORDS.sub("", text))]


def test_no_template_has_text_outside_a_translation():
    """What a page shows only rarely, and the test above may not meet."""
    for file in sorted(Path(TEMPLATES).rglob("*.html")):
        source = re.sub(r"\{#.*?#\}", "", file.read_text("utf-8"), flags=re.DOTALL)
        source = re.sub(r"\{%-? trans.*?endtrans -?%\}", "", source, flags=re.DOTALL)
        source = re.sub(r"<(code|kbd|title)[^>]*>.*?</\1>", "", source, flags=re.DOTALL)
        source = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", "", source, flags=re.DOTALL)
        shown = [text for text in _attributes_and_texts(source) if re.search("[A-Za-z]{2}", text)]
        assert [
            text for text in shown if text.strip(" ·") != "Hortus" and not text.startswith(("/", "?"))
        ] == [], file.name


def _attributes_and_texts(source: str) -> list[str]:
    attributes = re.findall(r'(?:title|alt|aria-label|placeholder)="([^"]*)"', source)
    # Macros may write attributes of their own outside of a tag.
    texts = re.sub(r'[\w-]+="[^"]*"', "", re.sub(r"<[^>]*>", "\n", source))
    return [*attributes, *texts.splitlines()]


async def test_charts_are_in_the_language_of_their_reader(engine, database_url):
    garden = await fill(engine, database_url)
    address = f"/kits/{garden.addresses['fine_kit']}/charts?r=6h"
    async with client_of(engine) as client:
        german, dutch = [
            (await client.get(address, headers={"Accept-Language": tag})).text for tag in ("de", "nl")
        ]
        series = re.search(r'data-series="(\d+)"', german)[1]
        points = f"/kits/{garden.addresses['fine_kit']}/points.json?series={series}"
        tags = [
            (await client.get(f"{points}{range_}", headers={"Accept-Language": tag})).headers["etag"]
            for tag in ("de", "nl")
            for range_ in ("&from=2026-11-28T05:00Z&to=2026-11-28T07:00Z",)
        ]
        wrong = await client.get(f"{points}&points=7", headers={"Accept-Language": "de"})
    assert re.search(r"letzte 6 Stunden: \d+,\d bis <bdi>\d+,\d", german)
    assert re.search(r"laatste 6 uur: \d+,\d tot <bdi>\d+,\d", dutch)
    assert 'data-state="drawn"' in german
    assert tags[0] == tags[1], "points have no language"
    assert wrong.json()["detail"].startswith("points muss eine dieser Zahlen sein")
