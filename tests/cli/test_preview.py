"""`--dry-run`: what the batch means in a sentence, how large the model is, what it takes."""

from __future__ import annotations

import json

import pytest
import torch
from rich.text import Text
from rich.tree import Tree
from transformers import AutoModelForCausalLM, LlamaConfig

from sspo_cli.config.compose import load_config
from sspo_cli.config.defaults import changed
from sspo_cli.config.describe import batch_sentence, notes
from sspo_cli.config.schema import TrainConfig
from sspo_cli.models.size import memory_estimate, parameter_count
from sspo_cli.views.preview import tree_of
from tests.cli.conftest import Sspo

pytestmark = pytest.mark.slow


SMOKE_EVERY = {"train.eval_every": 5, "train.save_every": 20}
SMALL = LlamaConfig(
    vocab_size=100,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
    tie_word_embeddings=True,
)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "one step = 32 prompts x 8 samples = 256 responses, used for 4 updates of 64"),
        (
            ["batch.epochs=2"],
            "one step = 32 prompts x 8 samples = 256 responses, used for 8 updates of 64 (2 epochs of 4)",
        ),
        (
            ["batch.prompts=1", "batch.samples_per_prompt=2", "batch.minibatches=2"],
            "one step = 1 prompt x 2 samples = 2 responses, used for 2 updates of 1",
        ),
        (["batch.minibatches=1"], "one step = 32 prompts x 8 samples = 256 responses, used for 1 update of 256"),
        (
            ["objective=sft", "batch.prompts=128", "batch.samples_per_prompt=1"],
            "one step = 128 reference solutions, used for 4 updates of 32",
        ),
    ],
)
def test_the_batch_is_told_in_one_sentence(words: list[str], sentence: str) -> None:
    assert batch_sentence(load_config(TrainConfig, words)) == sentence


def test_objectives_are_called_the_same_exactly_where_every_ratio_is_1() -> None:
    def told(*words: str) -> bool:
        return notes(load_config(TrainConfig, ["batch.minibatches=1", *words])) == [
            "with 1 update per rollout all objectives are the same up to normalisation and advantage"
        ]

    assert told()
    assert not told("batch.epochs=2")
    assert not told("batch.minibatches=4")
    assert not told("rollout.staleness=1")
    assert not told("objective=sft", "batch.samples_per_prompt=1")


def test_the_type_of_frozen_weights_is_told_where_none_are_frozen() -> None:
    def told(*words: str) -> list[str]:
        return [line for line in notes(load_config(TrainConfig, ["model.dtype=bfloat16", *words])) if "dtype" in line]

    assert told() == [
        "model.dtype=bfloat16: is of weights that are not trained, and here all are, in float32; engine.precision is of"
        " matrix products"
    ]
    assert told("lora.rank=4") == [] == told("objective.kl.coef=0.1") == told("model.dtype=float32")


def test_parameters_are_counted_as_the_built_model_has_them() -> None:
    built = AutoModelForCausalLM.from_config(SMALL)
    assert parameter_count(SMALL) == sum(weights.numel() for weights in built.parameters())


def terms(*words: str) -> dict[str, int]:
    """The memory terms with the weights counted in parameters of SMALL, and what the others have in common."""
    config = load_config(TrainConfig, ["engine.tokens_per_generation=11", *words])
    found = memory_estimate(SMALL, config, torch.device("cpu"))
    # tokens, layers, key and value, heads, head size, bytes
    assert found.pop("key/value cache") == 11 * 3 * 2 * 2 * 8 * 4
    assert found.pop("logits") == 2 * (2**22 // 100) * 100 * 4  # twice 16 MiB, in rows of 100
    return found


def test_the_memory_terms_are_those_of_a_count_by_hand() -> None:
    count = parameter_count(SMALL)
    plain = {"weights": 4 * count, "gradients": 4 * count, "AdamW moments": 8 * count}
    assert terms() == plain
    assert terms("objective.kl.coef=0.1") == plain | {"reference policy": 4 * count}
    shares = {name: -(-size // 3) for name, size in plain.items()}
    assert terms("engine=fsdp", "engine.processes=3") == shares | {"weights gathered to sample": 4 * count}


def test_adapters_learn_alone_and_need_no_second_model_as_reference() -> None:
    """In each of 3 layers q, o are 32x32, k, v 32x16, gate, up 32x48, down 48x32; rank 2 adds 2 (in + out) to each."""
    adapters = 3 * 2 * (2 * (32 + 32) + 2 * (32 + 16) + 3 * (32 + 48))
    found = terms("lora.rank=2", "objective.kl.coef=0.1")
    assert found == {
        "weights": 4 * (parameter_count(SMALL) + adapters),
        "gradients": 4 * adapters,
        "AdamW moments": 8 * adapters,
    }


def label(tree: Tree) -> str:
    assert isinstance(tree.label, Text)
    return tree.label.plain


def test_every_leaf_of_the_configuration_is_in_the_tree_under_the_name_of_its_choice() -> None:
    config = load_config(TrainConfig, ["objective=grpo", "objective/gate=erf", "seed=7", "optim.lr=1e-5"])
    tree = tree_of(config, changed(config))
    branches = {label(child): child for child in tree.children}
    assert "seed: 7  * default 0" in branches and "name: null" in branches and "preset = none" in branches
    objective = {label(child): child for child in branches["objective = grpo  * default sspo"].children}
    assert "pool: arithmetic" in objective
    assert "tau_pos: 10.0" in [label(leaf) for leaf in objective["gate = erf  * default log_arctan"].children]
    assert "lr: 1e-05" in [label(leaf) for leaf in branches["optim"].children], "the default, typed, is the default"


@pytest.mark.parametrize(
    ("words", "defaults"),
    [
        (["objective=grpo"], {"choices.objective": "sspo"}),
        (["preset=smoke", "train.steps=40"], {"choices.preset": "none"} | SMOKE_EVERY),
        (
            ["objective=grpo", "objective.gate.eps_low=0.1"],
            {"choices.objective": "sspo", "objective.gate.eps_low": 0.2},
        ),
        (["rollout.max_response_length=40"], {"rollout.max_response_length": 80, "eval.max_response_length": 80}),
        (["model=local", "model.path=a"], {"choices.model": "tiny", "model.path": "???"}),
        (["dataset=gsm8k"], {"choices.dataset": "addition"}),
    ],
    ids=" ".join,
)
def test_what_is_not_the_default_is_known_and_what_a_choice_brings_along_is_no_change(
    words: list[str], defaults: dict[str, object]
) -> None:
    found = changed(load_config(TrainConfig, words))
    sizes = ("batch.", "eval.problems", "eval.samples")  # of the preset
    assert {key: value for key, value in found.items() if not key.startswith(sizes)} == defaults


def test_a_hub_model_that_is_not_here_is_of_unknown_size(sspo: Sspo) -> None:
    done = sspo("train", "--dry-run", "--json", "model=hub", "model.path=nobody/nothing")
    told = json.loads(done.stdout)
    assert told["parameters"] is None and told["memory_gib"] == {}
    assert told["config"]["model"]["path"] == "nobody/nothing"
