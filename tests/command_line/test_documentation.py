"""The documents cover all settings and commands, and their links and test names are valid."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hortus.app.command_line.main import COMMANDS
from hortus.base.settings import Settings
from hortus.flow.gateway.settings import GatewaySettings

ROOT = Path(__file__).parents[2]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")
GATEWAY = (ROOT / "docs" / "gateway.md").read_text("utf-8")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
ALL_TEXT = "\n".join(document.read_text("utf-8") for document in DOCUMENTS)


def variables(settings: type[Settings] | type[GatewaySettings]) -> list[str]:
    fields = settings.model_fields.items()
    return [str(field.validation_alias or name).upper() for name, field in fields]


@pytest.mark.parametrize("variable", variables(Settings))
def test_every_setting_is_documented(variable: str) -> None:
    assert f"`{variable}`" in OPERATIONS


@pytest.mark.parametrize("variable", sorted(set(variables(GatewaySettings)) - set(variables(Settings))))
def test_every_setting_of_the_gateway_is_documented(variable: str) -> None:
    assert f"`{variable.removeprefix('HORTUS_GATEWAY_')}`" in GATEWAY  # the page states the prefix once


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented(command: str) -> None:
    assert f"hortus {command}" in ALL_TEXT


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text("utf-8")):
        if not target.startswith(("http:", "https:")):
            assert (document.parent / target).exists(), target


def test_every_test_that_a_document_names_is_there() -> None:
    defined = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)\(", file.read_text("utf-8"), re.MULTILINE)
    }
    named = set(re.findall(r"`(test_\w*[a-z0-9])`", ALL_TEXT))
    assert named
    assert named <= defined
