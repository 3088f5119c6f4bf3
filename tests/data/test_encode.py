from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from tokenizers import Tokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from sspo_cli.config.errors import ConfigError
from sspo_cli.data.check import check_prompts
from sspo_cli.data.encode import Encoder
from sspo_cli.data.listed import Listed
from sspo_cli.data.problem import Message, Problem
from sspo_cli.models.source import EMBEDDED
from tests.chat_models import CHAT, NO_SYSTEM, THINKING, chat_tokenizer

TEMPLATE = (
    "{% for message in messages %}[{{ message['role'] }}]{{ message['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)


def test_a_prompt_goes_through_the_chat_template_where_there_is_one() -> None:
    tokenizer = AutoTokenizer.from_pretrained(EMBEDDED)
    text = Problem("p", "1+2=", "3", None)
    messages = Problem("p", (Message("system", "Add."), Message("user", "1+2=")), "3", None)
    assert tokenizer.decode(Encoder(tokenizer, None).prompt(text)) == "1+2="
    with pytest.raises(ConfigError, match=r"p: the prompt is a list of messages, which needs a chat template"):
        Encoder(tokenizer, None).prompt(messages)
    tokenizer.chat_template = TEMPLATE
    ids = Encoder(tokenizer, None).prompt(text)
    assert all(type(token) is int for token in ids)
    assert tokenizer.decode(ids) == "[user]1+2=[assistant]"
    assert tokenizer.decode(Encoder(tokenizer, None).prompt(messages)) == "[system]Add.[user]1+2=[assistant]"


def test_messages_that_the_chat_template_refuses_are_told() -> None:
    tokenizer = AutoTokenizer.from_pretrained(EMBEDDED)
    tokenizer.chat_template = "{{ raise_exception('System role not supported') }}"
    with pytest.raises(ConfigError, match=r"p: .*fails on the messages \(system, user\): System role not supported"):
        Encoder(tokenizer, None).prompt(Problem("p", (Message("system", "Add."), Message("user", "1+2=")), "3", None))


def opened(template: str, *turns: tuple[str, str]) -> str:
    """A conversation as the model reads it."""
    encoder = Encoder(chat_tokenizer(template), None)
    text, tokens = encoder.encoded(Problem("p", tuple(Message(role, content) for role, content in turns), "3", None))
    assert encoder.spelled(tokens) == text
    return text


ASKED = "<|im_start|>user\n1+2=<|im_end|>\n<|im_start|>assistant\n"


@pytest.mark.parametrize("prefill", ["It is ", "It is", "<think>\n", "a <|im_end|>\nb"])
def test_a_message_of_the_assistant_at_the_end_is_gone_on_with(prefill: str) -> None:
    """Its white space is kept where the template keeps it."""
    assert opened(CHAT, ("user", "1+2="), ("assistant", prefill)) == ASKED + prefill
    trimming = CHAT.replace("message.content", "(message.content | trim)")
    assert opened(trimming, ("user", "1+2="), ("assistant", prefill)) == ASKED + prefill.strip()


def test_what_a_template_puts_before_an_answer_stands_before_an_open_one() -> None:
    assert opened(THINKING, ("user", "1+2="), ("assistant", "It is")) == ASKED + "<think>\n\n</think>\n\nIt is"
    turns = [("user", "1+1="), ("assistant", "2"), ("user", "1+2=")]
    before = "<|im_start|>user\n1+1=<|im_end|>\n<|im_start|>assistant\n2<|im_end|>\n"
    assert opened(THINKING, *turns) == before + ASKED
    for nothing in ("", " \n"):
        with pytest.raises(ConfigError, match=r"^p: the message of the assistant that the prompt ends with is empty$"):
            opened(CHAT, *turns, ("assistant", nothing))


def test_a_template_that_drops_the_open_message_is_told_in_one_line() -> None:
    dropping = CHAT.replace("message.content", "message.content.split('is')[0]")
    with pytest.raises(ConfigError, match=r"^p: the model's chat template fails on the messages \(user, assistant\): "):
        opened(dropping, ("user", "1+2="), ("assistant", "It is"))
    with pytest.raises(ConfigError, match=r"\(system, user\): System role not supported; write others, or render them"):
        opened(NO_SYSTEM, ("system", "Add."), ("user", "1+2="))
    assert opened(NO_SYSTEM, ("user", "1+2=")) == ASKED


def test_a_solution_ends_the_sequence() -> None:
    tokenizer = AutoTokenizer.from_pretrained(EMBEDDED)
    ids = Encoder(tokenizer, None).solution(Problem("p", "1+2=", "3", "1+2=3>3"))
    assert ids[-1] == tokenizer.eos_token_id and tokenizer.decode(ids[:-1]) == "1+2=3>3"


def test_a_problem_without_solution_is_told() -> None:
    with pytest.raises(ConfigError, match=r"mine\.jsonl:3: has no reference solution"):
        Encoder(AutoTokenizer.from_pretrained(EMBEDDED), None).solution(Problem("mine.jsonl:3", "1+2=", "3", None))


def with_tokenizer(change: dict[str, object]) -> Any:
    """The embedded tokenizer with parts of its tokenizer.json changed."""
    content = json.loads((EMBEDDED / "tokenizer.json").read_text())
    content |= change
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(content)), eos_token="<eos>", pad_token="<pad>"
    )


def ending() -> Any:
    """A tokenizer whose post-processor puts the end-of-sequence token behind every text."""
    pieces = [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "<eos>", "type_id": 0}}]
    special = {"<eos>": {"id": "<eos>", "ids": [1], "tokens": ["<eos>"]}}
    return with_tokenizer(
        {
            "post_processor": {
                "type": "TemplateProcessing",
                "single": pieces,
                "pair": pieces * 2,
                "special_tokens": special,
            }
        }
    )


def digits() -> Any:
    """A tokenizer that knows digits and signs alone, and no unknown token."""
    vocabulary = {"<pad>": 0, "<eos>": 1, **{sign: 2 + i for i, sign in enumerate("0123456789+=")}}
    model: dict[str, object] = {"type": "BPE", "vocab": vocabulary, "merges": [], "unk_token": None}
    return with_tokenizer({"model": model, "pre_tokenizer": None, "decoder": None})


def report(tokenizer: Any, *prompts: str | tuple[Message, ...]) -> tuple[int, list[str]]:
    problems = [Problem(f"p{i}", prompt, "3", None) for i, prompt in enumerate(prompts)]
    found = check_prompts(Encoder(tokenizer, None), Listed(problems, problems[:1], 0))
    return found.longest, found.notes


def test_an_end_token_that_the_tokenizer_adds_is_left_out() -> None:
    tokenizer = ending()
    assert tokenizer("1+2=")["input_ids"][-1] == tokenizer.eos_token_id, "the case must contain one"
    ids = Encoder(tokenizer, None).prompt(Problem("p", "1+2=", "3", None))
    assert tokenizer.decode(ids) == "1+2="
    written = Encoder(tokenizer, None).prompt(Problem("p", "1+2=<eos>", "3", None))
    assert tokenizer.decode(written) == "1+2=<eos>", "one that the data holds stays"
    line = "prompts: the tokenizer adds an end token to every text, which is left out of prompts"
    assert line in report(tokenizer, "1+2=", "3+4=")[1]


def test_characters_without_a_token_are_told() -> None:
    longest, notes = report(digits(), "12\u00d73=", "4+5=", "6\u00d77\u00d78=")
    assert longest == 4
    assert notes == [
        "prompts: 3 characters have no token (most often \u00d7), so the model cannot read them: 2 prompts (p0, p2)"
    ]
    assert report(AutoTokenizer.from_pretrained(EMBEDDED), "12\u00d73=", "\u6f22 \U0001f600\n\t x")[1] == []


def test_a_prompt_without_tokens_is_refused() -> None:
    with pytest.raises(ConfigError, match="p1: the prompt has no tokens"):
        report(digits(), "1+2=", "\u00d7")


def test_special_tokens_in_the_data_are_told() -> None:
    _, notes = report(AutoTokenizer.from_pretrained(EMBEDDED), "1+2=", "say <eos> now", "<pad>")
    assert notes == [
        "prompts: special tokens of the tokenizer stand in the text, and the model reads them as such: 2 prompts"
        " (p1, p2)"
    ]


def test_what_template_and_normaliser_change_is_told() -> None:
    tokenizer = with_tokenizer({"normalizer": {"type": "Lowercase"}})
    assert report(tokenizer, "abc", "ABC ")[1] == [
        "prompts: the tokenizer's normaliser changes letters of the text: 1 prompt (p1)"
    ]
    tokenizer = AutoTokenizer.from_pretrained(EMBEDDED)
    tokenizer.chat_template = TEMPLATE.replace("message['content']", "message['content'] | trim")
    assert report(tokenizer, "abc", "abc ")[1] == ["prompts: the chat template changes the text: 1 prompt (p1)"]


def test_a_chat_template_sees_the_time_of_the_run() -> None:
    tokenizer = AutoTokenizer.from_pretrained(EMBEDDED)
    inner = "{% macro today() %}{{ strftime_now('%d %b %Y') }}{% endmacro %}"
    dated = "{% if strftime_now is defined %}{{ today() }}, {{ strftime_now('%-d') }}:{% endif %}"
    tokenizer.chat_template = inner + dated + TEMPLATE
    ids = Encoder(tokenizer, "2024-07-06T23:59:00").prompt(Problem("p", "1+2=", "3", None))
    assert tokenizer.decode(ids) == "06 Jul 2024, 6:[user]1+2=[assistant]"


FORMATS = ["%F %T", "%C%D|%e|%h|%k|%l|%P|%r|%R|%y", "100%%d %d", "%-e %_d %^a %#Z %Ey", "a%nb%tc", "%", "%G-%V-%u"]


@pytest.mark.parametrize("format", FORMATS)
def test_the_frozen_clock_writes_what_strftime_writes(format: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(EMBEDDED)
    tokenizer.chat_template = "\n [{{ strftime_now(" + repr(format) + ") }}]"
    moment = "1999-02-03T04:05:06"
    written = Encoder(tokenizer, moment).text(Problem("p", "1+2=", "3", None))
    assert written == f"\n [{datetime.fromisoformat(moment).strftime(format)}]"


def test_end_tokens_of_tokenizer_and_template_are_told() -> None:
    tokenizer = AutoTokenizer.from_pretrained(EMBEDDED)
    tokenizer.chat_template = TEMPLATE + "{{ eos_token }}"
    (line,) = report(tokenizer, "abc")[1]
    assert line.startswith("prompts: the chat template ends the prompt with an end token") and line.endswith("(p0)")


@pytest.mark.parametrize("template", [{"tools": TEMPLATE}, "{{ messages[0].nothing.here }}", "{% oops %}"])
def test_a_template_that_fails_is_one_line(template: str | dict[str, str]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(EMBEDDED)
    tokenizer.chat_template = template
    with pytest.raises(ConfigError, match=r"p0: the model's chat template fails on the messages \(user\): "):
        report(tokenizer, "1+2=")


def test_a_solution_ends_with_the_token_that_ends_a_turn() -> None:
    """Where the chat template has one: the tokenizer's own would teach an end that no answer in a chat has."""
    problem = Problem("p", "1+2=", "3", ">3")
    for template, end in ((CHAT, "<|im_end|>"), (None, "<eos>"), (TEMPLATE, "<eos>")):
        tokenizer = chat_tokenizer(template)
        *said, last = Encoder(tokenizer, None).solution(problem)
        assert tokenizer.decode(said) == ">3" and tokenizer.decode([last]) == end


def test_a_template_that_leaves_out_what_is_asked_is_refused() -> None:
    problems = [Problem("a", "1+1=", "2", None), Problem("b", "1+2=", "3", None)]
    for template in ("<|im_start|>Answer:", "{{ messages[0].contents }}<|im_start|>", "{{ messages[0].role }}:"):
        with pytest.raises(ConfigError, match="the chat template makes the same text of all 2 prompts"):
            check_prompts(Encoder(chat_tokenizer(template), None), Listed(problems, problems, 0, []))
    same = [Problem("a", "1+1=", "2", None), Problem("b", " 1+1=", "2", None)]
    trims = "{{ messages[0].content | trim }}"
    assert check_prompts(Encoder(chat_tokenizer(trims), None), Listed(same, same, 0, [])).count == 2
