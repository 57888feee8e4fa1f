"""A textual dump of a database's schema, for comparison with another one."""

from __future__ import annotations

import subprocess

from hortus.base.embedded_postgres.account import binaries


def dump(url: str) -> list[str]:
    program = str(binaries() / "pg_dump")
    arguments = [
        program,
        "--schema-only",
        "--no-owner",
        "--no-privileges",
        "--exclude-table=alembic_version",
        url,
    ]
    output = subprocess.run(arguments, check=True, capture_output=True, text=True).stdout
    noise = ("--", "\\restrict", "\\unrestrict", "COMMENT ON SCHEMA public", "CREATE SCHEMA public")
    return [line for line in output.splitlines() if line and not line.startswith(noise)]
