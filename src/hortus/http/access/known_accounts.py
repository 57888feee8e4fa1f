"""Bounds how often anybody is told that a user name or an e-mail address is taken.

Those who sign up must learn it, and the AstroPlant front end prints it beside the field. But nobody shall find
out with a list of addresses who has an account here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hortus.domain.accounts.rules import AccountRule, InvalidAccount
from hortus.http.access.rate_limits import RateLimit
from hortus.http.conventions.problems import rate_limited


@contextmanager
def telling_seldom(limit: RateLimit, asker: str) -> Iterator[None]:
    """Count the answer "taken" against this network or person. Raises Problem 429 when there were too many.

    Then it is raised for every request, or it would itself tell what it hides.
    """
    wait_seconds = limit.wait_seconds(asker)
    if wait_seconds > 0:
        raise rate_limited(wait_seconds, "Too many of your requests named accounts that exist already.")
    try:
        yield
    except InvalidAccount as error:
        if any(broken.rule is AccountRule.TAKEN for broken in error.broken_rules):
            limit.take(asker)
        raise
