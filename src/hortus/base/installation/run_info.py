"""The record in which a running installation tells operators' commands how to reach it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from hortus.base.database.url import DatabaseUrl
from hortus.base.files import write_private_file


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """A running installation. `database_url` contains no password: that is kept with the secrets."""

    process_id: int
    database_url: str
    http_address: str | None = None
    mqtt_address: str | None = None

    @classmethod
    def of_this_process(
        cls, url: DatabaseUrl, *, http_address: str | None = None, mqtt_address: str | None = None
    ) -> RunInfo:
        """Return the record of this process, which uses the database at `url`."""
        return cls(
            process_id=os.getpid(),
            database_url=replace(url, password=None).libpq(),
            http_address=http_address,
            mqtt_address=mqtt_address,
        )

    def write(self, path: Path) -> None:
        """Write the record to a file, atomically."""
        write_private_file(path, json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def read(cls, path: Path) -> RunInfo | None:
        """Read a record, or return None if the file is absent or was not written by `write`."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            known = {field.name for field in fields(cls)}
            return cls(**{name: value for name, value in content.items() if name in known})
        except (FileNotFoundError, ValueError, TypeError, AttributeError):
            return None
