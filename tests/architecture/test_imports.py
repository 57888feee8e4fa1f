"""Imports point one way (docs/architecture.md). A module may use what stands in a layer below its own."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "hortus"

# From the bottom up. A name is a module or package below `hortus`; the longest match counts.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("errors", "text", "quotas", "measurements.reasons", "database.url", "installation.files", ""),
    ("intake", "settings", "wire", "mqtt.topics", "mqtt.packets", "installation.secret_store",
     "broker.verifier"),
    ("kits.identity", "accounts.passwords", "accounts.rules", "database.base", "mqtt.endpoint", "mqtt.client"),
    ("accounts.tables", "definitions.tables", "kits.tables", "measurements.tables", "ledger.tables",
     "quarantine.tables", "media.tables", "broker.tables", "gateway.tables", "export.tables", "plants.tables",
     "plants.state", "messages.tables", "alerts.tables", "alerts.judging",
     "series.tables", "commands.tables", "presence.tables", "rpc.tables",
     "measurements"),
    ("database",),
    ("definitions", "accounts", "kits", "ledger", "quarantine.store", "media", "broker", "installation",
     "plants", "messages", "series"),
    ("alerts", "ingest", "rpc", "commands", "presence", "quarantine", "simulator"),
    ("kafka", "gateway"),
    ("web", "api", "plantkeeper", "export", "live"),
    ("command_line", "command_database"),
    ("app",),
    ("cli", "__main__"),
)  # fmt: skip


def module_name(path: Path) -> str:
    relative = path.relative_to(SOURCE).with_suffix("")
    parts = [part for part in relative.parts if part != "__init__"]
    return ".".join(parts)


def layer_of(name: str) -> int:
    parts = name.split(".")
    if len(parts) > 1 and parts[-1] == "cli":
        parts = ["command_line"]  # commands live with what they are about, and may use all of it
    elif len(parts) > 1 and parts[-1].endswith(("api", "api_objects")):
        parts = ["api"]  # so do the endpoints of a capability
    for length in range(len(parts), -1, -1):
        candidate = ".".join(parts[:length])
        for index, layer in enumerate(LAYERS):
            if candidate in layer:
                return index
    raise AssertionError(f"{name} has no layer: add it to LAYERS and to docs/architecture.md")


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("hortus"):
            found.add(node.module.removeprefix("hortus").lstrip("."))
        elif isinstance(node, ast.Import):
            found.update(
                alias.name.removeprefix("hortus").lstrip(".")
                for alias in node.names
                if alias.name.split(".")[0] == "hortus"
            )
    return found


MODULES = sorted(path for path in SOURCE.rglob("*.py") if "migrations" not in path.relative_to(SOURCE).parts)


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_a_module_imports_only_from_its_own_layer_and_below(path: Path) -> None:
    importer = module_name(path)
    wrong = [imported for imported in imports_of(path) if layer_of(imported) > layer_of(importer)]
    assert wrong == []


@pytest.mark.parametrize("package", ["wire", "measurements", "mqtt"])
def test_transports_and_values_know_nothing_of_databases_and_pages(package: str) -> None:
    for path in (SOURCE / package).rglob("*.py"):
        if path.name in {"tables.py", "store.py", "api.py", "pages.py"}:
            continue
        text = path.read_text("utf-8")
        for library in ("sqlalchemy", "asyncpg", "fastapi", "typer"):
            assert f"import {library}" not in text, f"{path} uses {library}"
            assert f"from {library}" not in text, f"{path} uses {library}"
