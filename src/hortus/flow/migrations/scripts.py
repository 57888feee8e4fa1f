"""Access to this version's migrations. Imports Alembic, so import it only where needed."""

from __future__ import annotations

from importlib import resources

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection


def alembic_configuration(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration, set up to run on this connection if one is given."""
    configuration = Config()
    configuration.set_main_option("script_location", str(resources.files("hortus.flow.migrations")))
    configuration.set_main_option("path_separator", "os")
    configuration.attributes["connection"] = connection
    return configuration


def known_revisions() -> set[str]:
    """Return the revisions of all migrations that this version has."""
    return {script.revision for script in _scripts().walk_revisions()}


def newest_revision() -> str:
    """Return the revision of the newest migration that this version has."""
    head = _scripts().get_current_head()
    assert head is not None, "the package contains migrations"
    return head


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(alembic_configuration())
