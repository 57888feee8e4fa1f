"""A recipe to YAML text. Pure."""

from __future__ import annotations

import yaml

from hortus.domain.recipes.document import Recipe
from hortus.domain.recipes.json_form import document_of


def write_recipe(recipe: Recipe) -> str:
    """Return a recipe as YAML that `read_recipe` reads as an equal one; equal recipes give the same text.

    Comments of the file that it was read from are not kept.
    """
    return yaml.dump(
        document_of(recipe),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=None,
        width=10_000,
    )


class _Dumper(yaml.SafeDumper):
    """Quotes each text that another reader of YAML might take for a number, a time or a truth value."""


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
