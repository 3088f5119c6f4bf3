"""Models by name: each composes, and says how large it is and under which terms."""

from __future__ import annotations

import pytest

from sspo_cli.config.catalogue import choices_of
from sspo_cli.config.compose import load_config
from sspo_cli.config.locate import groups
from sspo_cli.config.schema import EvalConfig, HubModel, TrainConfig

KINDS = ("tiny", "local", "hub", "scratch")
NAMED = [name for name in groups()["model"] if name not in KINDS]


@pytest.mark.parametrize("name", NAMED)
def test_a_named_model_composes_and_tells_what_it_is(name: str) -> None:
    model = load_config(TrainConfig, [f"model={name}"]).model
    assert load_config(EvalConfig, [f"model={name}"]).model == model
    assert isinstance(model, HubModel) and model.revision == "main" and model.dtype == "float32"
    family, _, size = name.removesuffix("_base").rpartition("_")
    called = model.path.partition("/")[2]
    assert called.lower().replace("-", "").startswith(family) and f"-{size}" in called.lower(), "as the id says"
    assert called.endswith("-Base") == name.endswith("_base")
    about = choices_of("model")[name]["about"]
    assert about.startswith(f"{called}: ") and "B parameters" in about
    assert "Apache 2.0" in about or "License" in about


def test_the_families_are_there() -> None:
    assert len(NAMED) == len(set(NAMED)) == 15
    gated = {name for name in NAMED if "gated" in choices_of("model")[name]["about"]}
    assert gated == {"llama3.2_1b", "llama3.2_3b"}


def test_a_named_model_takes_other_settings_as_its_kind_does() -> None:
    model = load_config(TrainConfig, ["model=qwen2.5_0.5b", "model.revision=abc", "model.dtype=bfloat16"]).model
    assert isinstance(model, HubModel) and (model.revision, model.dtype) == ("abc", "bfloat16")
