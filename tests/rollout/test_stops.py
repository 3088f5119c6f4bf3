"""Strings that end a response: the same in both samplers, whatever a token is, and not part of the text."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from sspo_cli.models.policy import Policy
from sspo_cli.models.source import EMBEDDED
from sspo_cli.rollout import native
from sspo_cli.rollout.base import Sampler
from sspo_cli.rollout.generate import GenerateSampler
from sspo_cli.rollout.native import NativeSampler
from sspo_cli.rollout.stops import Watch, response_text
from sspo_cli.types import Completion, Decoding
from tests.chat_models import chat_tokenizer
from tests.sampling import in_order, requests_of
from tests.tiny_models import random_policy

PROMPTS = [[12, 25, 30], [40, 41, 42, 43, 44, 45, 46], [99]]
CORPUS = ["Question: what is 12 plus 30? Answer: 42. ###\n\n", "déjà vu, naïve café: 漢字 and 😀! Question: none."] * 20
KINDS: dict[str, Callable[[], Any]] = {}


def kind(make: Callable[[], Any]) -> Callable[[], Any]:
    KINDS[make.__name__] = make
    return make


@kind
def bytes_alone() -> Any:
    return AutoTokenizer.from_pretrained(EMBEDDED)


@kind
def bytes_and_turns() -> Any:
    return chat_tokenizer()


def trained(tokenizer: Tokenizer, trainer: Any) -> Any:
    tokenizer.train_from_iterator(CORPUS, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>", pad_token="<pad>")


@kind
def byte_pairs() -> Any:
    """Tokens of several characters, and of parts of one."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=250,
        special_tokens=["<pad>", "<eos>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())[:160],
        show_progress=False,
    )
    return trained(tokenizer, trainer)


@kind
def word_pieces() -> Any:
    """Whose first token has another text than inside a text."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.decoder = decoders.WordPiece()
    return trained(tokenizer, trainers.WordPieceTrainer(vocab_size=200, special_tokens=["<pad>", "<eos>", "<unk>"]))


@kind
def pieces_with_spaces() -> Any:
    """As SentencePiece: a space is part of a token, and left out at the beginning."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Prepend("\u2581")
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.decoder = decoders.Metaspace()
    return trained(tokenizer, trainers.BpeTrainer(vocab_size=200, special_tokens=["<pad>", "<eos>", "<unk>"]))


def spelled(tokenizer: Any, tokens: Sequence[int]) -> str:
    return str(tokenizer.decode(tokens, skip_special_tokens=False))


def first_with(tokenizer: Any, tokens: list[int], strings: Sequence[str]) -> int | None:
    """By decoding every beginning as a whole."""
    return next(
        (n for n in range(1, len(tokens) + 1) if any(string in spelled(tokenizer, tokens[:n]) for string in strings)),
        None,
    )


def strings_of(tokenizer: Any, responses: Sequence[list[int]]) -> list[str]:
    """Strings that few of the responses hold: one to four characters, over the edges of tokens and inside them."""
    draw, found = random.Random(0), []
    texts = [spelled(tokenizer, tokens) for tokens in responses]
    for place, text in enumerate(texts[::5]):
        spans = [text[begin : begin + 1 + place % 4] for begin in range(len(text) // 3, len(text) - 4)]
        rare = [span for span in spans if sum(span in other for other in texts) <= max(1, len(texts) // 6)]
        if whole := [span for span in rare if "\ufffd" not in span]:
            found.append(draw.choice(whole))
    return found


def outcome(completions: Sequence[Completion]) -> list[tuple[list[int], str]]:
    return [(item.token_T, item.finish) for item in completions]


@pytest.mark.parametrize("name", KINDS)
def test_both_samplers_end_a_response_at_the_token_that_completes_a_string(name: str) -> None:
    tokenizer = KINDS[name]()
    policy = Policy(random_policy(spread=0.1).model, tokenizer)
    free = Decoding(1.0, 24, tuple(policy.stop_ids))
    whole = in_order(NativeSampler(policy, 0, 10_000).sample(iter(requests_of(PROMPTS, free, 12))))
    strings = strings_of(tokenizer, [item.token_T for item in whole])
    assert len(strings) > 3
    decoding = replace(free, stop=tuple(strings))
    asked = requests_of(PROMPTS, decoding, 12)
    ends = [first_with(tokenizer, item.token_T, strings) for item in whole]
    expected = [(item.token_T[:end], "stop" if end else item.finish) for item, end in zip(whole, ends, strict=True)]
    assert 5 < sum(end is not None for end in ends) < len(ends), "some end so, and some do not"
    for make, room in ((NativeSampler, 10_000), (NativeSampler, 120), (GenerateSampler, 10_000)):
        found = in_order(make(policy, 0, room).sample(iter(asked)))
        assert outcome(found) == expected, make
        for item, before in zip(found, whole, strict=True):
            assert item.logp_T.tolist() == pytest.approx(before.logp_T[: len(item.token_T)].tolist(), abs=1e-5)
            text = response_text(tokenizer, item.token_T, decoding, special_tokens=True)
            assert not any(string in text for string in strings)
            assert spelled(tokenizer, item.token_T).startswith(text)


@pytest.mark.parametrize("make", [NativeSampler, GenerateSampler])
def test_the_sooner_of_a_stop_token_a_string_and_the_limit_ends_a_response(
    make: Callable[[Policy, int, int], Sampler], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However seldom the sampler looks."""
    policy = random_policy(spread=0.1)
    free = Decoding(1.0, 16, tuple(range(2, 258, 17)))
    whole = in_order(NativeSampler(policy, 0, 10_000).sample(iter(requests_of(PROMPTS, free, 12))))
    texts = [spelled(policy.tokenizer, item.token_T) for item in whole]
    last = next(text[-1] for text, item in zip(texts, whole, strict=True) if item.truncated and text[-1] != "\ufffd")
    # `generate` fills rows that are over with <pad>.
    strings = (last, "<pad><pad>", *(text[len(text) // 2] for text in texts[::9] if text[len(text) // 2] != "\ufffd"))
    asked = requests_of(PROMPTS, replace(free, stop=strings), 12)
    ends = [first_with(policy.tokenizer, item.token_T, strings) for item in whole]
    expected = [(item.token_T[:end], "stop" if end else item.finish) for item, end in zip(whole, ends, strict=True)]
    assert {(len(tokens) == 16, finish) for tokens, finish in expected} > {(True, "stop"), (False, "stop")}
    for looks in (1, 4, 16):
        monkeypatch.setitem(native.STEPS_BETWEEN_LOOKS, "cpu", looks)
        for room in (10_000, 100):
            assert outcome(in_order(make(policy, 0, room).sample(iter(asked)))) == expected


def test_requests_with_and_without_strings_may_come_together() -> None:
    policy = random_policy(spread=0.1)
    free = Decoding(1.0, 12, (1,))
    asked = requests_of(PROMPTS, free, 4)
    whole = in_order(NativeSampler(policy, 0, 10_000).sample(iter(asked)))
    (string,) = strings_of(policy.tokenizer, [whole[5].token_T])
    mixed = [
        replace(request, decoding=replace(free, stop=(string,))) if place % 2 else request
        for place, request in enumerate(asked)
    ]
    found = in_order(NativeSampler(policy, 0, 60).sample(iter(mixed)))
    ends = [
        first_with(policy.tokenizer, item.token_T, [string]) if place % 2 else None for place, item in enumerate(whole)
    ]
    assert ends[5] is not None and ends[5] < len(whole[5].token_T)
    assert [item.token_T for item in found] == [item.token_T[:end] for item, end in zip(whole, ends, strict=True)]


def text_of(text: str, *stop: str, stop_ids: Sequence[int] = (1, 249), special_tokens: bool = False) -> str:
    """What a reward reads of a response written with the tokens of `chat_tokenizer`."""
    tokenizer = chat_tokenizer()
    tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
    return response_text(tokenizer, tokens, Decoding(1.0, 99, tuple(stop_ids), stop), special_tokens=special_tokens)


END = chat_tokenizer().convert_tokens_to_ids("<|im_end|>")


@pytest.mark.parametrize(
    ("response", "stop", "stripped", "kept"),
    [
        ("4<eos>", (), "4", "4"),
        ("4<|im_end|>", (), "4", "4"),
        ("<think>\n2+2</think>4<|im_end|>", (), "<think>\n2+2</think>4", "<think>\n2+2</think>4"),
        ("4<|im_start|>5<|im_end|>", (), "45", "4<|im_start|>5"),
        ("4<|im_end|><|im_end|>", (), "4", "4<|im_end|>"),
        ("4", ("Q:",), "4", "4"),
        ("4\nQ:", ("Q:",), "4\n", "4\n"),
        ("4\nQ:", ("Q:", "\nQ"), "4", "4"),
        ("Q:", ("Q:",), "", ""),
        ("4<|im_start|>user", ("<|im_start|>user",), "4", "4"),
        ("4<|im_start|>us", ("|>us",), "4", "4<|im_start"),
        ("<|im_start|>4é", ("é",), "4", "<|im_start|>4"),
        ("é漢4", ("4",), "é漢", "é漢"),
        ("4<|im_end|>", ("<|im_end|>",), "4", "4"),
        ("a<pad>b<eos>", ("c",), "ab", "a<pad>b"),
    ],
)
def test_the_text_ends_before_stop_tokens_and_strings(
    response: str, stop: tuple[str, ...], stripped: str, kept: str
) -> None:
    assert text_of(response, *stop, stop_ids=(1, END)) == stripped
    assert text_of(response, *stop, stop_ids=(1, END), special_tokens=True) == kept


def test_a_string_that_begins_inside_a_token_is_cut_there() -> None:
    tokenizer = byte_pairs()
    tokens = tokenizer("Question: what is 12 plus 30? Answer: 42. ###\n\n", add_special_tokens=False)["input_ids"]
    long = next(place for place, token in enumerate(tokens) if len(spelled(tokenizer, [token])) > 4)
    piece, before = spelled(tokenizer, [tokens[long]]), spelled(tokenizer, tokens[:long])
    for begin, end in ((0, 2), (1, 3), (2, len(piece))):
        decoding = Decoding(1.0, 99, (1,), (before + piece[begin:end] if begin == 0 else piece[begin:end],))
        watch = Watch(tokenizer, decoding.stop)
        watch.read(tokens)
        assert watch.length is not None and watch.length <= long + 1
        text = response_text(tokenizer, tokens[: watch.length], decoding)
        whole = spelled(tokenizer, tokens[: watch.length])
        assert text == whole[: whole.index(decoding.stop[0])]


def test_a_character_over_several_tokens_ends_a_response_with_its_last_byte() -> None:
    tokenizer = bytes_alone()
    tokens = tokenizer("4 漢字", add_special_tokens=False)["input_ids"]
    watch = Watch(tokenizer, ["漢"])
    for place, token in enumerate(tokens):
        watch.read([token])
        assert (watch.length is not None) == (place >= 4)
    assert watch.length == 5
    assert response_text(tokenizer, tokens[:5], Decoding(1.0, 99, (1,), ("漢",))) == "4 "


def test_a_string_of_many_tokens_is_found_and_one_that_only_a_part_of_the_text_shows_is_not() -> None:
    tokenizer = bytes_alone()
    watch = Watch(tokenizer, ["Question: none", "x"])
    watch.read(tokenizer("A long Question: none of it", add_special_tokens=False)["input_ids"])
    assert watch.length == len("A long Question: none")
    pieces = word_pieces()
    tokens = pieces("whatisnonewhatisnonewhatisnone", add_special_tokens=False)["input_ids"]
    assert len(tokens) > 8 and spelled(pieces, tokens[3:]).startswith("##") and "##" not in spelled(pieces, tokens)
    watch = Watch(pieces, ["##"])
    watch.read(tokens)
    assert watch.length is None
