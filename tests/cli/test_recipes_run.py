"""Every shipped recipe runs, on small stand-ins for its model and its data: of the same family and schema."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from sspo_cli.config.locate import shipped
from sspo_cli.config.recipe import Recipe, judged, load_recipe
from sspo_cli.models.source import EMBEDDED
from sspo_cli.runs import jsonl
from sspo_cli.runs.summary import read_content
from tests.chat_models import CHAT
from tests.cli.conftest import Sspo, Write
from tests.data.published_files import write_published
from tests.tiny_models import EXPERTS, NEOX, SHAPE, config_of, policy_of

pytestmark = pytest.mark.slow

RECIPES = {file.stem: load_recipe(file) for file in sorted(shipped("recipes").glob("*.yaml"))}
ROOM = {"max_position_embeddings": 1024}
# By the beginning of the model's name.
FAMILIES = {
    "qwen2": config_of("qwen2", **{**NEOX, **ROOM}, num_key_value_heads=2),
    "qwen3": config_of("qwen3_moe", **{**SHAPE, **ROOM}, **EXPERTS, num_experts=4, moe_intermediate_size=16),
    "smollm2": config_of("llama", **{**SHAPE, **ROOM}),
}
SMALL = {
    "batch.prompts": "2",
    "batch.minibatches": "1",
    "train.steps": "1",
    "eval.problems": "2",
    "eval.samples": "1",
    "rollout.max_response_length": "8",
}
# What the model reads.
PROMPTS = {
    "gsm8k_qwen2.5_0.5b": r"(?s).*put the final answer in \\boxed\{\}\.",
    "gsm8k_qwen2.5_1.5b_lora": r"(?s).*put the final answer in \\boxed\{\}\.",
    "gate_study_qwen2.5_7b": r"(?s).*put the final answer in \\boxed\{\}\.",
    "reasoning_gym_mix_tiny": r"[-+\d]+=",
    "smollm2_first_task": r"27 - 41 = -14\n\d [-+] \d =",
}
GRID_WORDS = ("name", "hydra/launcher")


def of_a_run(recipe: Recipe) -> dict[str, str]:
    """The overrides of a recipe by key; of a grid, those of its first cell, which stands for the others."""
    words = dict(word.split("=", 1) for word in recipe.overrides)
    if recipe.command == "train":
        return words
    return {key: value.split(",")[0] for key, value in words.items() if key not in GRID_WORDS}


def stand_in(name: str, folder: Path) -> Path:
    """A model of the family that `name` is of."""
    family = next(family for family in FAMILIES if name.lower().startswith(family))
    policy = policy_of(FAMILIES[family])
    policy.tokenizer.chat_template = CHAT
    policy.model.save_pretrained(folder)
    policy.tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_runs_on_stand_ins(sspo: Sspo, write: Write, tmp_path: Path, name: str) -> None:
    recipe = RECIPES[name]
    words = {"model": "tiny", "dataset": "addition"} | of_a_run(recipe) | SMALL
    words["batch.samples_per_prompt"] = "1" if words["objective"] == "sft" else "2"
    if "lora.rank" in words:
        words["lora.rank"] = "4"  # stand-ins are narrow
    if "reasoning_gym" in " ".join(recipe.overrides):
        pytest.importorskip("reasoning_gym")
    if words["model"] == "local":
        shutil.copytree(EMBEDDED, tmp_path / words["model.path"])
    elif words["model"] not in ("tiny", "scratch"):
        model = words["model.path"].split("/")[1] if words["model"] == "hub" else words["model"]
        words |= {"model": "local", "model.path": str(stand_in(model, tmp_path / "model"))}
    if words["dataset"] == "gsm8k":
        words |= {"dataset.path": str(write_published(tmp_path, "gsm8k")), "eval.problems": "1"}
    elif words["dataset"] == "file":
        rows = [f'{{"prompt": "What is {i} + 1?", "answer": "{i + 1}"}}\n' for i in range(20)]
        write(words["dataset.path"], "".join(rows))
    done = sspo("train", *(f"{key}={value}" for key, value in words.items()), "--folder", "run", "--quiet")
    assert done.returncode == 0, done.stderr
    if recipe.command == "train":
        found = judged(recipe, read_content(tmp_path / "run"))
        assert all(judgement.value is not None for judgement in found), "what it expects is measured"
    prompts = [row["prompt"] for row in jsonl.read(tmp_path / "run" / "eval.jsonl")]
    assert prompts and all(re.fullmatch(PROMPTS.get(name, "(?s).+"), prompt) for prompt in prompts)
