"""Recipes are written, hashed and compared by what they say, not by how their file was written."""

from __future__ import annotations

import json
from importlib import resources
from random import Random
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from recipes_for_tests import recipes

from hortus.domain.recipes.canonical import canonical_json, recipe_sha256
from hortus.domain.recipes.differences import Difference, differences
from hortus.domain.recipes.document import Recipe
from hortus.domain.recipes.faults import Fault, UnusableRecipe
from hortus.domain.recipes.json_form import Document, document_of
from hortus.domain.recipes.reading import read_recipe
from hortus.domain.recipes.writing import write_recipe

EXAMPLES = resources.files("hortus.domain.recipes") / "examples"
BASIL = (EXAMPLES / "basil.yaml").read_text("utf-8")


@pytest.mark.parametrize("name", ["basil", "lettuce", "tomato"])
def test_examples_are_valid_and_keep_their_sources_when_written(name: str) -> None:
    recipe = read_recipe((EXAMPLES / f"{name}.yaml").read_bytes())
    assert len(recipe.phases) == 3
    written = write_recipe(recipe)
    assert "\nnotes: |\n" in written
    assert read_recipe(written) == recipe


@given(recipes())
def test_reading_inverts_writing(recipe: Recipe) -> None:
    written = write_recipe(recipe)
    assert read_recipe(written) == recipe
    assert write_recipe(read_recipe(written)) == written


@settings(max_examples=40)
@given(recipes())
def test_other_readers_of_yaml_take_every_text_for_a_text(recipe: Recipe) -> None:
    assert yaml.safe_load(write_recipe(recipe)) == document_of(recipe)


@settings(max_examples=40)
@given(recipes())
def test_canonical_json_can_be_read_as_a_recipe(recipe: Recipe) -> None:
    assert read_recipe(canonical_json(recipe)) == recipe


@settings(max_examples=40)
@given(recipes(), st.randoms(use_true_random=False))
def test_the_identity_does_not_depend_on_the_order_of_keys(recipe: Recipe, random: Random) -> None:
    def shuffled(value: Any) -> Any:
        if isinstance(value, list):
            return [shuffled(each) for each in value]
        if not isinstance(value, dict):
            return value
        keys = list(value)
        random.shuffle(keys)
        return {key: shuffled(value[key]) for key in keys}

    other = read_recipe(json.dumps(shuffled(document_of(recipe)), ensure_ascii=False))
    assert recipe_sha256(other) == recipe_sha256(recipe)


@settings(max_examples=40)
@given(recipes(), recipes())
def test_recipes_are_equal_if_and_only_if_nothing_differs(one: Recipe, other: Recipe) -> None:
    assert differences(one, one) == []
    assert (differences(one, other) == []) == (one == other) == (canonical_json(one) == canonical_json(other))


@settings(max_examples=40)
@given(st.data())
def test_a_change_of_one_value_is_one_difference(data: st.DataObject) -> None:
    document: Document = document_of(data.draw(recipes()))
    before = read_recipe(json.dumps(document, ensure_ascii=False))
    document["name"] += "x" if len(document["name"]) < 100 else ""
    document["phases"].reverse()
    after = read_recipe(json.dumps(document, ensure_ascii=False))
    changed = {difference.path for difference in differences(before, after)}
    assert changed <= {"name", "phases"}
    assert ("phases" in changed) == (len(document["phases"]) > 1)


def test_the_identity_of_an_example_stays_the_same() -> None:
    """Runs refer to revisions by it: a new way to write canonical JSON would orphan them."""
    text = 'phases: [{ends: {gdd: 230.0, maxDays: 28}, name: "growth"}]\ngdd: {base: 11}\nname: Basil\n'
    recipe = read_recipe(f"{text}format: hortus-recipe/1\n")
    assert canonical_json(recipe) == (
        b'{"format":"hortus-recipe/1","gdd":{"base":11,"method":"hourly"},"name":"Basil",'
        b'"phases":[{"ends":{"gdd":230,"maxDays":28},"name":"growth"}]}'
    )
    assert recipe_sha256(recipe) == "b0d3eba0cddd94922d7a981896e2636a7a5e4ed64cdf6be44f8a430a5e6ce8b4"


def test_differences_name_phases_and_have_both_values() -> None:
    after = (
        BASIL.replace("[0.6, 1.1]", "[0.6, 1.2]").replace("upper: 28, ", "").replace("{days: 14}", "{gdd: 90}")
    )
    after = after.replace("name: harvest", "name: picking")
    harvest, picking = (read_recipe(text).phases[2] for text in (BASIL, after))
    assert differences(read_recipe(BASIL), read_recipe(after))[:-2] == [
        Difference(path="gdd.upper", old=28, new=None),
        Difference(path="phases[propagation].ends.days", old=14, new=None),
        Difference(path="phases[propagation].ends.gdd", old=None, new=90),
        Difference(path="phases[growth].light.vpd.band", old=[0.6, 1.1], new=[0.6, 1.2]),
    ]
    removed, added = differences(read_recipe(BASIL), read_recipe(after))[-2:]
    assert (removed.path, removed.old["name"], removed.new) == ("phases[harvest]", harvest.name, None)
    assert (added.path, added.old, added.new["name"]) == ("phases[picking]", None, picking.name)


@given(st.text() | st.binary())
def test_any_text_is_read_or_refused(content: str | bytes) -> None:
    read_or_refuse(content)


KEYS = ["format", "name", "phases", "ends", "days", "gdd", "base", "light", "day", "vpd", "dli", "band"]
KEYS += ["target", "photoperiod", "hours", "from", "authors", "notes", "at", "byHand"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.sampled_from(["06:00", "growth"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(KEYS) | st.text(),
            inner,
            max_size=5,
        )
    ),
)


@given(st.dictionaries(st.sampled_from(["name", "gdd", "phases", "authors", "notes"]), VALUES))
def test_any_yaml_is_read_or_refused(document: Document) -> None:
    read_or_refuse(yaml.safe_dump({"format": "hortus-recipe/1", **document}, allow_unicode=True))


@given(st.integers(0, len(BASIL) - 1), st.integers(0, 40), st.text(max_size=5))
def test_any_edit_of_an_example_is_read_or_refused(start: int, length: int, text: str) -> None:
    read_or_refuse(BASIL[:start] + text + BASIL[start + length :])


def read_or_refuse(content: str | bytes) -> None:
    faults: tuple[Fault, ...] = ()
    try:
        recipe = read_recipe(content)
    except UnusableRecipe as refused:
        faults = refused.faults
        recipe = None
    assert bool(faults) == (recipe is None)
    assert all(fault.message and fault.line >= 1 and fault.column >= 1 for fault in faults)
