"""What is wrong with a new account or a changed one, in the language of the page."""

from __future__ import annotations

from hortus.base.language.translation import gettext
from hortus.domain.accounts.passwords import MOST_PASSWORD_BYTES
from hortus.domain.accounts.rules import (
    LEAST_PASSWORD_CHARACTERS,
    MOST_EMAIL_CHARACTERS,
    MOST_USERNAME_CHARACTERS,
    AccountRule,
    BrokenAccountRule,
    InvalidAccount,
)
from hortus.http.pages.forms import Form

_FIELDS = {"emailAddress": "email_address", "displayName": "display_name"}


def refuse(form: Form, error: InvalidAccount, *, password_field: str = "password") -> None:  # noqa: S107  (a field)
    """Note the faults at the fields of a form."""
    for broken in error.broken_rules:
        field = password_field if broken.field == "password" else _FIELDS.get(broken.field, broken.field)
        form.refuse(field, sentence(broken))


def sentence(broken: BrokenAccountRule) -> str:
    """Return what to change."""
    if broken.field == "password":
        return _about_password(broken)
    if broken.field == "emailAddress":
        return _about_address(broken)
    if broken.field == "displayName":
        return gettext("A display name has 1 to %(most)s characters.", most=MOST_USERNAME_CHARACTERS)
    return _about_username(broken)


def _about_password(broken: BrokenAccountRule) -> str:
    if broken.rule is AccountRule.LENGTH:
        return gettext(
            "A password has at least %(characters)s characters and at most %(bytes)s bytes. "
            "Several words are easy to remember.",
            characters=LEAST_PASSWORD_CHARACTERS,
            bytes=MOST_PASSWORD_BYTES,
        )
    return gettext("This password is among the first that are guessed. Choose another, such as several words.")


def _about_address(broken: BrokenAccountRule) -> str:
    if broken.rule is AccountRule.TAKEN:
        return gettext("This email address belongs to another account.")
    if broken.rule is AccountRule.LENGTH:
        return gettext("An email address has at most %(most)s characters.", most=MOST_EMAIL_CHARACTERS)
    return gettext("This is not an email address. It should look like name@example.org.")


def _about_username(broken: BrokenAccountRule) -> str:
    if broken.rule is AccountRule.TAKEN:
        return gettext("This user name is taken, or looks like one that is.")
    if broken.rule is AccountRule.LENGTH:
        return gettext("A user name has 1 to %(most)s characters.", most=MOST_USERNAME_CHARACTERS)
    return gettext("A user name has letters, digits and hyphens, and does not start or end with a hyphen.")
