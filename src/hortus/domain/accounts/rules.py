"""Validation of user names, e-mail addresses and passwords (http-api 4.2). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hortus.base.errors import UsageError
from hortus.domain.accounts.common_passwords import is_common
from hortus.domain.accounts.email_addresses import is_email_address
from hortus.domain.accounts.passwords import MOST_PASSWORD_BYTES
from hortus.domain.accounts.usernames import canonical_username

LEAST_PASSWORD_CHARACTERS = 8
MOST_USERNAME_CHARACTERS = 40
MOST_EMAIL_CHARACTERS = 255

_INSIDE_NAMES = frozenset("-")
_INSIDE_SPACED_NAMES = frozenset(" -._'\u2019")


class AccountRule(StrEnum):
    """Why a value is refused, by the names of http-api 1.7."""

    EMAIL_ADDRESS = "mustBeEmailAddress"
    LENGTH = "mustHaveLengthBetween"
    TAKEN = "alreadyExists"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenAccountRule:
    """A violation of one rule by one field; `minimum` and `maximum` are set for LENGTH, in characters."""

    field: str
    rule: AccountRule
    message: str
    minimum: int | None = None
    maximum: int | None = None


class InvalidAccount(UsageError):
    """An account cannot be created or changed like this; `broken_rules` has all reasons at once."""

    def __init__(self, broken_rules: tuple[BrokenAccountRule, ...]) -> None:
        super().__init__(" ".join(broken.message for broken in broken_rules))
        self.broken_rules = broken_rules


def broken_rules(
    username: str, email_address: str, password: str, *, spaces_allowed: bool = False
) -> tuple[BrokenAccountRule, ...]:
    """Return all rules that a new account breaks, except that names and addresses must be unique."""
    return (
        *broken_by_username(username, spaces_allowed=spaces_allowed),
        *_broken_by_email_address(email_address),
        *broken_by_password(password, username, email_address),
    )


def broken_by_password(password: str, *own_words: str) -> tuple[BrokenAccountRule, ...]:
    """Return the rules that a new password breaks; `own_words` are the person's user name and e-mail address.

    As NIST SP 800-63B has it: a length, nothing that is guessed first, and no rules about kinds of characters.
    """
    length_bytes = len(password.encode("utf-8", "surrogatepass"))
    if len(password) < LEAST_PASSWORD_CHARACTERS or length_bytes > MOST_PASSWORD_BYTES:
        message = (
            f"A password has at least {LEAST_PASSWORD_CHARACTERS} characters and at most "
            f"{MOST_PASSWORD_BYTES} bytes. Several words are easy to remember."
        )
        broken = BrokenAccountRule(
            field="password",
            rule=AccountRule.LENGTH,
            message=message,
            minimum=LEAST_PASSWORD_CHARACTERS,
            maximum=MOST_PASSWORD_BYTES,
        )
        return (broken,)
    if is_common(password) or password.lower() in {word.lower() for word in own_words}:
        message = "This password is among the first that are guessed. Choose another, such as several words."
        return (BrokenAccountRule(field="password", rule=AccountRule.OTHER, message=message),)
    return ()


def broken_by_username(username: str, *, spaces_allowed: bool = False) -> tuple[BrokenAccountRule, ...]:
    """Return the rules that a new name breaks, which is in Unicode's composed form.

    AstroPlant's clients know letters, digits and hyphens (http-api 4.2). PlantKeeper's give any name, of which
    `spaces_allowed` takes those that people have.
    """
    broken: list[BrokenAccountRule] = []
    # The lower-case form can be longer than the name as typed, and both are stored.
    longest = max(len(username), len(canonical_username(username)))
    if not 1 <= longest <= MOST_USERNAME_CHARACTERS:
        broken.append(
            BrokenAccountRule(
                field="username",
                rule=AccountRule.LENGTH,
                message=f"A user name has 1 to {MOST_USERNAME_CHARACTERS} characters.",
                minimum=1,
                maximum=MOST_USERNAME_CHARACTERS,
            )
        )
    inside = _INSIDE_SPACED_NAMES if spaces_allowed else _INSIDE_NAMES
    ends_well = username[:1] not in inside and username[-1:] not in inside
    fits = all(character.isalnum() or character in inside for character in username)
    if not ends_well or not fits or "  " in username:
        message = "A user name has letters, digits and hyphens, and does not start or end with a hyphen."
        if spaces_allowed:
            message = (
                "A user name has letters and digits, and between them hyphens, dots, underscores, apostrophes "
                "or single spaces."
            )
        broken.append(BrokenAccountRule(field="username", rule=AccountRule.OTHER, message=message))
    return tuple(broken)


def _broken_by_email_address(address: str) -> tuple[BrokenAccountRule, ...]:
    broken: list[BrokenAccountRule] = []
    if not is_email_address(address):
        message = "This is not an e-mail address. An address looks like name@example.org."
        broken.append(BrokenAccountRule(field="emailAddress", rule=AccountRule.EMAIL_ADDRESS, message=message))
    if max(len(address), len(address.lower())) > MOST_EMAIL_CHARACTERS:
        broken.append(
            BrokenAccountRule(
                field="emailAddress",
                rule=AccountRule.LENGTH,
                message=f"An e-mail address has at most {MOST_EMAIL_CHARACTERS} characters.",
                minimum=1,
                maximum=MOST_EMAIL_CHARACTERS,
            )
        )
    return tuple(broken)
