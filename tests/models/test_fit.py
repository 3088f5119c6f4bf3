"""Prompts that leave no room for a response: refused with their number, or left out on demand."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from sspo_cli.config.compose import load_config
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import EvalConfig
from sspo_cli.data.check import PromptReport
from sspo_cli.data.encode import Encoder
from sspo_cli.data.listed import Listed
from sspo_cli.data.problem import Dataset, Problem
from sspo_cli.models.fit import that_fit
from sspo_cli.models.policy import Policy
from tests.chat_models import CHAT
from tests.tiny_models import SHAPE, random_policy

POSITIONS = SHAPE["max_position_embeddings"]
JSONL = ("dataset=jsonl", "dataset.path=mine.jsonl")


def problems(name: str, lengths: Iterable[int]) -> list[Problem]:
    """One for each length, in tokens."""
    return [Problem(f"{name}{i}", f"{i}".ljust(length, "+"), "3", None) for i, length in enumerate(lengths)]


def fit(
    dataset: Dataset, *words: str, response: int = 28, policy: Policy | None = None
) -> tuple[Dataset, PromptReport, list[str]]:
    policy = policy or random_policy()
    config = load_config(EvalConfig, [*(words or JSONL)]).dataset
    return that_fit(dataset, config, policy, Encoder(policy.tokenizer, None), response)


def refusal(dataset: Dataset, *words: str, response: int = 28) -> str:
    with pytest.raises(ConfigError) as refused:
        fit(dataset, *words, response=response)
    (line,) = refused.value.problems
    return line


def test_prompts_that_leave_no_room_are_counted_and_the_way_out_works() -> None:
    made = Listed(problems("t", [9, 100, 101, 120, 128, 500]), problems("e", [100, 102]), 0)
    assert refusal(made) == (
        f"dataset: 5 of 8 prompts leave no room for a response of 28 tokens within the model's {POSITIONS} positions"
        " (t2, t3, t4, ...; the longest prompt has 500 tokens); shorten them, or the response"
        " (rollout.max_response_length, eval.max_response_length), or leave them out by dataset.max_prompt_length=100"
    )
    kept, found, lines = fit(made, *JSONL, "dataset.max_prompt_length=100")
    assert [problem.id for problem in kept.problems()] == ["t0", "t1"]
    assert [problem.id for problem in kept.evaluation] == ["e0"] and kept.train_size == 2
    assert found.longest == 100 and found.count == 3
    assert {kept.train_problem(i).id for i in range(20)} == {"t0", "t1"}
    assert lines == [
        "dataset.max_prompt_length=100: longer prompts are left out: 4 to learn from and 1 held out (t2, t3, t4, ...)"
    ]
    line = refusal(made, *JSONL, "dataset.max_prompt_length=110")
    assert line.startswith("dataset: 2 of 5 prompts leave no room") and "(t2, e1; the longest prompt has 102" in line


def test_what_fits_is_left_alone() -> None:
    made = Listed(problems("t", [100, 3]), problems("e", [100]), 0)
    kept, found, lines = fit(made, *JSONL, "dataset.max_prompt_length=100")
    assert kept is made and lines == [] and found.over == []


def test_a_response_without_room_has_no_way_out_by_prompts() -> None:
    line = refusal(Listed(problems("t", [9, 8]), problems("e", [9]), 0), response=POSITIONS)
    assert line.startswith("dataset: 3 of 3 prompts") and "max_prompt_length" not in line
    line = refusal(Listed(problems("t", [200]), problems("e", [9]), 0), "dataset=addition")
    assert line.endswith("or the response (rollout.max_response_length, eval.max_response_length)")


@pytest.mark.parametrize(
    ("train", "held_out", "words"),
    [
        ([20, 30], [5], "all prompts to learn from are longer, the shortest that is left out has 20 tokens"),
        ([5], [40, 35], "all held-out prompts are longer, the shortest that is left out has 35 tokens"),
        ([11], [12], "all prompts to learn from are longer, the shortest that is left out has 11 tokens"),
    ],
)
def test_a_limit_that_leaves_nothing_is_refused(train: list[int], held_out: list[int], words: str) -> None:
    made = Listed(problems("t", train), problems("e", held_out), 0)
    assert refusal(made, *JSONL, "dataset.max_prompt_length=10") == f"dataset.max_prompt_length=10: {words}"


def test_every_prompt_is_rendered_once_and_the_display_is_told() -> None:
    """But for the first two, which are rendered again to see whether the template draws."""
    policy = random_policy()
    policy.tokenizer.chat_template = CHAT
    made = Listed(problems("t", range(2, 52)), problems("e", [60, 61]), 0)
    calls, told = [], []
    render = policy.tokenizer.apply_chat_template

    def counting(*arguments: object, **options: object) -> object:
        calls.append(arguments)
        return render(*arguments, **options)

    policy.tokenizer.apply_chat_template = counting
    config = load_config(EvalConfig, [*JSONL]).dataset
    that_fit(made, config, policy, Encoder(policy.tokenizer, None), 8, lambda *now: told.append(now))
    assert told == [(number, 52) for number in range(1, 53)]
    assert len(calls) == 52 + 2 * 3
