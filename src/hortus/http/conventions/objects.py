"""The base of what the documentation says about objects in replies."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class ApiObject(BaseModel):
    """An object in a reply, for the documentation; replies themselves are made without it."""

    model_config = ConfigDict(alias_generator=to_camel)
