"""All rate limits of one API."""

from __future__ import annotations

from hortus.http.access.log_in_limits import LogInLimits
from hortus.http.access.rate_limits import Allowances, RateLimit


class RateLimits:
    """The rate limits of one API."""

    def __init__(self, allowances: Allowances) -> None:
        self.anonymous = RateLimit(allowances.anonymous)
        self.sign_ups = RateLimit(allowances.sign_ups)
        self.known_accounts = RateLimit(allowances.known_accounts)
        self.password_resets = RateLimit(allowances.password_resets)
        self.live_requests = RateLimit(allowances.live_requests)
        self.test_messages = RateLimit(allowances.test_messages)
        self.log_ins = LogInLimits(allowances.log_ins, allowances.log_ins_per_user)
