"""Whatever reads configurations or peripherals must say what it does with deleted ones.

A statement that joins `peripherals` without a thought would show what was deleted. Each module that names these
tables therefore mentions `deleted_at` or `not_deleted`, or is listed here with the reason why it need not.
"""

from __future__ import annotations

import re
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "hortus"

NEED_NOT = {
    "app/demo.py": "its own kit, which it has just made",
    "base/database/triggers.py": "limits of deleted peripherals change as well: they may come back",
    "domain/administration/storage.py": "what is deleted takes room until it is removed",
    "domain/alerts/inbox.py": "the name of the sensor that was judged",
    "domain/kits/cameras.py": "active configurations only",
    "domain/series/definition_use.py": "deleted devices may come back, and need their definitions",
    "flow/diagnosis/facts.py": "active configurations only",
    "http/pages/plants/sources.py": "active configurations only",
    "domain/alerts/judged_quantities.py": "active configurations only",
    "domain/alerts/silence.py": "active configurations only",
    "domain/kits/store.py": "active configurations, and whole kits",
    "domain/plants/measured.py": "active configurations only",
    "domain/plausibility/fragments.py": "limits of peripherals that the statement has chosen",
    "domain/plausibility/limits.py": "limits of peripherals that the caller has chosen",
    "domain/presence/store.py": "how often the kit reports by the configuration that it runs, deleted or not",
    "domain/kits/running.py": "what the kit runs, deleted or not",
    "domain/series/rechecking.py": "rollups of deleted configurations stay right: they may come back",
    "domain/series/rollups.py": "readings of deleted configurations are rolled up: they may come back",
    "flow/commands/suitability.py": "the devices that the kit runs, deleted or not",
    "flow/export/columns.py": "names of readings that the selection has chosen",
    "flow/rpc/questions.py": "active configurations only",
    "http/pages/kits/overview/store.py": "names of what the kit runs, deleted or not",
    "http/pages/search_store.py": "active configurations only",
}

_TABLES = re.compile(r"(FROM|JOIN|UPDATE|INTO)\s+(peripherals|kit_configurations|media)\b")
_MODELS = re.compile(r"\b(PeripheralRow|KitConfigurationRow|MediaRow)\b")
_MEDIA_OF_ALL = {
    "domain/media/retries.py": "thumbnails are made of all media",
    "domain/media/sweep.py": "objects of deleted configurations are kept",
    "domain/media/thumbnails.py": "thumbnails are made of all media",
    "flow/ingest/store.py": "a redelivery is known, whatever was deleted",
    "http/monitoring/backlog_statements.py": "thumbnails are made of all media",
}


def test_each_reader_of_configurations_and_what_they_sent_minds_deleted_ones() -> None:
    careless = []
    for path in SOURCE.rglob("*.py"):
        name = str(path.relative_to(SOURCE))
        content = path.read_text()
        reads = _TABLES.search(content) or _MODELS.search(content)
        if name.startswith("flow/migrations/") or name.endswith("tables.py") or not reads:
            continue
        if "deleted_at" not in content and "not_deleted" not in content:
            careless.append(name)
    assert sorted(careless) == sorted(name for name in NEED_NOT | _MEDIA_OF_ALL if name in careless)
    obsolete = [name for name in NEED_NOT | _MEDIA_OF_ALL if not (SOURCE / name).exists()]
    assert obsolete == []
