"""`sspo new` writes files that work as they are, and `sspo recipe validate` tells what is wrong with one."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from sspo_cli.config.comments import comments_of_choice
from tests.cli.conftest import Sspo, Write

pytestmark = pytest.mark.slow


def test_what_is_written_trains_and_is_never_overwritten(sspo: Sspo, tmp_path: Path) -> None:
    written = [sspo("new", kind, "mine").stdout.split("\n")[0] for kind in ("objective", "reward", "dataset", "recipe")]
    assert written == ["conf/objective/mine.yaml", "mine.py", "conf/dataset/mine.yaml", "recipes/mine.yaml"]
    words = ["objective=mine", "dataset=mine", "reward=python", "reward.path=mine.py", "reward.workers=0"]
    limits = ["reward.timeout_s=null", "reward.memory_gib=null", "train.steps=1"]
    done = sspo("train", *words, *limits, "preset=smoke", "--name", "own", "--json", "-q")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["eval/accuracy"]["last"] > 0, "sums of the file are solved, and the reward sees it"
    valid = sspo("recipe", "validate", "recipes/mine.yaml")
    assert (valid.returncode, valid.stderr) == (0, "") and "valid; sspo train with 1 run" in valid.stdout
    assert valid.stdout.endswith("Run it: sspo recipe run mine --check\n")
    assert sspo("recipe", "run", "mine", "--dry-run").returncode == 0
    (tmp_path / "mine.py").write_text("mine")
    for kind in ("objective", "reward", "dataset", "recipe"):
        again = sspo("new", kind, "mine")
        assert again.returncode == 2 and "exists and is never overwritten" in again.stderr
    assert (tmp_path / "mine.py").read_text() == "mine"


def test_every_key_of_a_new_choice_is_explained(sspo: Sspo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for group in ("objective", "dataset"):
        assert sspo("new", group, "mine").returncode == 0
        silent = [
            key for key, text in comments_of_choice(group, "mine", {"objective/gate": "log_arctan"}).items() if not text
        ]
        assert not [key for key in silent if not key.endswith((".kind", ".name"))]


@pytest.mark.parametrize(
    ("response", "answer", "reward"),
    [("1+2=3", "3", 1), ("it is 13", "3", 0), ("3, no, 4", "3", 0), ("none", "3", 0), ("3.0", "3", 1), ("-3", "3", 0),
     ("so 1000", "1,000", 1), ("", "3", 0), ("the end is 7.", "7", 1)],
)  # fmt: skip
def test_the_reward_compares_the_last_number_as_a_whole(
    sspo: Sspo, tmp_path: Path, response: str, answer: str, reward: float
) -> None:
    from sspo_cli.commands.new import TEMPLATES

    file = tmp_path / "mine.py"
    file.write_text((TEMPLATES / "reward.py.txt").read_text().replace("NAME", "mine"))
    spec = importlib.util.spec_from_file_location("mine", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.score("prompt", response, answer) == reward


def test_names_that_cannot_be_are_told(sspo: Sspo, tmp_path: Path) -> None:
    for kind, name, told in (
        ("objective", "a-b", "must be letters, digits and _"),
        ("objective", "sspo", "is a built-in objective"),
        ("dataset", "gsm8k", "is a built-in dataset"),
        ("reward", "random", "is the name of a Python module"),
        ("recipe", "quickstart", "copy it with `sspo recipe copy quickstart`"),
    ):
        refused = sspo("new", kind, name)
        assert refused.returncode == 2 and len(refused.stderr.splitlines()) == 1 and told in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_invalid_recipe_is_told_and_the_others_are_listed(sspo: Sspo, write: Write) -> None:
    write("recipes/torn.yaml", "about: [")
    text = "about: x\ncommand: train\noverrides: [lr=1]\nexpekt: {}\nverified: not run in full\n"
    write("recipes/bad.yaml", text)
    listed = sspo("recipe", "list")
    assert listed.returncode == 0 and "quickstart" in listed.stdout and "torn" not in listed.stdout
    told = listed.stderr.splitlines()
    assert len(told) == 3 and all(line.startswith("sspo: left out: ") for line in told)
    assert "quickstart" in json.loads(sspo("recipe", "list", "--json").stdout)
    refused = sspo("recipe", "validate", "recipes/bad.yaml")
    assert refused.returncode == 2
    assert refused.stderr.splitlines() == [
        "sspo: recipes/bad.yaml: expect: missing; bounds of its summary.json, such as {eval/accuracy: {at_least: 0.1}};"
        " {} for none",
        "sspo: recipes/bad.yaml: expekt: unknown key, did you mean 'expect'? (allowed: about, command, overrides,"
        " allow, expect, verified)",
    ]
    write("recipes/bad.yaml", text.replace("expekt: {}", "expect: {minutes: {at_most: 1}}"))
    refused = sspo("recipe", "validate", "recipes/bad.yaml")
    assert "recipes/bad.yaml: overrides: unknown key 'lr'; write optim.lr=1" in refused.stderr
