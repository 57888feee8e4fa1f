"""People who may log in, and what they are logged in with."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ARRAY, ForeignKey, String, false, true
from sqlalchemy.orm import Mapped, mapped_column

from hortus.base.database.base import Base, CreatedAt, Timestamp


class UserRow(Base):
    """A person. `username` and `email_address` are stored in lower case (http-api 4.2)."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(40), unique=True)
    display_name: Mapped[str] = mapped_column(String(40))
    password_hash: Mapped[str] = mapped_column(String(255))
    email_address: Mapped[str] = mapped_column(String(255), unique=True)
    use_email_address_for_gravatar: Mapped[bool] = mapped_column(server_default=true())
    gravatar_alternative: Mapped[str] = mapped_column(String(255))
    is_admin: Mapped[bool] = mapped_column(server_default=false())
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]


class RefreshTokenRow(Base):
    """A log-in that may be renewed; without its row a refresh token is worth nothing.

    `password_stamp` is that of the user's password at log-in: another password ends it.
    """

    __tablename__ = "refresh_tokens"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.id", onupdate="CASCADE", ondelete="CASCADE"), index=True
    )
    password_stamp: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[CreatedAt]
    last_used_at: Mapped[CreatedAt]
    expires_at: Mapped[Timestamp]


class ApiKeyRow(Base):
    """A key that a person made for a program. Only its SHA-256 is kept: the key is 256 random bits."""

    __tablename__ = "api_keys"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.id", onupdate="CASCADE", ondelete="CASCADE"), index=True
    )
    name: Mapped[str] = mapped_column(String(40))
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(String(20)))
    created_at: Mapped[CreatedAt]
    last_used_at: Mapped[Timestamp | None]
    expires_at: Mapped[Timestamp]
