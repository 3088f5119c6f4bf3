"""Models from every source that works without a network."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import HubModel, LocalModel, ScratchModel, TinyModel
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
