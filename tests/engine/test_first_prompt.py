"""What a dry run says of a prompt, for every way to render one."""

from __future__ import annotations

from typing import Any

import pytest

from sspo_cli.config.compose import load_config
from sspo_cli.config.schema import LocalModel, TinyModel, TrainConfig
from sspo_cli.data.problem import Message, Problem
from sspo_cli.engine.first_prompt import rendered_by
from sspo_cli.study.settings import identity
from tests.chat_models import THINKING, chat_tokenizer

ASKED = Problem("p", (Message("user", "1+1="),), "2", None)
OPEN = Problem("p", (*ASKED.prompt, Message("assistant", "It is")), "2", None)


@pytest.mark.parametrize(
    ("template", "keys", "problem", "told"),
    [
        (None, {}, ASKED, "plain text (the model's tokenizer has no chat template)"),
        (None, {"chat_template": "none"}, ASKED, "plain text (model.chat_template=none)"),
        (THINKING, {}, ASKED, "the chat template of the model's tokenizer"),
        (THINKING, {}, OPEN, "the chat template of the model's tokenizer, open in the last message"),
        (
            THINKING,
            {"chat_template": "mine.jinja", "template_args": {"enable_thinking": False, "day": "Monday"}},
            OPEN,
            "the chat template mine.jinja with enable_thinking=False, day='Monday', open in the last message",
        ),
    ],
)
def test_it_is_told_what_renders_a_prompt(
    template: str | None, keys: dict[str, Any], problem: Problem, told: str
) -> None:
    model = LocalModel(kind="local", path="model", **keys)
    assert rendered_by(chat_tokenizer(template), model, problem) == told


def test_a_model_without_a_choice_of_templates_is_told_of_too() -> None:
    assert rendered_by(chat_tokenizer(None), TinyModel(kind="tiny"), ASKED).startswith("plain text (the model's")


def test_what_changes_prompts_or_their_ends_is_part_of_a_runs_identity() -> None:
    base = ["model=local", "model.path=model", "dataset=jsonl", "dataset.path=mine.jsonl"]
    words = [
        "model.chat_template=none", "model.template_args={a: 1}", "model.template_args={a: 2}", "rollout.stop=[Q]",
        "dataset.max_prompt_length=9", "reward.special_tokens=keep",
    ]  # fmt: skip
    names = {identity(load_config(TrainConfig, [*base, *more])) for more in ([], *([word] for word in words))}
    assert len(names) == len(words) + 1
