"""Delivering through the services that people name by a URL (Telegram, ntfy, …).

The URL says where this server sends requests to, so not every one is accepted: as shipped, only services that
always stand at an address of their own on the internet. Otherwise whoever has an account could have this
server knock at machines of its own network. An operator may allow more.
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
"""Services at one address that nobody can choose; `ntfys` only where it is the public server."""

MOST_URL_CHARACTERS = 1000

_CONNECT_SECONDS = 5.0
_SILENCE_SECONDS = 10.0

# Others name files and addresses to load, switch off the check of certificates, or stretch time limits.
_ALLOWED_PARAMETERS = frozenset({"priority", "silent", "sound", "tags", "thread", "to", "topic"})

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{1,30}")
_STATUS = re.compile(r"error[=: ]+(\d{3})")


class InvalidService(UsageError):
    """A URL that names no service to which messages may be sent. The message never holds the secret URL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePolicy:
    """To which services messages may go: those always allowed, and what the operator added."""

    added: frozenset[str] = frozenset()

    @property
    def allowed(self) -> frozenset[str]:
        """The schemes of URLs that are accepted."""
        return ALWAYS_ALLOWED | self.added

    def check(self, url: str) -> str:
        """Return the URL's scheme. Raises InvalidService. Blocks: the first call loads the library."""
        scheme = self._check_form(url)
        service = _instantiate(url)
        if service is None:
            raise InvalidService(
                f"The URL is not complete for the service {scheme}. Its form is described at "
                "https://appriseit.com/services/."
            )
        if scheme == "ntfys" and scheme not in self.added and getattr(service, "mode", None) != "cloud":
            raise InvalidService(
                "Only the public server of ntfy is allowed here: ntfys://TOPIC. The operator can allow others "
                "(HORTUS_NOTIFICATION_SERVICES)."
            )
        return scheme

    def _check_form(self, url: str) -> str:
        scheme, separator, _ = url.partition("://")
        scheme = scheme.lower()
        if len(url) > MOST_URL_CHARACTERS or not separator or not _SCHEME.fullmatch(scheme):
            raise InvalidService("A service is named by a URL such as tgram://BOT-TOKEN/CHAT or ntfys://TOPIC.")
        if scheme not in self.allowed:
            raise InvalidService(
                f"The service {scheme} is not allowed here. Allowed are: {', '.join(sorted(self.allowed))}. "
                "The operator can allow others (HORTUS_NOTIFICATION_SERVICES)."
            )
        if not url.isprintable() or " " in url:
            raise InvalidService("The URL has spaces or characters that cannot be printed; encode them.")
        try:
            names = {name.lower() for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)}
        except ValueError as error:
            raise InvalidService("The URL cannot be read.") from error
        if not names <= _ALLOWED_PARAMETERS:
            raise InvalidService(
                "The URL has a parameter that is not allowed here. Allowed are: "
                f"{', '.join(sorted(_ALLOWED_PARAMETERS))}."
            )
        return scheme


def service_policy(settings: Settings) -> ServicePolicy:
    """Return what the setting allows. Raises UsageError."""
    names = frozenset(
        name.strip().lower() for name in settings.notification_services.split(",") if name.strip()
    )
    wrong = sorted(name for name in names if not _SCHEME.fullmatch(name))
    if wrong:
        raise UsageError(
            f"HORTUS_NOTIFICATION_SERVICES names {', '.join(wrong)}; it is a list of schemes such as "
            "gotifys,hassios,ntfys."
        )
    return ServicePolicy(added=names)


class ServiceDelivery:
    """One message on its way to a service. `deliver` blocks, for some tens of seconds at most."""

    def __init__(self, policy: ServicePolicy, url: str, letter: OutgoingMessage) -> None:
        self._policy = policy
        self._url = url
        self._letter = letter

    def deliver(self) -> None:
        """Hand the message over. Raises NotDelivered."""
        try:
            self._policy.check(self._url)  # what is allowed may have changed since the URL was taken
        except InvalidService as error:
            raise NotDelivered(str(error), permanent=True) from error
        service = _instantiate(self._url)
        assert service is not None, "it was checked"
        with _statuses_of_this_thread() as statuses:
            taken = service.notify(title=self._letter.subject, body=self._letter.body)
        if not taken:
            raise NotDelivered(
                f"The service answers with status {statuses[-1]}."
                if statuses
                else "The service did not take it."
            )

    def abort(self) -> None:
        """Do nothing: the library cannot be interrupted, but ends by its own time limits."""


def _instantiate(url: str) -> Any | None:
    """Return the library's object for one service, with our limits, or None if the URL is not one."""
    service = _library().Apprise.instantiate(url, suppress_exceptions=True)
    if service is None:
        return None
    service.socket_connect_timeout = _CONNECT_SECONDS
    service.socket_read_timeout = _SILENCE_SECONDS
    service.redirects = False
    return service


class _Statuses(logging.Handler):
    """Picks HTTP statuses out of what the library logs: its own words may hold parts of the URL."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread and (status := _STATUS.search(record.getMessage())):
            self.found.append(status[1])


@contextlib.contextmanager
def _statuses_of_this_thread() -> Iterator[list[str]]:
    handler, logger = _Statuses(), logging.getLogger("apprise")
    logger.addHandler(handler)
    try:
        yield handler.found
    finally:
        logger.removeHandler(handler)


@cache
def _library() -> Any:
    """Load apprise when it is first needed: it takes a small computer a second."""
    # It logs whole URLs, which are secrets.
    logger = logging.getLogger("apprise")
    logger.propagate = False
    logger.setLevel(logging.WARNING)
    logger.addHandler(logging.NullHandler())
    logging.getLogger("urllib3").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        # One of its services uses a module that Python will drop; none of ours does.
        warnings.simplefilter("ignore", DeprecationWarning)
        import apprise

        apprise.Apprise.instantiate("ntfys://loads-all-services")
    return apprise
