"""A real model from a file: its tokens are those of its own tokenizer, and it can be measured and trained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from sspo_cli.config.schema import LocalModel
from sspo_cli.models.load import load_policy
from tests.cli.conftest import run_fresh
from tests.smollm2 import smollm2

pytestmark = pytest.mark.real

# As the tokenizer of HuggingFaceTB/SmolLM2-135M-Instruct cuts them: digits apart, and what is before them as if they
# were not there.
CUT = {
    "x  12": ["x", "ĠĠ", "1", "2"],
    "a\n\n12+3": ["a", "ĊĊ", "1", "2", "+", "3"],
    "<|im_start|>user\nHi<|im_end|>\n": ["<|im_start|>", "user", "Ċ", "Hi", "<|im_end|>", "Ċ"],
}


def test_its_tokens_and_what_it_writes() -> None:
    policy = load_policy(LocalModel(kind="local", path=str(smollm2())), 0, torch.device("cpu"))
    tokenizer = policy.tokenizer
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (1, 2, 2)
    assert policy.stop_ids == [2] and tokenizer.convert_ids_to_tokens(2) == "<|im_end|>"
    assert {text: tokenizer.tokenize(text) for text in CUT} == CUT
    question = [{"role": "user", "content": "What is the capital of France?"}]
    prompt = tokenizer.apply_chat_template(question, add_generation_prompt=True, return_tensors="pt")["input_ids"]
    assert tokenizer.decode(prompt[0]).endswith("<|im_start|>assistant\n")
    written = policy.model.generate(prompt, max_new_tokens=12, do_sample=False)
    assert "Paris" in policy.decode(written[0, prompt.shape[1] :].tolist())


def test_it_is_trained_with_adapters_and_exported(tmp_path: Path) -> None:
    words = ["preset=smoke", "model=local", f"model.path={smollm2()}", "lora.rank=4", "reward.answer_after=null"]
    small = ["batch.prompts=2", "train.steps=1", "eval.problems=2", "rollout.max_response_length=8"]
    done = run_fresh(["train", *words, *small, "--folder", "run", "-q"], tmp_path)
    assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["base"]["model"]["path"] == str(smollm2())
    done = run_fresh(["export", "run", "--merge", "--to", "plain"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "plain" / "model.safetensors").stat().st_size > 5e8
