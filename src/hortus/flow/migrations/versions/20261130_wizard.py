"""Log-ins of kits, virtual kits made on a page, and what forms need that create kits.

Revision ID: 20261130_wizard
Revises: 20261130_events_histories
Create Date: 2026-11-30 10:00:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261130_wizard"
down_revision = "20261130_events_histories"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Apply the change. Nullable columns rewrite no rows."""
    op.execute("SET LOCAL lock_timeout = '10s'")
    op.add_column("kits", sa.Column("details_changed_at", _TIME, nullable=True))
    op.add_column("kits", sa.Column("details_changed_by", sa.Integer(), nullable=True))
    op.create_foreign_key(
        op.f("kits_details_changed_by_fkey"),
        *("kits", "users", ["details_changed_by"], ["id"]),
        onupdate="CASCADE",
        ondelete="SET NULL",
    )
    op.create_index(op.f("kits_details_changed_by_idx"), "kits", ["details_changed_by"])
    op.create_table(
        "kit_log_ins",
        sa.Column("kit_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("logged_in_at", _TIME, nullable=True),
        sa.Column("logged_in_from", sa.String(length=64), nullable=True),
        sa.Column("refused_at", _TIME, nullable=True),
        sa.Column("refused_from", sa.String(length=64), nullable=True),
        sa.Column("refused_reason", sa.String(length=32), nullable=True),
        sa.Column("refused_name", sa.String(length=40), nullable=True),
        sa.Column("refused_times", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("topic_refused_at", _TIME, nullable=True),
        sa.Column("topic_refused", sa.String(length=200), nullable=True),
        _of_kit("kit_log_ins"),
        sa.PrimaryKeyConstraint("kit_id", name=op.f("kit_log_ins_pkey")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "virtual_kits",
        sa.Column("kit_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("created_at", _TIME, server_default=sa.text("now()"), nullable=False),
        _of_kit("virtual_kits"),
        sa.PrimaryKeyConstraint("kit_id", name=op.f("virtual_kits_pkey")),
    )
    op.create_table(
        "kit_creations",
        sa.Column("form_id", sa.Uuid(), nullable=False),
        sa.Column("kit_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        _of_kit("kit_creations"),
        _of_user("kit_creations"),
        sa.PrimaryKeyConstraint("form_id", "kit_id", name=op.f("kit_creations_pkey")),
    )
    op.create_index(op.f("kit_creations_kit_id_idx"), "kit_creations", ["kit_id"])
    op.create_index(op.f("kit_creations_user_id_idx"), "kit_creations", ["user_id"])
    op.create_table(
        "shown_once",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        _of_user("shown_once"),
        sa.PrimaryKeyConstraint("id", name=op.f("shown_once_pkey")),
    )
    op.create_index(op.f("shown_once_expires_at_idx"), "shown_once", ["expires_at"])
    op.create_index(op.f("shown_once_user_id_idx"), "shown_once", ["user_id"])


def downgrade() -> None:
    """Undo the change. Virtual kits stay as kits that nothing runs."""
    for table in ("shown_once", "kit_creations", "virtual_kits", "kit_log_ins"):
        op.drop_table(table)
    op.drop_column("kits", "details_changed_by")
    op.drop_column("kits", "details_changed_at")


def _of_kit(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["kit_id"],
        ["kits.id"],
        name=op.f(f"{table}_kit_id_fkey"),
        onupdate="CASCADE",
        ondelete="CASCADE",
    )


def _of_user(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["user_id"],
        ["users.id"],
        name=op.f(f"{table}_user_id_fkey"),
        onupdate="CASCADE",
        ondelete="CASCADE",
    )
