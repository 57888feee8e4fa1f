"""What a running installation tells operators' commands: where it can be reached."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from hortus.base.database.url import DatabaseUrl
from hortus.base.files import write_private_file


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """A running installation. `database_url` has no password: that stays among the secrets."""

    process_id: int
    database_url: str
    http_address: str | None = None
    mqtt_address: str | None = None

    @classmethod
    def of_this_process(
        cls, url: DatabaseUrl, *, http_address: str | None = None, mqtt_address: str | None = None
    ) -> RunInfo:
        """Describe this process, which works on the database at `url`."""
        return cls(
            process_id=os.getpid(),
            database_url=replace(url, password=None).libpq(),
            http_address=http_address,
            mqtt_address=mqtt_address,
        )

    def write(self, path: Path) -> None:
        """Put this into a file, all of it or nothing."""
        write_private_file(path, json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def read(cls, path: Path) -> RunInfo | None:
        """Return what a file tells, or None if it is absent or was not written by `write`."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            known = {field.name for field in fields(cls)}
            return cls(**{name: value for name, value in content.items() if name in known})
        except (FileNotFoundError, ValueError, TypeError, AttributeError):
            return None
