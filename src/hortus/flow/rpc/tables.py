"""The table of the configurations that kits have fetched."""

from __future__ import annotations

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from hortus.base.database.base import Base, Timestamp


class FetchedConfigurationRow(Base):
    """The configuration a kit was given last, and when. Kits ask only at boot, so it is the one they run.

    `kit_configuration_id` is null if there was none to give, or if it has been deleted since.
    """

    __tablename__ = "kit_fetched_configurations"

    kit_id: Mapped[int] = mapped_column(
        ForeignKey("kits.id", onupdate="CASCADE", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    kit_configuration_id: Mapped[int | None] = mapped_column(
        ForeignKey("kit_configurations.id", onupdate="CASCADE", ondelete="SET NULL"), index=True
    )
    fetched_at: Mapped[Timestamp]
