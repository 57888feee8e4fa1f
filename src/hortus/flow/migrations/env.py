"""Alembic's entry point: runs on the connection passed in by hortus.flow.migrations.migrate."""

from __future__ import annotations

from alembic import context

from hortus.flow.migrations.migrate import is_part_of_models
from hortus.flow.migrations.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    include_object=is_part_of_models,
    compare_type=True,
    compare_server_default=True,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
