"""Which chat template a tokenizer renders with, its arguments, and the token that ends a turn in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer, GenerationConfig

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import LocalModel
from sspo_cli.models.template import choose_template, end_of_turn, stop_ids, with_values
from tests.chat_models import CHAT, THINKING, chat_tokenizer

TURN = [{"role": "user", "content": "1+2="}]
ASKED = "<|im_start|>user\n1+2=<|im_end|>\n<|im_start|>assistant\n"
NOT_THINKING = ASKED + "<think>\n\n</think>\n\n"


def local(**keys: Any) -> LocalModel:
    return LocalModel(kind="local", path="model", **keys)


def rendered(tokenizer: Any, **values: Any) -> str:
    return str(tokenizer.apply_chat_template(TURN, tokenize=False, add_generation_prompt=True, **values))


def refusals(template: str | None, **keys: Any) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        choose_template(chat_tokenizer(template), local(**keys))
    assert all("\n" not in line for line in refused.value.problems)
    return refused.value.problems


def test_arguments_stay_with_the_tokenizer_wherever_it_is_loaded(tmp_path: Path) -> None:
    tokenizer = chat_tokenizer(THINKING)
    choose_template(tokenizer, local(template_args={"enable_thinking": False}))
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert rendered(again) == NOT_THINKING and rendered(again, enable_thinking=True) == ASKED
    choose_template(again, local(template_args={"enable_thinking": True}))
    assert rendered(again) == ASKED, "the later argument counts"


def test_a_file_takes_the_place_of_the_template_and_none_leaves_none(tmp_path: Path) -> None:
    (tmp_path / "mine.jinja").write_text(THINKING)
    tokenizer = chat_tokenizer(CHAT)
    choose_template(tokenizer, local())
    assert tokenizer.chat_template == CHAT
    choose_template(tokenizer, local(chat_template=str(tmp_path / "mine.jinja"), template_args={"enable_thinking": 0}))
    assert rendered(tokenizer) == ASKED, "0 is not false for this template"
    choose_template(tokenizer, local(chat_template="none"))
    tokenizer.save_pretrained(tmp_path / "saved")
    assert AutoTokenizer.from_pretrained(tmp_path / "saved").chat_template is None


@pytest.mark.parametrize(
    "value", [None, True, 3, -0.5, 'it\'s "so"\n\\n {% raw %} %} }} \u6f22 \U0001f600', ["a", {"b": [None, "c"]}]]
)
def test_an_argument_reaches_the_template_as_it_is(value: Any) -> None:
    tokenizer = chat_tokenizer("  \n{{ value | tojson }}|{{ value is none }}")
    choose_template(tokenizer, local(template_args={"value": value}))
    plain = chat_tokenizer("  \n{{ value | tojson }}|{{ value is none }}")
    assert rendered(tokenizer) == rendered(plain, value=value)


@pytest.mark.parametrize("template", [CHAT, THINKING, "\n\n  {% if x %}a{% endif %}\n b", "   {{ x }}\n"])
def test_the_template_itself_is_left_alone(template: str) -> None:
    assert rendered(chat_tokenizer(with_values(template, {"y": 1, "z": "t"}))) == rendered(chat_tokenizer(template))


def test_what_cannot_be_is_one_line(tmp_path: Path) -> None:
    for name, text in (("broken", "a\n{% if x %}"), ("tag", "{{ x"), ("empty", " \n")):
        (tmp_path / name).write_text(text)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (line,) = refusals(CHAT, chat_template="nowhere.jinja")
    assert line.startswith("model.chat_template=nowhere.jinja: no such file (looked in ")
    (line,) = refusals(CHAT, chat_template=str(tmp_path))
    assert ": no such file" in line
    (line,) = refusals(CHAT, chat_template=str(tmp_path / "broken"))
    assert ": not a Jinja template: line 2: Unexpected end of template" in line
    (line,) = refusals(CHAT, chat_template=str(tmp_path / "tag"))
    assert ": not a Jinja template: line 1: " in line
    (line,) = refusals(CHAT, chat_template=str(tmp_path / "binary"))
    assert ": not UTF-8 text" in line
    (line,) = refusals(CHAT, chat_template=str(tmp_path / "empty"))
    assert "is empty; set model.chat_template=none" in line
    one, two = refusals(THINKING, template_args={"enable_thinkin": False, "enable_thinking": False, "x": 1})
    assert one == "model.template_args.enable_thinkin: the chat template does not read it (it reads: enable_thinking)"
    assert two.startswith("model.template_args.x: ")
    (line,) = refusals(None, template_args={"a": 1})
    assert line.endswith("goes to a chat template, and the model's tokenizer has none; set model.chat_template")
    (line,) = refusals(CHAT, chat_template="none", template_args={"a": 1})
    assert "goes to a chat template, and there is none" in line


@pytest.mark.parametrize(
    ("template", "ends"),
    [
        (None, None),
        (CHAT, "<|im_end|>"),
        (THINKING, "<|im_end|>"),
        (CHAT.replace("message.content +", "message.content + ' ' +"), "<|im_end|>"),
        (CHAT.replace("'<|im_end|>\\n'", "eos_token"), "<eos>"),
        (CHAT.replace("<|im_end|>", "</s>"), None),
        (CHAT.replace("<|im_end|>", "</think>"), None),
        ("{{ raise_exception('no') }}", None),
        ("{{ messages[0].content }}<|im_end|>", None),
    ],
)
def test_the_special_token_behind_an_answer_ends_a_turn(template: str | None, ends: str | None) -> None:
    tokenizer = chat_tokenizer(template)
    found = end_of_turn(tokenizer)
    assert (None if found is None else tokenizer.convert_ids_to_tokens(found)) == ends
    stops = stop_ids(tokenizer, GenerationConfig(eos_token_id=[7, 9]))
    assert stops == sorted({7, 9, tokenizer.eos_token_id, *([] if found is None else [found])})


@pytest.mark.parametrize("name", ["messages", "add_generation_prompt", "message", "im_start", "eos_token", "role"])
def test_an_argument_that_the_template_gets_from_elsewhere_is_refused(name: str) -> None:
    (line,) = refusals(THINKING + "{{ eos_token }}", template_args={name: "x"})
    assert line == f"model.template_args.{name}: the chat template does not read it (it reads: enable_thinking)"
