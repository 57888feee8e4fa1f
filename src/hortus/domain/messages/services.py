"""Delivering through services that users identify by a URL (Telegram, ntfy, …).

The URL determines where this server sends requests, so not every URL is accepted: by default, only services
with a fixed address on the internet. Otherwise any user could have this server send requests to machines in
its own network. An operator may allow more.
"""

from __future__ import annotations

import contextlib
import logging
import re
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from hortus.base.errors import UsageError
from hortus.base.settings import Settings
from hortus.domain.messages.outcome import NotDelivered, OutgoingMessage

ALWAYS_ALLOWED = frozenset(
    {"discord", "gchat", "ntfys", "pbul", "pover", "prowl", "psafers", "slack", "spush", "tgram", "threema"}
)
"""Services with a fixed address that a URL cannot change; `ntfys` only for the public server."""

MOST_URL_CHARACTERS = 1000

_CONNECT_SECONDS = 10.0
# A service that is slow is not asked twice: most would deliver the message twice.
_SILENCE_SECONDS = 60.0
# A URL may name several recipients, each of which is one request.
_MOST_SECONDS = 900.0

# Other parameters name files or addresses to load, disable certificate checks, or extend timeouts.
_ALLOWED_PARAMETERS = frozenset({"priority", "silent", "sound", "tags", "thread", "to", "topic"})

_DISCORD_MARKUP = re.compile(r"[\\*~`|\[\]<>]")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{1,30}")
_UNANSWERED = re.compile(r"read timed out", re.IGNORECASE)
_STATUS = re.compile(r"error[=: ]+(\d{3})")


class InvalidService(UsageError):
    """The URL does not name a service that is allowed. The error's message never contains the secret URL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePolicy:
    """The services that are allowed: those that always are, and those that the operator added."""

    added: frozenset[str] = frozenset()

    @property
    def allowed(self) -> frozenset[str]:
        """The accepted URL schemes."""
        return ALWAYS_ALLOWED | self.added

    def check(self, url: str) -> str:
        """Return the URL's scheme. Raises InvalidService. Blocks: the first call loads the library."""
        scheme = self._check_form(url)
        service = _instantiate(url)
        if service is None:
            raise InvalidService(
                f"The URL is incomplete for the service {scheme}. Its form is described at "
                "https://appriseit.com/services/."
            )
        if scheme == "ntfys" and scheme not in self.added and getattr(service, "mode", None) != "cloud":
            raise InvalidService(
                "Only ntfy's public server is allowed here: ntfys://TOPIC. The operator can allow others "
                "(HORTUS_NOTIFICATION_SERVICES)."
            )
        return scheme

    def _check_form(self, url: str) -> str:
        scheme, separator, _ = url.partition("://")
        scheme = scheme.lower()
        if len(url) > MOST_URL_CHARACTERS or not separator or not _SCHEME.fullmatch(scheme):
            raise InvalidService("Enter the URL of a service, such as tgram://BOT-TOKEN/CHAT or ntfys://TOPIC.")
        if scheme not in self.allowed:
            raise InvalidService(
                f"The service {scheme} is not allowed here. Allowed: {', '.join(sorted(self.allowed))}. "
                "The operator can allow others (HORTUS_NOTIFICATION_SERVICES)."
            )
        if not url.isprintable() or " " in url:
            raise InvalidService("The URL contains spaces or unprintable characters; encode them.")
        try:
            names = {name.lower() for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)}
        except ValueError as error:
            raise InvalidService("The URL cannot be read.") from error
        if not names <= _ALLOWED_PARAMETERS:
            raise InvalidService(
                "The URL has a parameter that is not allowed here. Allowed parameters: "
                f"{', '.join(sorted(_ALLOWED_PARAMETERS))}."
            )
        return scheme


def service_policy(settings: Settings) -> ServicePolicy:
    """Return the policy of the settings. Raises UsageError."""
    names = frozenset(
        name.strip().lower() for name in settings.notification_services.split(",") if name.strip()
    )
    wrong = sorted(name for name in names if not _SCHEME.fullmatch(name))
    if wrong:
        raise UsageError(
            f"HORTUS_NOTIFICATION_SERVICES contains {', '.join(wrong)}; it must be a list of URL schemes "
            "such as gotifys,hassios,ntfys."
        )
    return ServicePolicy(added=names)


class ServiceDelivery:
    """One attempt to send a message to a service. `deliver` blocks, usually for some tens of seconds."""

    most_seconds = _MOST_SECONDS

    def __init__(self, policy: ServicePolicy, url: str, letter: OutgoingMessage) -> None:
        self._policy = policy
        self._url = url
        self._letter = letter

    def deliver(self) -> None:
        """Send the message. Raises NotDelivered."""
        try:
            self._policy.check(self._url)  # the policy may have changed since the URL was accepted
        except InvalidService as error:
            raise NotDelivered(str(error), permanent=True) from error
        service = _instantiate(self._url)
        assert service is not None, "it was checked"
        with _log_of_this_thread() as said:
            taken = service.notify(**_plain(self._url, service, self._letter))
        if taken:
            return
        if said.unanswered:
            raise NotDelivered(
                "The service did not answer in time. It may have delivered the message, so it is not sent "
                "again.",
                permanent=True,
            )
        raise NotDelivered(
            f"The service answered with status {said.statuses[-1]}."
            if said.statuses
            else "The service did not accept the message."
        )

    def abort(self) -> None:
        """Do nothing: the library cannot be interrupted, but has timeouts of its own."""


def _plain(url: str, service: Any, letter: OutgoingMessage) -> dict[str, Any]:
    """Return the message such that the service shows it as it is: names become no links, no mentions.

    A service that is called directly takes any text for its own markup; so does the library's own escaping,
    which is done here, for Discord.
    """
    title, body = letter.subject, letter.body
    if url.lower().startswith("discord:"):
        title, body = (_DISCORD_MARKUP.sub(r"\\\g<0>", text).replace("@", "@\u200b") for text in (title, body))
    plain = _library().NotifyFormat.TEXT
    target = service.resolve_format(plain)
    convert = _library().conversion.convert_between
    return {
        # Without a field of its own, the title becomes a part of the body.
        "title": convert(plain, target, title) if service.title_maxlen <= 0 else title,
        "body": convert(plain, target, body),
        "body_format": target,
        "body_passthrough": False,
    }


def _instantiate(url: str) -> Any | None:
    """Return the library's object for a service, with our timeouts, or None if the URL is invalid."""
    service = _library().Apprise.instantiate(url, suppress_exceptions=True)
    if service is None:
        return None
    service.socket_connect_timeout = _CONNECT_SECONDS
    service.socket_read_timeout = _SILENCE_SECONDS
    service.redirects = False
    return service


class _LibraryLog(logging.Handler):
    """Extracts from the library's log what became of requests: its full messages may contain parts of the URL.

    `unanswered`: a request was sent, and the service did not answer in time.
    """

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.statuses: list[str] = []
        self.unanswered = False
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread != self._thread:
            return
        said = record.getMessage()
        if record.levelno >= logging.WARNING and (status := _STATUS.search(said)):
            self.statuses.append(status[1])
        elif _UNANSWERED.search(said):
            self.unanswered = True


@contextlib.contextmanager
def _log_of_this_thread() -> Iterator[_LibraryLog]:
    handler, logger = _LibraryLog(), logging.getLogger("apprise")
    logger.addHandler(handler)
    try:
        yield handler
    finally:
        logger.removeHandler(handler)


@cache
def _library() -> Any:
    """Load apprise when it is first needed: that takes a second on a small computer."""
    # It logs complete URLs, which are secrets.
    logger = logging.getLogger("apprise")
    logger.propagate = False
    # Only at this level does it say that a request timed out.
    logger.setLevel(logging.DEBUG)
    logger.addHandler(logging.NullHandler())
    logging.getLogger("urllib3").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        # One of its services uses a deprecated standard library module.
        warnings.simplefilter("ignore", DeprecationWarning)
        import apprise
        import apprise.conversion

        apprise.Apprise.instantiate("ntfys://loads-all-services")
    return apprise
