"""What code, tests and pages refer to is there: sections, promises, decisions, files, modules, tests, headings.

How to cite is told in docs/protocol/README.md. Links between pages, settings, commands and tests in backticks
are looked after by tests/command_line/test_documentation.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "hortus"
DOCS = ROOT / "docs"
PROTOCOLS = {path.stem: path.read_text("utf-8") for path in (DOCS / "protocol").glob("[!R]*.md")}

FOLDERS = ("src", "tests", "bench", "deploy", "docs", "scripts", ".ci", ".github")
SUFFIXES = {".py", ".md", ".capnp", ".json", ".toml", ".yaml", ".yml", ".conf", ".html", ".sh", ""}
NOT_OURS = {"static", "node_modules", "__pycache__", "secrets", "certificates"}
MADE_WHEN_RUN = ("deploy/secrets", "deploy/certificates", "deploy/.env")

SECTION = r"\d+(?:\.\d+)*"
CITED_SECTIONS = re.compile(
    rf"\b({'|'.join(sorted(PROTOCOLS))}) ({SECTION}(?:(?:, | and | to ){SECTION}\b(?! [a-z]))*)"
)
OTHER_FORMS = re.compile(
    r"\bcontract\b(?:,? (?:sections? )?|[^.\n]{0,24}\()\d"
    rf"|\b(?:{'|'.join(sorted(PROTOCOLS))})(?:\.md)?(?:, (?:sections? )?| sections? )\d"
)
HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)

Reference = tuple[str, str]
"""Where something is cited (file and line), and what."""


def our_texts() -> dict[str, str]:
    """Every text of ours but this file, by its path from the root."""
    files = [*ROOT.glob("*.md"), ROOT / "Makefile", ROOT / "pyproject.toml"]
    for folder in FOLDERS:
        files += (ROOT / folder).rglob("*")
    return {
        str(file.relative_to(ROOT)): file.read_text("utf-8", errors="replace")
        for file in files
        if file.suffix in SUFFIXES and file.is_file() and file != Path(__file__)
        if not NOT_OURS & set(file.relative_to(ROOT).parts)
    }


TEXTS = our_texts()
PAGES = {path: text for path, text in TEXTS.items() if path.endswith(".md")}


def found(pattern: str | re.Pattern[str], texts: dict[str, str]) -> Iterator[tuple[str, re.Match[str]]]:
    """Yield where each match is, and the match."""
    for path, text in texts.items():
        for match in re.finditer(pattern, text):
            yield f"{path}:{text.count(chr(10), 0, match.start()) + 1}", match


def missing(
    pattern: str | re.Pattern[str], is_there: Callable[[str], bool], texts: dict[str, str]
) -> list[Reference]:
    """Return the references whose first group is not there."""
    return [(place, match[0]) for place, match in found(pattern, texts) if not is_there(match[1])]


def assert_none(broken: list[Reference]) -> None:
    """Fail with a line for each reference that leads nowhere."""
    if broken:
        pytest.fail("these lead nowhere:\n" + "\n".join(f"{place}: {what}" for place, what in broken))


def sections_of(page: str) -> set[str]:
    """Return the numbers of a page's headings."""
    numbers = (re.match(rf"({SECTION})[. ]", heading) for heading in HEADING.findall(page))
    return {number[1] for number in numbers if number}


def demands() -> set[str]:
    """Return the demands on a server for boards (D1) and on a gateway (G1)."""
    return set(re.findall(r"^\| ([DG]\d+) \|", PROTOCOLS["plantkeeper"], re.MULTILINE))


def anchors_of(page: str) -> set[str]:
    """Return what a link to a heading of this page may say behind its #."""
    without_code = re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL)
    return {
        re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", heading.lower()))
        for heading in HEADING.findall(without_code)
    }


def broken_links_to_headings(path: str) -> Iterator[str]:
    """Yield the links of a page whose heading, here or on another page, is not there."""
    for target, anchor in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", PAGES[path]):
        if target.startswith(("http:", "https:")):
            continue
        page = (ROOT / path).parent / target if target else ROOT / path
        if not page.is_file() or anchor not in anchors_of(page.read_text("utf-8")):
            yield f"{target}#{anchor}"


def is_module_or_in_one(name: str) -> bool:
    """Tell whether `hortus.a.b` is a module, or something that stands in one."""
    parts = name.split(".")[1:]
    for length in range(len(parts), -1, -1):
        folder = PACKAGE.joinpath(*parts[:length])
        for file in (folder.with_suffix(".py"), folder / "__init__.py"):
            if file.is_file() and length:
                text = file.read_text("utf-8")
                return all(re.search(rf"\b{part}\b", text) for part in parts[length:])
    return False


def test_cited_sections_of_protocols_are_there() -> None:
    sections = {name: sections_of(page) for name, page in PROTOCOLS.items()}
    cited = [
        (place, f"{match[1]} {number}", number in sections[match[1]])
        for place, match in found(CITED_SECTIONS, TEXTS)
        for number in re.findall(SECTION, match[2])
    ]
    assert len(cited) > 50
    assert_none([(place, what) for place, what, is_there in cited if not is_there])


def test_sections_that_a_protocol_cites_of_itself_are_there() -> None:
    own = rf"(?<!, )\b[Ss]ections? ({SECTION})|\((\d\.\d+)(?:, where| below)?\)"
    broken = [
        (place, match[0])
        for name, page in PROTOCOLS.items()
        for place, match in found(own, {f"docs/protocol/{name}.md": page})
        if (match[1] or match[2]) not in sections_of(page)
        if "not used" not in page[match.start() : match.end() + 40].replace("\n", " ")
    ]
    assert_none(broken)


def test_protocols_are_cited_in_one_form() -> None:
    assert_none([(place, match[0]) for place, match in found(OTHER_FORMS, TEXTS)])


def test_cited_demands_of_boards_and_on_gateways_are_there() -> None:
    assert_none(missing(r"(?<![\w.#-])([DG]\d{1,2})(?![\w.-]\w)\b", demands().__contains__, TEXTS))


def test_cited_promises_are_there() -> None:
    promises = set(re.findall(r"^## (P\d+): ", (DOCS / "promises.md").read_text("utf-8"), re.MULTILINE))
    assert promises == {f"P{number}" for number in range(1, 13)}
    assert_none(missing(r"(?<![\w.#-])(P\d{1,2})(?![\w.-]\w)\b", promises.__contains__, TEXTS))


def test_cited_decisions_are_there() -> None:
    decisions = {int(path.name[:4]) for path in (DOCS / "decisions").glob("[0-9]*.md")}
    assert_none(missing(r"\b[Dd]ecision (\d+)\b", lambda number: int(number) in decisions, TEXTS))


def test_files_that_are_named_are_there() -> None:
    named = r"(?<![\w/.<-])((?:docs|tests|bench|deploy|scripts|src/hortus)/[\w./*-]*[\w*])"
    assert_none(
        missing(named, lambda path: path.startswith(MADE_WHEN_RUN) or any(True for _ in ROOT.glob(path)), TEXTS)
    )
    short = r"`(hortus/[\w./*-]*[\w*])"
    assert_none(missing(short, lambda path: any(True for _ in (ROOT / "src").glob(path)), PAGES))


def test_modules_that_are_named_are_there() -> None:
    assert_none(missing(r"`(hortus(?:\.\w+)+)(?:\([^`]*\))?`", is_module_or_in_one, PAGES))
    code = {path: text for path, text in TEXTS.items() if path.endswith(".py")}
    assert_none(missing(r"\b(?:[Ss]ee|by|in|of) (hortus(?:\.\w+)+)", is_module_or_in_one, code))


def test_tests_that_are_named_with_their_file_stand_in_it() -> None:
    def stands(place: str) -> bool:
        file, _, name = place.partition("::")
        return re.search(rf"^(?:async )?def {name}\(", TEXTS.get(file, ""), re.MULTILINE) is not None

    assert_none(missing(r"(tests/[\w/]+\.py::\w+)", stands, PAGES))


def test_tests_that_are_named_in_passing_are_there() -> None:
    names = {
        name
        for path, text in TEXTS.items()
        if path.startswith("tests/")
        for name in [Path(path).stem, *re.findall(r"^(?:async )?def (test_\w+)\(", text, re.MULTILINE)]
    }
    assert_none(missing(r"(?<![\w`/:.])(test_\w*[a-z0-9])\b", names.__contains__, PAGES))


@pytest.mark.parametrize("promise", range(1, 13))
def test_each_promise_names_what_holds_it_or_says_that_nothing_does(promise: int) -> None:
    text = (DOCS / "promises.md").read_text("utf-8").partition(f"\n## P{promise}: ")[2].partition("\n## ")[0]
    assert re.search(r"`tests/", text) or "Not held by a test yet" in text


def test_links_to_headings_lead_to_one() -> None:
    broken = [(path, link) for path in PAGES for link in broken_links_to_headings(path)]
    assert_none(broken)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_json_of_a_protocol_is_json(name: str) -> None:
    for block in re.findall(r"^```json\n(.*?)^```", PROTOCOLS[name], re.MULTILINE | re.DOTALL):
        json.loads(block)
