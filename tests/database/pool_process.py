"""A real PgBouncer on a free loopback port, in front of a test's database."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from hortus.base.database.url import DatabaseUrl, Host
from programs import answers, free_port, system_program
from waiting import until


@asynccontextmanager
async def pgbouncer(url: DatabaseUrl, mode: str) -> AsyncIterator[DatabaseUrl]:
    """Run a pool in this mode (session, transaction, statement), and yield the database's URL through it."""
    # Not in pytest's folder, which PgBouncer cannot read after it has given up root.
    with tempfile.TemporaryDirectory(prefix="hortus-", dir="/tmp") as name:
        folder, port = Path(name), free_port()
        (host,) = url.hosts
        configuration = folder / "pgbouncer.ini"
        configuration.write_text(
            f"[databases]\n{url.database} = host={host.name} port={host.port} dbname={url.database}"
            f" user={url.user} password={url.password}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = any\npool_mode = {mode}\ndefault_pool_size = 20\n"
        )
        folder.chmod(0o755)
        # It refuses to run as root.
        account = ["--user=nobody"] if os.geteuid() == 0 else []
        with (folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [system_program("pgbouncer"), *account, str(configuration)], stdout=log, stderr=log
            )
        try:
            await until(lambda: answers(port), (folder / "log").read_text())
            yield replace(url, hosts=(Host(name="127.0.0.1", port=port),))
        finally:
            process.kill()
            process.wait()
