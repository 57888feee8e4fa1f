"""The log of administrators."""

from __future__ import annotations

from sqlalchemy import BigInteger, String, text
from sqlalchemy.orm import Mapped, mapped_column

from hortus.base.database.base import Base, CreatedAt

MOST_SUBJECT_CHARACTERS = 255


class AdministrationLogRow(Base):
    """One thing that an administrator did. Names are kept as they were: accounts and kits may be deleted."""

    __tablename__ = "administration_log"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    at: Mapped[CreatedAt]
    person: Mapped[str] = mapped_column(String(40))
    deed: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str] = mapped_column(String(MOST_SUBJECT_CHARACTERS))
    count: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
