"""The identity of a recipe's revision: the SHA-256 of its canonical JSON. Pure."""

from __future__ import annotations

import hashlib

import orjson

from hortus.domain.recipes.document import Recipe
from hortus.domain.recipes.json_form import document_of


def canonical_json(recipe: Recipe) -> bytes:
    """Return the recipe as JSON with sorted keys and no spaces, which `read_recipe` reads as well.

    Equal recipes have the same bytes, in whatever order and notation their files were written.
    """
    return orjson.dumps(document_of(recipe), option=orjson.OPT_SORT_KEYS)


def recipe_sha256(recipe: Recipe) -> str:
    """Return the identity of a recipe: 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(recipe)).hexdigest()
