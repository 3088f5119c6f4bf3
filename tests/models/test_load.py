"""Models from every source that works without a network."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaModel

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import HubModel, LocalModel, ScratchModel, TinyModel
from sspo_cli.data.encode import Encoder
from sspo_cli.data.listed import Listed
from sspo_cli.data.problem import Problem
from sspo_cli.models.fit import that_fit
from sspo_cli.models.load import architecture, load_policy
from sspo_cli.models.source import EMBEDDED, NotCached

CPU = torch.device("cpu")
SMALL: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 24, "layers": 1, "heads": 2, "positions": 64}


def test_the_embedded_model_is_small_and_has_about_a_million_parameters() -> None:
    policy = load_policy(TinyModel(kind="tiny"), 0, CPU)
    assert 900_000 < sum(parameter.numel() for parameter in policy.model.parameters()) < 1_100_000
    assert (EMBEDDED / "model.safetensors").stat().st_size <= 4_000_000
    assert policy.stop_ids == [policy.tokenizer.eos_token_id]
    text = "37+85=122 é\n"
    assert policy.decode(policy.tokenizer(text)["input_ids"]) == text


def test_weights_are_float32_whatever_the_folder_holds(tmp_path: Path) -> None:
    policy = load_policy(TinyModel(kind="tiny"), 0, CPU)
    policy.model.to(torch.bfloat16).save_pretrained(tmp_path)
    policy.tokenizer.save_pretrained(tmp_path)
    again = load_policy(LocalModel(kind="local", path=str(tmp_path)), 0, CPU)
    assert {parameter.dtype for parameter in again.model.parameters()} == {torch.float32}


def test_the_seed_draws_the_weights_of_a_new_model() -> None:
    def weights(seed: int) -> torch.Tensor:
        model = load_policy(ScratchModel(kind="scratch", **SMALL), seed, CPU).model
        return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])

    assert torch.equal(weights(0), weights(0)) and not torch.equal(weights(0), weights(1))


def test_a_hub_model_is_read_from_the_local_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    cached = tmp_path / "models--somebody--adder"
    shutil.copytree(EMBEDDED, cached / "snapshots" / ("0" * 40))
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("0" * 40)
    config = HubModel(kind="hub", path="somebody/adder", revision="main")
    assert architecture(config).vocab_size == 258
    with pytest.raises(NotCached, match="somebody/other: not in the local cache"):
        architecture(HubModel(kind="hub", path="somebody/other", revision="main"))


def test_a_folder_that_is_no_model_names_all_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"it lacks config\.json, weights \(\*\.safetensors\), a tokenizer"):
        load_policy(LocalModel(kind="local", path=str(tmp_path)), 0, CPU)


def test_the_reason_of_the_library_is_told_whole(tmp_path: Path) -> None:
    """It stands in the second line of the library's message."""
    shutil.copytree(EMBEDDED, tmp_path / "odd")
    file = tmp_path / "odd" / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "hidden_size": 130}))
    with pytest.raises(ConfigError, match=r"odd: StrictDataclass.* The hidden size \(130\) is not a multiple") as told:
        load_policy(LocalModel(kind="local", path=str(tmp_path / "odd")), 0, CPU)
    assert str(told.value).count("\n") == 0


def changed(folder: Path, **weights: torch.Tensor | None) -> Path:
    """The embedded model in `folder` with other weights; None: without this one."""
    shutil.copytree(EMBEDDED, folder)
    found = {name: weights.get(name, value) for name, value in load_file(folder / "model.safetensors").items()}
    save_file({name: value for name, value in found.items() if value is not None}, folder / "model.safetensors")
    return folder


def refusal(folder: Path) -> str:
    with pytest.raises(ConfigError) as refused:
        load_policy(LocalModel(kind="local", path=str(folder)), 0, CPU)
    (line,) = refused.value.problems
    return line


def test_weights_that_the_files_lack_are_never_drawn(tmp_path: Path) -> None:
    one, other = "model.layers.1.input_layernorm.weight", "model.layers.0.self_attn.q_proj.weight"
    line = refusal(changed(tmp_path / "a", **{one: None, other: torch.ones(3, 3)}))
    assert f"its files lack 1 weights, {one} and have another shape of {other} ((3, 3), not (" in line
    shutil.copytree(EMBEDDED, tmp_path / "headless")
    LlamaModel(LlamaConfig(vocab_size=258, hidden_size=16, intermediate_size=16, num_hidden_layers=1,
                           num_attention_heads=2)).save_pretrained(tmp_path / "headless")  # fmt: skip
    assert "lack 1 weights, lm_head.weight; LlamaForCausalLM would draw" in refusal(tmp_path / "headless")


def test_files_that_describe_a_model_are_read_or_refused(tmp_path: Path) -> None:
    """transformers goes on without a generation configuration that it cannot read, and so without its stop tokens."""
    shutil.copytree(EMBEDDED, tmp_path / "torn")
    (tmp_path / "torn" / "generation_config.json").write_text('{"eos_tok')
    assert "torn: generation_config.json cannot be read as JSON: " in refusal(tmp_path / "torn")
    (tmp_path / "torn" / "generation_config.json").write_text("[]")
    assert "generation_config.json is not a JSON object" in refusal(tmp_path / "torn")
    os.mkfifo(tmp_path / "torn" / "pipe.safetensors")
    (tmp_path / "torn" / "model.safetensors").unlink()
    assert "it lacks weights" in refusal(tmp_path / "torn")
    assert "is not a folder: name the folder of a model" in refusal(EMBEDDED / "model.safetensors")
    with pytest.raises(ConfigError, match="not in the local cache"):
        load_policy(HubModel(kind="hub", path="a/b/c", revision="main"), 0, CPU)


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    small = {name: torch.ones(100, 128) for name in ("model.embed_tokens.weight", "lm_head.weight")}
    folder = changed(tmp_path / "small", **small)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "vocab_size": 100}))
    policy = load_policy(LocalModel(kind="local", path=str(folder)), 0, CPU)
    problems = [Problem("p", "1+1=", "2", None), Problem("q", "é", "2", None)]
    with pytest.raises(ConfigError, match=r"q: holds the token .* of id \d+, and the model has embeddings of 100"):
        that_fit(Listed(problems, problems, 0, []), None, policy, Encoder(policy.tokenizer, None), 8)  # type: ignore[arg-type]
    tokenizer = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**tokenizer, "eos_token": "<|new|>"}))
    assert "ends texts with <|new|> (258), and the model has embeddings of 100 tokens" in refusal(folder)
