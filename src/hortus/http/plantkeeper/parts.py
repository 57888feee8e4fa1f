"""What this API is made of, and who calls it."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from hortus.flow.gateway.limits import Network
from hortus.flow.ingest.messages import ReadingIntake
from hortus.http.access.caller import Caller, find_caller
from hortus.http.access.services import Services
from hortus.http.plantkeeper.answers import NO_ACCESS, Refused

_TOKEN_HEADER = "token"  # noqa: S105  (the name of a header)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantKeeperParts:
    """What a program that serves this API has to give it.

    `services` are those of the API beside it, so that limits are counted together. `intake` takes readings; a
    process without one refuses them. From `open_networks`, readings are taken from senders that do not say who
    they are (setting HORTUS_PLANTKEEPER_OPEN_NETWORKS).
    """

    services: Services
    intake: ReadingIntake | None = None
    open_networks: tuple[Network, ...] = ()

    async def caller_or_nobody(self, request: Request) -> Caller:
        """Return who sends this request, logged in or not. Raises Problem 429."""
        return await find_caller(request, self.services, request.headers.get("authorization"))

    async def caller(self, request: Request, *, with_token_header: bool = False) -> Caller:
        """Return who logged in and sends this request. Raises Refused 401, or Problem 429.

        Where the original takes a secret in the header `token`, ours takes an API key there.
        """
        authorization = request.headers.get("authorization")
        if with_token_header and (key := request.headers.get(_TOKEN_HEADER)):
            authorization = f"Bearer {key}"
        caller = await find_caller(request, self.services, authorization)
        if caller.user_id is None:
            raise Refused(401, NO_ACCESS)
        return caller
