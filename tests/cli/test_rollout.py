"""`rollout=`: which sampler draws the responses of a run, and of runs made before there was a choice."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from sspo_cli.runs import jsonl
from tests.cli.conftest import Sspo

pytestmark = pytest.mark.slow

SMOKE = ["train", "preset=smoke", "train.steps=1", "--quiet"]


def responses(folder: Path, name: str, step: int | None = None) -> list[object]:
    rows = jsonl.read(folder / f"{name}.jsonl")
    return [(row["prompt"], row["response"], row["reward"]) for row in rows if step in (None, row.get("step"))]


def test_both_samplers_make_one_run_and_an_older_run_is_one_of_the_native(sspo: Sspo, tmp_path: Path) -> None:
    for name in ("native", "generate"):
        done = sspo(*SMOKE, f"rollout={name}", "rollout.temperature=0.8", "--name", name)
        assert done.returncode == 0, done.stderr
    one, other = (tmp_path / "outputs/train" / name for name in ("native", "generate"))
    for file in ("samples", "eval"):
        assert responses(one, file) == responses(other, file) != []
    content = yaml.safe_load((one / "config.yaml").read_text())
    assert (content["rollout"].pop("kind"), content["choices"].pop("rollout")) == ("native", "native")
    assert content["choices"].pop("engine") == "single"
    (one / "config.yaml").write_text(yaml.safe_dump(content))
    done = sspo("eval", "outputs/train/native", "rollout=generate", "--name", "again", "--quiet")
    assert done.returncode == 0, done.stderr
    again = tmp_path / "outputs/eval/again"
    assert responses(again, "eval") == responses(one, "eval", step=1)
    evaluated = yaml.safe_load((again / "config.yaml").read_text())["rollout"]
    assert evaluated == {"kind": "generate", "stop": [], "python": ".venv-vllm/bin/python"}


@pytest.mark.parametrize(
    ("words", "word"),
    [(SMOKE, "rollout=nosuch"), (["eval", "tiny"], "rollout=nativ"), (["compare", "--dry-run"], "rollout.kind=sglang")],
)
def test_an_unknown_sampler_is_one_line(words: list[str], word: str, sspo: Sspo, tmp_path: Path) -> None:
    refused = sspo(*words, word)
    assert refused.returncode == 2 and refused.stdout == "" and not (tmp_path / "outputs").exists()
    (line,) = refused.stderr.splitlines()
    assert line.startswith(f"sspo: {word}: ") and "native" in line and "vllm" in line


def test_the_samplers_are_listed(sspo: Sspo) -> None:
    shown = sspo("show", "rollout")
    assert shown.returncode == 0 and "native" in shown.stdout and "generate" in shown.stdout
