from __future__ import annotations

import pytest
from transformers import AutoTokenizer

from sspo_cli.config.errors import ConfigError
from sspo_cli.data.encode import encode_prompt, encode_solution
from sspo_cli.data.problem import Message, Problem
from sspo_cli.models.load import EMBEDDED

TEMPLATE = (
    "{% for message in messages %}[{{ message['role'] }}]{{ message['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)


def test_a_prompt_goes_through_the_chat_template_where_there_is_one() -> None:
    tokenizer = AutoTokenizer.from_pretrained(EMBEDDED)
    text = Problem("p", "1+2=", "3", None)
    messages = Problem("p", (Message("system", "Add."), Message("user", "1+2=")), "3", None)
    assert tokenizer.decode(encode_prompt(tokenizer, text)) == "1+2="
    with pytest.raises(ConfigError, match=r"p: the prompt is a list of messages, which needs a chat template"):
        encode_prompt(tokenizer, messages)
    tokenizer.chat_template = TEMPLATE
    ids = encode_prompt(tokenizer, text)
    assert all(type(token) is int for token in ids)
    assert tokenizer.decode(ids) == "[user]1+2=[assistant]"
    assert tokenizer.decode(encode_prompt(tokenizer, messages)) == "[system]Add.[user]1+2=[assistant]"


def test_messages_that_the_chat_template_refuses_are_told() -> None:
    tokenizer = AutoTokenizer.from_pretrained(EMBEDDED)
    tokenizer.chat_template = "{{ raise_exception('System role not supported') }}"
    with pytest.raises(ConfigError, match=r"p: .*refuses the messages \(system, user\): System role not supported"):
        encode_prompt(tokenizer, Problem("p", (Message("system", "Add."), Message("user", "1+2=")), "3", None))


def test_a_solution_ends_the_sequence() -> None:
    tokenizer = AutoTokenizer.from_pretrained(EMBEDDED)
    ids = encode_solution(tokenizer, Problem("p", "1+2=", "3", "1+2=3>3"))
    assert ids[-1] == tokenizer.eos_token_id and tokenizer.decode(ids[:-1]) == "1+2=3>3"


def test_a_problem_without_solution_is_told() -> None:
    with pytest.raises(ConfigError, match=r"mine\.jsonl:3: has no reference solution"):
        encode_solution(AutoTokenizer.from_pretrained(EMBEDDED), Problem("mine.jsonl:3", "1+2=", "3", None))
