"""`hortus recipe`, as people who write recipes call it."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

from hortus.domain.recipes.canonical import recipe_sha256
from hortus.domain.recipes.reading import read_recipe
from up_process import hortus, hortus_json

EXAMPLES = Path(str(resources.files("hortus.domain.recipes"))) / "examples"
BASIL = EXAMPLES / "basil.yaml"


def test_a_valid_recipe_is_told_by_its_phases() -> None:
    told = hortus("recipe", "check", BASIL)
    recipe = read_recipe(BASIL.read_text("utf-8"))
    assert told.returncode == 0
    assert f"{recipe.name}: a valid recipe of {len(recipe.phases)} phases" in told.stdout
    assert all(f"  {phase.name}: " in told.stdout for phase in recipe.phases)
    assert hortus_json("recipe", "check", BASIL)["sha256"] == recipe_sha256(recipe)


def test_all_faults_are_told_with_their_places_and_no_traceback(tmp_path: Path) -> None:
    faulty = tmp_path / "faulty.yaml"
    faulty.write_text(BASIL.read_text("utf-8").replace("days: 14", "days: 0").replace("name: ", "nom: ", 1))
    told = hortus("recipe", "check", faulty)
    assert told.returncode == 2
    assert "Traceback" not in told.stderr
    for path in ("nom (line ", "phases[0].ends.days (line "):
        assert path in told.stderr
    as_json = hortus("recipe", "check", faulty, "--json")
    assert as_json.returncode == 2
    assert {"phases[0].ends.days", "nom"} <= {each["path"] for each in json.loads(as_json.stdout)["faults"]}


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for file in (tmp_path / "none.yaml", tmp_path):
        told = hortus("recipe", "check", file)
        assert (told.returncode, str(file) in told.stderr, "Traceback" in told.stderr) == (2, True, False)


def test_what_differs_is_told_by_path(tmp_path: Path) -> None:
    longer = tmp_path / "longer.yaml"
    longer.write_text(BASIL.read_text("utf-8").replace("days: 14", "days: 15"))
    assert hortus("recipe", "compare", BASIL, longer).stdout == "phases[propagation].ends.days: 14 → 15\n"
    assert hortus("recipe", "compare", BASIL, BASIL).stdout == "The recipes are equal.\n"
