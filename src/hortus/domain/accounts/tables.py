"""User accounts and their credentials: refresh tokens and API keys."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ARRAY, ForeignKey, LargeBinary, String, false, text, true
from sqlalchemy.orm import Mapped, mapped_column

from hortus.base.database.base import Base, CreatedAt, Timestamp


class UserRow(Base):
    """A user. `username` and `email_address` are stored in lower case (http-api 4.2)."""

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
    # Where the person lives; HORTUS_TIME_ZONE if null.
    time_zone: Mapped[str | None] = mapped_column(String(64))
    # How pages look; without a language, as the browser asks. See hortus.base.language.appearance.
    language: Mapped[str | None] = mapped_column(String(16))
    temperature_unit: Mapped[str] = mapped_column(String(10), server_default=text("'celsius'"))
    clock: Mapped[str] = mapped_column(String(4), server_default=text("'24h'"))
    theme: Mapped[str] = mapped_column(String(10), server_default=text("'system'"))
    shortcuts: Mapped[bool] = mapped_column(server_default=true())


class RefreshTokenRow(Base):
    """A log-in to the API or the pages; a refresh token or session cookie without its row is invalid.

    `password_stamp` is that of the user's password at log-in: changing the password ends the log-in.
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
    place: Mapped[str] = mapped_column(String(10), server_default=text("'api'"))


class ApiKeyRow(Base):
    """A personal API key. Only its SHA-256 is stored, which suffices because the key is 256 random bits."""

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


class ShownOnceRow(Base):
    """Something that a page shows to a person once, such as a new password: encrypted, for a few minutes."""

    __tablename__ = "shown_once"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.id", onupdate="CASCADE", ondelete="CASCADE"), index=True
    )
    content: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[Timestamp] = mapped_column(index=True)
