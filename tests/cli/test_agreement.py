"""Models that the sampler cannot serve, and vocabularies wider than the tokenizer, through the real command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from sspo_cli.models.source import EMBEDDED
from sspo_cli.runs import jsonl
from tests.cli.conftest import Sspo
from tests.engine.test_agreement import PHI3
from tests.tiny_models import UNSERVED, policy_of

pytestmark = pytest.mark.slow


SMOKE = ["train", "preset=smoke", "model=local", "model.path=model", "--name", "run"]


def test_a_model_is_refused_beyond_its_switch_and_trained_below_it(sspo: Sspo, tmp_path: Path) -> None:
    policy = policy_of(PHI3, spread=0.15)
    policy.model.save_pretrained(tmp_path / "model")
    policy.tokenizer.save_pretrained(tmp_path / "model")
    for words in (SMOKE, ["eval", "model"]):
        refused = sspo(*words)
        assert refused.returncode == 2 and refused.stdout == ""
        line = refused.stderr.splitlines()[-1]
        assert line.startswith("sspo: model: of type phi3: sampling differed from a plain forward pass by ")
        assert line.endswith("keep each prompt with its response within 16 tokens")
        assert "Traceback" not in refused.stderr and not (tmp_path / "outputs").exists()
    longest = ["dataset.terms_max=2", "rollout.max_response_length=10", "eval.max_response_length=10"]
    done = sspo(*SMOKE, *longest)
    assert done.returncode == 0, done.stderr
    rows = jsonl.read(tmp_path / "outputs" / "train" / "run" / "metrics.jsonl")[1:]
    assert max(row["rollout/logp_gap_max"] for row in rows) < 1e-4


@pytest.mark.long
def test_a_model_that_the_native_sampler_refuses_is_trained_and_evaluated_with_generate(
    sspo: Sspo, tmp_path: Path
) -> None:
    policy = policy_of(UNSERVED["mamba"], spread=0.15)
    policy.model.save_pretrained(tmp_path / "model")
    policy.tokenizer.save_pretrained(tmp_path / "model")
    short = ["rollout.max_response_length=8", "dataset.terms_max=2"]
    refused = sspo(*SMOKE, *short)
    assert refused.returncode == 2 and not (tmp_path / "outputs").exists()
    assert refused.stderr.splitlines()[-1].endswith("in float32; set rollout=generate, which is slower")
    done = sspo(*SMOKE, *short, "rollout=generate")
    assert done.returncode == 0, done.stderr
    rows = jsonl.read(tmp_path / "outputs" / "train" / "run" / "metrics.jsonl")[1:]
    assert max(row["rollout/logp_gap_max"] for row in rows) < 1e-4
    assert sspo("eval", "outputs/train/run").returncode == 0, "a run is evaluated with the sampler that it has"
    refused = sspo("eval", "outputs/train/run", "rollout=native")
    assert refused.returncode == 2 and "set rollout=generate" in refused.stderr


@pytest.mark.long
def test_every_token_of_a_padded_vocabulary_that_is_sampled_has_text(sspo: Sspo, tmp_path: Path) -> None:
    """The ids without a token would be the likeliest of all."""
    tokenizer = AutoTokenizer.from_pretrained(EMBEDDED)
    model = AutoModelForCausalLM.from_pretrained(EMBEDDED, dtype=torch.float32)
    model.resize_token_embeddings(320, mean_resizing=False)
    with torch.no_grad():
        weight_VD = model.get_output_embeddings().weight
        weight_VD[258:] = 1.2 * weight_VD[tokenizer("1")["input_ids"]]
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    done = sspo(*SMOKE)
    assert done.returncode == 0, done.stderr
    samples = jsonl.read(tmp_path / "outputs" / "train" / "run" / "samples.jsonl")
    assert len(samples) == 128 and any("1" in row["response"] for row in samples)
    assert [len(row["response"]) for row in samples] == [row["length"] - (not row["truncated"]) for row in samples]


@pytest.mark.long
def test_an_update_that_rounding_alone_gates_is_told(sspo: Sspo, tmp_path: Path) -> None:
    """GSPO clips from 0.0003 on; in bfloat16 sampler and trainer differ by more."""

    def warnings(name: str, *words: str) -> list[str]:
        fixed = ["preset=smoke", "train.steps=1", "batch.prompts=16", "train.eval_every=9", "eval.problems=2"]
        assert sspo("train", *fixed, *words, "--name", name).returncode == 0
        summary = json.loads((tmp_path / "outputs/train" / name / "summary.json").read_text())
        return [line for line in summary["warnings"] if "the first update" in line]

    (line,) = warnings("gated", "objective=gspo", "engine.precision=bfloat16")
    assert "before any weight had changed" in line
    assert "set objective.correction.level=sequence or engine.precision=float32" in line
    corrected = ["engine.precision=bfloat16", "objective.correction.level=sequence"]
    assert warnings("corrected", "objective=gspo", *corrected) == []
    assert warnings("exact", "objective=gspo", "engine.precision=float32") == []
    assert warnings("soft", "objective=sspo", "engine.precision=bfloat16") == []
