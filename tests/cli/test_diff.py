"""`sspo diff` on real runs: only what differs, and by how much."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from sspo_cli.runs.diff import ABSENT, differences
from tests.cli.conftest import Sspo

pytestmark = pytest.mark.slow


FIRST, SECOND, AGAIN = "outputs/train/first", "outputs/train/second", "outputs/eval/again"


def found(sspo: Sspo, *words: str) -> dict[str, Any]:
    done = sspo("diff", *words, "--json")
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_exactly_the_settings_that_differ_are_told_with_both_values(sspo: Sspo, runs_home: Path) -> None:
    told = found(sspo, FIRST, SECOND)["settings"]
    assert {key: tuple(pair.values()) for key, pair in told.items() if len(pair) == 2} == {
        "objective": ("sspo", "grpo"),
        "objective/gate": ("log_arctan", "clip"),
        "objective.pool": ("geometric", "arithmetic"),
        "optim.lr": (1e-5, 1e-4),
        "train.steps": (2, 3),
        "name": ("first", "second"),
    }
    one_sided = {key: next(iter(pair)) for key, pair in told.items() if len(pair) == 1}
    assert one_sided == {
        **{f"objective.gate.{key}": "a" for key in ("tau_pos", "tau_neg", "one_sided", "calibrate")},
        **{f"objective.gate.{key}": "b" for key in ("eps_low", "eps_high", "dual_clip")},
    }


def test_metrics_are_compared_by_their_final_first_and_best_values(sspo: Sspo, runs_home: Path) -> None:
    told = found(sspo, FIRST, SECOND)["metrics"]
    a, b = (json.loads((runs_home / folder / "summary.json").read_text()) for folder in (FIRST, SECOND))
    assert set(told) == {name for name, value in a.items() if isinstance(value, dict)} | {"minutes"}
    for name, pair in told.items():
        if name != "minutes":
            assert (pair["a"], pair["b"]) == (a[name], b[name])
            assert pair["difference"] == b[name]["last"] - a[name]["last"]
    shown = sspo("diff", FIRST, SECOND).stdout
    entropy = next(line.split() for line in shown.splitlines() if line.startswith("policy/entropy"))
    values = [summary["policy/entropy"]["last"] for summary in (a, b)]
    assert entropy[1:] == ["final", f"{values[0]:.3f}", f"{values[1]:.3f}", f"{values[1] - values[0]:+.3f}"]
    assert "the final values are of different steps: 2 and 3" in shown


def test_what_the_runs_stood_on_is_compared_and_what_is_the_same_is_named(sspo: Sspo, runs_home: Path) -> None:
    told = found(sspo, FIRST, SECOND)
    assert list(told["manifest"]) == ["hashes.data_order"], "one seed, but another number of steps"
    drawn = ["rollout_draws", "evaluation_draws"]
    content = ["training_content", "evaluation_content", "prompt_tokens"]
    assert told["same_hashes"] == ["initial_weights", "tokenizer", "evaluation_problems", *drawn, "reward", *content]
    file = runs_home / SECOND / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["versions"]["torch"], manifest["git"] = "2.6.0", {"commit": "0123456789abcdef", "clean": False}
    file.write_text(json.dumps(manifest))
    lines = sspo("diff", FIRST, SECOND).stdout.splitlines()
    torch = next(line.split() for line in lines if line.startswith("versions.torch"))
    assert torch[2:] == ["|", "2.6.0"] and torch[1] != "2.6.0"
    assert any(line.split() == ["git.commit", "-", "|", "0123456789ab"] for line in lines)


def test_values_stand_on_both_sides_of_one_bar(sspo: Sspo, runs_home: Path) -> None:
    lines = sspo("diff", FIRST, SECOND).stdout.splitlines()
    assert lines[:2] == [f"A  {FIRST}", f"B  {SECOND}"]
    settings = lines[lines.index("") + 1 :]
    settings = settings[: settings.index("")]
    assert len(settings) == 14 and len({line.index("|") for line in settings}) == 1
    assert ["objective.gate.tau_pos", "10.0", "|", "-"] in [line.split() for line in settings]


def test_a_run_and_itself_do_not_differ(sspo: Sspo, runs_home: Path) -> None:
    told = found(sspo, FIRST, FIRST)
    assert told["settings"] == {} and told["manifest"] == {}
    assert all(pair["difference"] == 0 for pair in told["metrics"].values())
    assert sspo("diff", FIRST, FIRST).stdout.count(": no difference") == 2


def test_files_are_compared_by_their_settings_alone(sspo: Sspo, runs_home: Path) -> None:
    file = runs_home / "mine.yaml"
    content = yaml.safe_load((runs_home / FIRST / "config.yaml").read_text())
    file.write_text(yaml.safe_dump({**content, "seed": 7}))
    told = found(sspo, f"{FIRST}/config.yaml", "mine.yaml")
    assert told["settings"] == {"seed": {"a": 0, "b": 7}}
    assert told["manifest"] is None and told["metrics"] == {}
    assert "metrics" not in sspo("diff", "mine.yaml", SECOND).stdout


def test_an_evaluation_beside_a_run_is_told_by_sections(sspo: Sspo, runs_home: Path) -> None:
    lines = [line.split() for line in sspo("diff", FIRST, AGAIN).stdout.splitlines()]
    assert ["optim.*", "set", "|", "-"] in lines and not [line for line in lines if line[:1] == ["optim.lr"]]
    assert ["eval.samples", "2", "|", "4"] in lines
    assert any(line[:2] == ["model.path", "-"] for line in lines), "one setting is told itself"


def test_what_cannot_be_compared_is_told_of_both_at_once(sspo: Sspo, runs_home: Path) -> None:
    (runs_home / "notes.yaml").write_text("seed: 1\n")
    done = sspo("diff", "notes.yaml", "outputs/train/frist")
    assert done.returncode == 2 and done.stdout == ""
    first, second = done.stderr.splitlines()
    assert "notes.yaml" in first and "not a whole configuration" in first
    assert "did you mean 'outputs/train/first'" in second and "sspo runs" in second


def test_half_a_run_is_compared_as_far_as_it_goes(sspo: Sspo, runs_home: Path) -> None:
    for name in ("manifest.json", "summary.json", "metrics.jsonl"):
        (runs_home / SECOND / name).unlink()
    told = found(sspo, FIRST, SECOND)
    assert told["manifest"] is None and told["settings"]
    assert {pair["b"] is None for name, pair in told["metrics"].items()} == {True}
    assert sspo("diff", FIRST, SECOND).returncode == 0
    shutil.rmtree(runs_home / SECOND)
    (runs_home / SECOND).mkdir()
    done = sspo("diff", FIRST, SECOND)
    assert done.returncode == 2 and "there is no config.yaml" in done.stderr


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ({"x": None}, {}, {"x": (None, ABSENT)}),
        ({"x": 1, "y.a": 1}, {"y.b": 2, "x": 1, "y.a": 1}, {"y.b": (ABSENT, 2)}),
        ({"a.x": 1, "b.x": 1}, {"a.y": 2, "b.x": 2}, {"a.x": (1, ABSENT), "a.y": (ABSENT, 2), "b.x": (1, 2)}),
        ({"x": 1.0}, {"x": 1}, {}),
    ],
)
def test_null_is_a_value_and_sections_stay_together(
    a: dict[str, Any], b: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert list(differences(a, b).items()) == list(expected.items())


def test_failed_graders_have_a_row_and_no_zero_has_a_sign(sspo: Sspo, runs_home: Path) -> None:
    for folder, errors, entropy in ((FIRST, 0.0, 0.5001), (SECOND, 0.25, 0.5)):
        file = runs_home / folder / "summary.json"
        content = json.loads(file.read_text())
        for name, value in (("eval/errors", errors), ("reward/errors", errors), ("policy/entropy", entropy)):
            content[name] = {"first": value, "best": value, "last": value}
        file.write_text(json.dumps(content))
    shown = [line.split() for line in sspo("diff", FIRST, SECOND).stdout.splitlines()]
    for name in ("eval/errors", "reward/errors"):
        assert [name, "final", "0.0%", "25.0%", "+25.0", "pts"] in shown
    row = next(words for words in shown if words[:1] == ["policy/entropy"])
    assert row == ["policy/entropy", "final", "0.500", "0.500", "+0.000"]
