"""Services that people can add by filling in fields, of which the service's URL is made. Pure.

Each kind asks for what its service shows to its own users; `ServicePolicy.check` judges the URL.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, quote, urlsplit

from hortus.base.errors import UsageError
from hortus.base.language.translation import gettext_noop

OTHER = "other"
"""The kind for a whole URL, where the operator has allowed more services."""

MOST_FIELD_CHARACTERS = 300


class WrongField(UsageError):
    """A field cannot be right; `field` is its key."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceField:
    """What a form asks for. `is_secret`: whoever knows it can write to the person in the service's name."""

    key: str
    label: str
    hint: str = ""
    is_secret: bool = False
    pattern: str = r"\S+"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceKind:
    """A service, by the scheme of its URL. `name` is a proper noun."""

    scheme: str
    name: str
    fields: tuple[ServiceField, ...]
    make: Callable[[Mapping[str, str]], str]

    def url(self, values: Mapping[str, str]) -> str:
        """Return the URL of the service with these values. Raises WrongField."""
        entered = {field.key: values.get(field.key, "").strip() for field in self.fields}
        for field in self.fields:
            value = entered[field.key]
            if len(value) > MOST_FIELD_CHARACTERS or not re.fullmatch(field.pattern, value, re.ASCII):
                raise WrongField(field.key, _NOT_LIKE_THAT)
        return self.make(entered)


_NOT_LIKE_THAT = gettext_noop("This does not look like what the service shows. Copy it from there.")


def _plain(pattern: str) -> Callable[[Mapping[str, str]], str]:
    """Return a maker that puts the values, encoded, into a pattern."""
    return lambda values: pattern.format(**{key: quote(value, safe="") for key, value in values.items()})


def _telegram(values: Mapping[str, str]) -> str:
    # The colon separates the two parts of the token, also in the URL.
    return f"tgram://{values['token']}/{quote(values['chat'], safe='@-')}"


def _last_parts(scheme: str, count: int) -> Callable[[Mapping[str, str]], str]:
    """Return a maker that takes the last parts of a webhook's path."""
    return lambda values: (
        f"{scheme}://"
        + "/".join(quote(part, safe="") for part in urlsplit(values["url"]).path.split("/")[-count:])
    )


def _google_chat(values: Mapping[str, str]) -> str:
    address = urlsplit(values["url"])
    query = parse_qs(address.query)
    parts = [address.path.split("/")[3], *query.get("key", [])[:1], *query.get("token", [])[:1]]
    if len(parts) < 3:
        raise WrongField("url", _NOT_LIKE_THAT)
    return "gchat://" + "/".join(quote(part, safe="") for part in parts)


def _webhook(pattern: str) -> ServiceField:
    return ServiceField(key="url", label=gettext_noop("Webhook URL"), is_secret=True, pattern=pattern)


_API_KEY = ServiceField(key="key", label=gettext_noop("Key"), is_secret=True, pattern=r"[\w.-]+")

KINDS = (
    ServiceKind(
        scheme="ntfys",
        name="ntfy",
        fields=(
            ServiceField(
                key="topic",
                label=gettext_noop("Topic"),
                hint=gettext_noop("Whoever knows the topic can read along: choose one that nobody guesses."),
                is_secret=True,
                pattern=r"[\w-]{1,64}",
            ),
        ),
        make=_plain("ntfys://{topic}"),
    ),
    ServiceKind(
        scheme="tgram",
        name="Telegram",
        fields=(
            ServiceField(
                key="token",
                label=gettext_noop("Bot token"),
                hint=gettext_noop("From @BotFather, such as 123456:ABC-DEF."),
                is_secret=True,
                pattern=r"\d+:[\w-]+",
            ),
            ServiceField(
                key="chat",
                label=gettext_noop("Chat"),
                hint=gettext_noop("A number, or the @name of a channel."),
                pattern=r"-?\d+|@\w+",
            ),
        ),
        make=_telegram,
    ),
    ServiceKind(
        scheme="discord",
        name="Discord",
        fields=(_webhook(r"https://discord(app)?\.com/api/webhooks/\d+/[\w-]+"),),
        make=_last_parts("discord", 2),
    ),
    ServiceKind(
        scheme="slack",
        name="Slack",
        fields=(_webhook(r"https://hooks\.slack\.com/services/\w+/\w+/\w+"),),
        make=_last_parts("slack", 3),
    ),
    ServiceKind(
        scheme="gchat",
        name="Google Chat",
        fields=(_webhook(r"https://chat\.googleapis\.com/v1/spaces/[\w-]+/messages\?\S+"),),
        make=_google_chat,
    ),
    ServiceKind(
        scheme="pover",
        name="Pushover",
        fields=(
            ServiceField(key="user", label=gettext_noop("User key"), pattern=r"\w{30}"),
            ServiceField(
                key="token", label=gettext_noop("Application token"), is_secret=True, pattern=r"\w{30}"
            ),
        ),
        make=_plain("pover://{user}@{token}"),
    ),
    ServiceKind(scheme="pbul", name="Pushbullet", fields=(_API_KEY,), make=_plain("pbul://{key}")),
    ServiceKind(scheme="prowl", name="Prowl", fields=(_API_KEY,), make=_plain("prowl://{key}")),
    ServiceKind(scheme="psafers", name="Pushsafer", fields=(_API_KEY,), make=_plain("psafers://{key}")),
    ServiceKind(scheme="spush", name="SimplePush", fields=(_API_KEY,), make=_plain("spush://{key}")),
    ServiceKind(
        scheme="threema",
        name="Threema Gateway",
        fields=(
            ServiceField(key="gateway", label=gettext_noop("Gateway ID"), pattern=r"\*[A-Z0-9]{7}"),
            ServiceField(key="secret", label=gettext_noop("Secret"), is_secret=True, pattern=r"\w{16}"),
            ServiceField(
                key="to",
                label=gettext_noop("Recipient"),
                hint=gettext_noop("A Threema ID, or a telephone number with its country code."),
                pattern=r"[A-Z0-9]{8}|\+\d{6,15}",
            ),
        ),
        make=_plain("threema://{gateway}@{secret}/{to}"),
    ),
    ServiceKind(
        scheme=OTHER,
        name=gettext_noop("Another service"),
        fields=(
            ServiceField(
                key="url",
                label=gettext_noop("URL of the service"),
                hint=gettext_noop("In the form that https://appriseit.com/services/ describes."),
                is_secret=True,
            ),
        ),
        make=lambda values: values["url"],
    ),
)
"""All kinds, the most common first."""

_BY_SCHEME = {kind.scheme: kind for kind in KINDS}


def kind_of(scheme: str) -> ServiceKind | None:
    """Return the kind with this scheme, or None."""
    return _BY_SCHEME.get(scheme)


def service_name(scheme: str) -> str:
    """Return what the service with this scheme is called."""
    kind = _BY_SCHEME.get(scheme)
    return scheme if kind is None or scheme == OTHER else kind.name
