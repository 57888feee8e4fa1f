"""Commands to kits with what came of them, and presence.

Revision ID: 20261122_kit_commands
Revises: 20261122_series_rollups
Create Date: 2026-11-22 19:00:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261122_kit_commands"
down_revision = "20261122_series_rollups"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Apply the change."""
    op.execute("SET LOCAL lock_timeout = '10s'")
    _create_commands()
    _create_presence()
    op.create_table(
        "kit_fetched_configurations",
        sa.Column("kit_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kit_configuration_id", sa.Integer(), nullable=True),
        sa.Column("fetched_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["kit_id"],
            ["kits.id"],
            name="kit_fetched_configurations_kit_id_fkey",
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["kit_configuration_id"],
            ["kit_configurations.id"],
            name="kit_fetched_configurations_kit_configuration_id_fkey",
            onupdate="CASCADE",
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("kit_id", name="kit_fetched_configurations_pkey"),
    )
    op.create_index(
        "kit_fetched_configurations_kit_configuration_id_idx",
        "kit_fetched_configurations",
        ["kit_configuration_id"],
    )


def _create_commands() -> None:
    op.create_table(
        "kit_commands",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("kit_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("method", sa.String(length=32), nullable=False),
        sa.Column("peripheral", sa.String(length=255), nullable=True),
        sa.Column("command_json", sa.Text(), nullable=True),
        sa.Column("state", sa.String(length=16), server_default=sa.text("'waiting'"), nullable=False),
        sa.Column("error", sa.String(length=64), nullable=True),
        sa.Column("explanation", sa.Text(), nullable=True),
        sa.Column("requested_at", _TIME, nullable=False),
        sa.Column("give_up_at", _TIME, nullable=False),
        sa.Column("sent_at", _TIME, nullable=True),
        sa.Column("answer_by", _TIME, nullable=True),
        sa.Column("finished_at", _TIME, nullable=True),
        sa.Column("late_answer_at", _TIME, nullable=True),
        sa.Column("occupies_kit", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("result_media_type", sa.String(length=255), nullable=True),
        sa.Column("result_bytes", sa.Integer(), nullable=True),
        sa.Column("result_text", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["kit_id"], ["kits.id"], name="kit_commands_kit_id_fkey", onupdate="CASCADE", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name="kit_commands_user_id_fkey",
            onupdate="CASCADE",
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name="kit_commands_pkey"),
    )
    op.create_index("kit_commands_kit_id_id_idx", "kit_commands", ["kit_id", "id"])
    op.create_index("kit_commands_user_id_idx", "kit_commands", ["user_id"])
    op.create_index(
        "kit_commands_one_outstanding_per_kit",
        "kit_commands",
        ["kit_id"],
        unique=True,
        postgresql_where=sa.text("occupies_kit"),
    )
    op.create_index(
        "kit_commands_waiting_idx",
        "kit_commands",
        ["kit_id", "id"],
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_table(
        "kit_command_results",
        sa.Column("command_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("part", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["command_id"],
            ["kit_commands.id"],
            name="kit_command_results_command_id_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("command_id", "part", name="kit_command_results_pkey"),
    )
    op.create_table(
        "kit_command_sending",
        sa.Column("id", sa.Integer(), autoincrement=False, server_default=sa.text("1"), nullable=False),
        sa.Column("sending_until", _TIME, nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("kit_command_sending_one_row_check")),
        sa.PrimaryKeyConstraint("id", name="kit_command_sending_pkey"),
    )


def _create_presence() -> None:
    op.create_table(
        "kit_presence",
        sa.Column("kit_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("is_connected", sa.Boolean(), nullable=True),
        sa.Column("connection_changed_at", _TIME, nullable=True),
        sa.Column("last_contact_at", _TIME, nullable=True),
        sa.Column("announced_state", sa.String(length=16), nullable=True),
        sa.Column("announced_since", _TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["kit_id"], ["kits.id"], name="kit_presence_kit_id_fkey", onupdate="CASCADE", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("kit_id", name="kit_presence_pkey"),
        postgresql_with={"fillfactor": "50"},
    )
    op.create_table(
        "presence_listening",
        sa.Column("id", sa.Integer(), autoincrement=False, server_default=sa.text("1"), nullable=False),
        sa.Column("listening_since", _TIME, nullable=False),
        sa.Column("listening_until", _TIME, nullable=False),
        sa.Column("previous_until", _TIME, nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("presence_listening_one_row_check")),
        sa.PrimaryKeyConstraint("id", name="presence_listening_pkey"),
    )


def downgrade() -> None:
    """Undo the change: the ledger of commands is lost, and what is known of kits being there."""
    op.drop_table("kit_fetched_configurations")
    op.drop_table("presence_listening")
    op.drop_table("kit_presence")
    op.drop_table("kit_command_sending")
    op.drop_table("kit_command_results")
    op.drop_table("kit_commands")
