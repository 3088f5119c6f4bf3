"""Recipes are files: found, validated, copied, replayed and checked."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sspo_cli.config.compose import load_config
from sspo_cli.config.locate import shipped
from sspo_cli.config.recipe import load_recipe
from sspo_cli.config.schema import TrainConfig
from sspo_cli.study.plan import read_plan
from tests.cli.conftest import Sspo, Write

pytestmark = pytest.mark.slow


SHORT = """about: Two steps that need half a minute at most
command: train
overrides: [objective=grpo, preset=smoke, train.steps=1, batch.prompts=2, eval.problems=2, engine.threads=1]
expect: {{eval/accuracy: {{at_least: {least}}}, minutes: {{at_most: 30}}}}
verified: {{on: 2 CPU cores, version: 0.1.0, value: 0.5}}
"""


@pytest.mark.parametrize("file", sorted(shipped("recipes").glob("*.yaml")), ids=lambda file: file.stem)
def test_every_shipped_recipe_is_valid_and_composes(file: Path) -> None:
    recipe = load_recipe(file)
    if recipe.command == "train":
        load_config(TrainConfig, recipe.overrides)
    else:
        read_plan(recipe.command, recipe.overrides, recipe.allow)


@pytest.mark.parametrize("name", [file.stem for file in shipped("recipes").glob("paper_*.yaml")])
def test_a_papers_setup_can_be_read_without_network_and_says_what_is_not_disclosed(sspo: Sspo, name: str) -> None:
    done = sspo("recipe", "run", name, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "one step = " in done.stdout
    shown = sspo("recipe", "show", name).stdout
    assert "# Source: " in shown and "# Not disclosed" in shown


def test_the_list_tells_what_a_recipe_shows_and_where_it_was_verified(sspo: Sspo, write: Write) -> None:
    write("recipes/short.yaml", SHORT.format(least=0.0))
    write("recipes/unrun.yaml", SHORT.format(least=0.0).split("verified")[0] + "verified: not run in full\n")
    lines = sspo("recipe", "list").stdout.split("\n")
    short = next(line for line in lines if line.startswith("short"))
    assert "Two steps that need half a minute at most" in short
    assert "0.5 on 2 CPU cores, version 0.1.0" in short
    assert "not run in full" in next(line for line in lines if line.startswith("unrun"))
    listed = json.loads(sspo("recipe", "list", "--json").stdout)
    assert listed["short"]["expect"]["minutes"] == {"at_most": 30.0}


def test_show_prints_the_file_as_it_is(sspo: Sspo, write: Write) -> None:
    file = write("recipes/short.yaml", SHORT.format(least=0.0))
    assert sspo("recipe", "show", "short").stdout == file.read_text()


def test_a_copied_recipe_is_the_users_own_and_a_second_copy_overwrites_nothing(sspo: Sspo, tmp_path: Path) -> None:
    name = sorted(file.stem for file in shipped("recipes").glob("*.yaml"))[0]
    copied = sspo("recipe", "copy", name)
    mine = tmp_path / "recipes" / f"{name}.yaml"
    assert copied.returncode == 0 and mine.read_text() == (shipped("recipes") / f"{name}.yaml").read_text()
    mine.write_text(SHORT.format(least=0.0))
    again = sspo("recipe", "copy", name)
    assert again.returncode == 2 and f"recipes/{name}.yaml: exists" in again.stderr
    assert mine.read_text() == SHORT.format(least=0.0)
    assert "Two steps" in sspo("recipe", "show", name).stdout, "the user's own file is the one that counts"


def test_every_mistake_in_a_recipe_is_told_at_once(sspo: Sspo, write: Write) -> None:
    write(
        "recipes/bad.yaml",
        "about: ''\ncommand: fly\noverrides: objective=sspo\nexpekt: {}\nexpect: {minutes: {at_leest: soon}}\n",
    )
    done = sspo("recipe", "run", "bad")
    lines = done.stderr.splitlines()
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert all("recipes/bad.yaml: " in line for line in lines)
    for key in ("about", "command", "overrides", "expekt", "expect.minutes", "verified"):
        assert any(f"bad.yaml: {key}" in line for line in lines), key


def test_a_recipe_that_is_not_yaml_and_an_unknown_one_are_one_line_each(sspo: Sspo, write: Write) -> None:
    write("recipes/broken.yaml", "about: [")
    broken, unknown = sspo("recipe", "show", "brocken"), sspo("recipe", "run", "broken")
    for done in (broken, unknown):
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert "did you mean 'broken'?" in broken.stderr
    assert "not YAML" in unknown.stderr


def test_a_checked_run_that_meets_its_expectations_exits_0_and_says_so(
    sspo: Sspo, write: Write, tmp_path: Path
) -> None:
    write("recipes/short.yaml", SHORT.format(least=0.0))
    done = sspo("recipe", "run", "short", "--check", "--quiet", "seed=3")
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.split("\n") if "at least" in line or "at most" in line]
    summary = json.loads((tmp_path / "outputs/train/short/summary.json").read_text())
    assert summary["seed"] == 3
    assert rows[0] == ["eval/accuracy", "at", "least", "0", f"{summary['eval/accuracy']['last']:.4g}", "met"]
    assert rows[1][-1] == "met"
    again = sspo("recipe", "run", "short", "--json", "--quiet")
    assert json.loads(again.stdout)["folder"].endswith("short-2"), "a second run takes the next free name"


def test_a_checked_run_that_misses_an_expectation_exits_1_and_names_it(sspo: Sspo, write: Write) -> None:
    write("recipes/short.yaml", SHORT.format(least=2.0))
    done = sspo("recipe", "run", "short", "--check", "--quiet", "--json", "name=mine")
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["folder"].endswith("mine"), "stdout stays one JSON document"
    missed = next(line for line in done.stderr.split("\n") if "eval/accuracy at least 2" in line)
    assert missed.rstrip().endswith("not met")


def test_what_is_no_recipe_file_is_told_in_one_line(sspo: Sspo, write: Write, tmp_path: Path) -> None:
    write("recipes/ours.yaml", SHORT.format(least=0))
    (tmp_path / "recipes/binary.yaml").write_bytes(b"\xbb\x00")
    (tmp_path / "recipes/folder.yaml").mkdir()
    os.mkfifo(tmp_path / "recipes/pipe.yaml")
    listed = sspo("recipe", "list")
    assert listed.returncode == 0 and "ours" in listed.stdout
    for words in (["show", "binary"], ["run", "pipe"], ["copy", "folder"], ["validate", "recipes/pipe.yaml"]):
        done = sspo("recipe", *words)
        (line,) = done.stderr.splitlines()
        assert done.returncode == 2 and line.startswith("sspo: ") and "cannot be read: " in line, words
