"""What configurations of earlier versions say in other words, or leave out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Values that have another name now, by dotted key.
RENAMED: Mapping[str, Mapping[str, str]] = {
    "objective.form": {"ratio": "surrogate"},
    "objective.experience": {"reference": "solutions"},
    "dataset.kind": {"jsonl": "file"},
}
# The values that keys had which earlier versions did not know.
LEFT_OUT: Mapping[str, Any] = {
    "rollout.kind": "native",
    "choices.rollout": "native",
    "choices.engine": "single",
    "engine.kind": "single",
    "engine.processes": 1,
    "reward.workers": 0,
    "reward.timeout_s": None,
    "reward.memory_gib": None,
    "reward.on_error": "stop",
    "reward.special_tokens": "strip",
    "rollout.stop": [],
    "rollout.source": "in_order",
    "rollout.python": ".venv-vllm/bin/python",
    "model.chat_template": None,
    "dataset.system_prompt": None,
    "dataset.config": None,
    "dataset.eval": None,
    "dataset.eval_path": None,
    "dataset.max_prompt_length": None,
    "model.dtype": "float32",
    "model.quantize": "none",
    "model.attention": "auto",
    "lora.targets": "all-linear",
    "lora.rslora": False,
    "engine.gradient_checkpointing": False,
    "train.keep_best": None,
    "dataset.id_field": None,
    "objective.correction.floor": 0.0,
    "objective.correction.mask": {"level": "none", "low": 0.5, "high": 2.0},
    "objective.correction.mask_negative_above": None,
}
FORMAT_PROMPT = "{prompt}"  # of templates before they were Jinja


def renamed(key: str, value: Any) -> str | None:
    """What `key`=`value` is called now; None if it has its name still."""
    return RENAMED.get(key, {}).get(value) if isinstance(value, str) else None


def in_words_of_now(tree: dict[str, Any]) -> dict[str, Any]:
    """The nested configuration of an earlier run, with values by the names that they have now."""
    for key in RENAMED:
        *sections, name = key.split(".")
        place: Any = tree
        for section in sections:
            place = place.get(section) if isinstance(place, dict) else None
        if isinstance(place, dict) and (now := renamed(key, place.get(name))):
            place[name] = now
    if isinstance(data := tree.get("dataset"), dict) and isinstance(template := data.get("prompt_template"), str):
        data["prompt_template"] = jinja_template(template)
    return tree


def jinja_template(template: str) -> str | None:
    """A template of an earlier run in Jinja, which its configuration may hold already; None if it adds nothing."""
    if FORMAT_PROMPT not in template.replace("{{prompt}}", ""):
        return template
    return None if template == FORMAT_PROMPT else template.replace(FORMAT_PROMPT, "{{ prompt }}")
