"""Problems of reasoning-gym: made the same everywhere, apart by content, and graded by their own scorers."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sspo_cli.build import build_rewarder
from sspo_cli.config.compose import load_config
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import TaskRewardSection, TrainConfig
from sspo_cli.data.apart import asked
from sspo_cli.data.listed import Listed
from sspo_cli.data.load import load_dataset
from sspo_cli.data.mixture import Mixture
from sspo_cli.data.problem import Dataset, Problem
from sspo_cli.data.reasoning_gym import REFUSED, answers
from sspo_cli.rewards.base import Rewarder
from sspo_cli.rewards.task import TaskReward
from sspo_cli.types import Key

gym = pytest.importorskip("reasoning_gym")
pytestmark = pytest.mark.slow  # the package takes a second to import, in the process that makes problems

WHOLE = TaskReward(None, None)
ONE_DIGIT = "dataset.params.chain_sum={min_terms: 2, max_terms: 2, min_digits: 1, max_digits: 1}"
# What makes a response right where a task names no answer, for many are: the key of its metadata that holds one.
ONE_OF_MANY = {
    "graph_color": "possible_answer",
    "propositional_logic": "example_answer",
    "rubiks_cube": "example_correct_answer",
}
UNKNOWN = ("boxnet", "rush_hour")  # tasks that name no right answer at all
HOSTILE = [
    "__import__('pathlib').Path('hit').touch()",
    "[__import__('pathlib').Path('hit').touch()]",
    "open(chr(104)+chr(105)+chr(116),chr(119))",
    "(lambda: open('hit', 'w'))()",
    "exec(" + "+".join(f"chr({ord(letter)})" for letter in "open('hit','w')") + ")",
    "eval(" + "+".join(f"chr({ord(letter)})" for letter in "open('hit','w')") + ")",
    "x.__class__",
    "[open('hit', 'w') for _ in range(1)]",
]
BROKEN = [
    "",
    "x",
    "[",
    "{}",
    "[]",
    "None",
    "-1",
    "1/0",
    "nan",
    "é",
    "[1,[2]]",
    '{"a": 1}',
    "9" * 400,
    "A:1\nB:2",
    "[" * 3000,
]


def load(*overrides: str, seed: int = 0, problems: int = 16) -> Dataset:
    words = ["dataset=reasoning_gym", f"seed={seed}", f"eval.problems={problems}", *overrides]
    config = load_config(TrainConfig, words)
    return load_dataset(config.dataset, config.seed, config.eval.problems)


def refused(*overrides: str, problems: int = 16) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        load(*overrides, problems=problems)
    assert all("\n" not in line for line in raised.value.problems)
    return raised.value.problems


def test_no_problem_is_asked_in_both_however_few_there_are_and_it_is_told() -> None:
    """200 different sums of two one-digit terms, 2000 draws: whatever the seeds, they overlap in content."""
    data = load("dataset.tasks=chain_sum", ONE_DIGIT, "dataset.size=2000", problems=50)
    assert isinstance(data, Listed)
    held_out = {asked(problem) for problem in data.evaluation}
    trained = {asked(problem) for problem in data.train}
    assert len(held_out) == 50 and len(trained) == len(data.train) == 150 and not held_out & trained
    assert data.notes == [
        "dataset=reasoning_gym: chain_sum: 150 problems to learn from; of dataset.size=2000, 200 differ, and 50 of"
        " those are held out"
    ]
    assert data.train[0].prompt == (
        f"{data.train[0].question}\nGive the final answer alone between <answer> and </answer>."
    )


def test_held_out_problems_are_the_same_for_every_seed_and_those_to_learn_from_are_not() -> None:
    first, again, other = (load("dataset.tasks=chain_sum", "dataset.size=64", seed=seed) for seed in (0, 0, 1))
    assert [problem.prompt for problem in first.evaluation] == [problem.prompt for problem in other.evaluation]
    assert list(first.problems()) == list(again.problems())
    assert not {asked(problem) for problem in first.problems()} & {asked(problem) for problem in other.problems()}


def test_random_states_of_the_run_are_left_alone() -> None:
    random.seed(1)
    np.random.seed(1)
    expected = random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index]
    data = load("dataset.tasks=pool_matrix", "dataset.size=4")
    WHOLE(data.evaluation[0], "1 2\n3 4")
    assert (random.getstate(), np.random.get_state()[1].tolist()) == expected  # type: ignore[index]


def test_several_tasks_are_drawn_by_weight_and_each_is_a_source() -> None:
    data = load("dataset.tasks={chain_sum: 3, leg_counting: 1}", "dataset.size=40", problems=9)
    assert isinstance(data, Mixture)
    assert [problem.source for problem in data.evaluation] == ["chain_sum"] * 5 + ["leg_counting"] * 4
    drawn = [data.train_problem(index) for index in range(2000)]
    assert 0.72 < sum(problem.source == "chain_sum" for problem in drawn) / 2000 < 0.78
    assert all(problem.fields["task"] == problem.source and problem.id.startswith(problem.source) for problem in drawn)


def test_a_prompt_that_another_part_frames_from_other_words_is_not_learned_from_either() -> None:
    """Both parts ask 3+4= of the model, though one has the question in a sentence."""
    short = "prompt_template: \"{{ metadata.expression | replace(' ', '') }}=\""
    sums = "addition: {operand_max: 9, terms_max: 2}"
    chain = f"chain: {{dataset: reasoning_gym, tasks: chain_sum, size: 1000, {short}}}"
    words = ["dataset=mixture", f"dataset.parts={{{sums}, {chain}}}", "eval.problems=16"]
    params = ONE_DIGIT.replace("dataset.params", "dataset.parts.chain.params")
    config = load_config(TrainConfig, [*words, params])
    data = load_dataset(config.dataset, 0, 16)
    held_out = {problem.prompt for problem in data.evaluation}
    trained = {data.train_problem(index).prompt for index in range(3000)}
    assert "+" in str(held_out) and len(held_out) == 16 and len(trained) > 100 and not held_out & trained
    assert any("are left out of training, for the same is asked" in note for note in data.notes)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["dataset.tasks=chain_sums"], "dataset.tasks: unknown task 'chain_sums', did you mean 'chain_sum'?"),
        (["dataset.tasks=zzz"], "dataset.tasks: unknown task 'zzz' (there are: ab, acre, "),
        (["dataset.tasks=codeio"], "dataset.tasks: codeio: makes its problems by running programs"),
        (["dataset.tasks=composite"], "dataset.tasks: composite: is made of other tasks"),
        (["dataset.tasks={chain_sum: -1}"], "dataset.tasks.chain_sum=-1: must be greater than 0"),
        (["dataset.tasks={chain_sum: 0}"], "dataset.tasks.chain_sum=0: must be greater than 0"),
        (["dataset.tasks={chain_sum: much}"], "dataset.tasks.chain_sum=much: must be a valid number"),
        (["dataset.tasks={}"], "dataset.tasks={}: names no task"),
        (["dataset.tasks=[chain_sum, ab]"], "dataset.tasks=['chain_sum', 'ab']: must be a valid string"),
        (["dataset.tasks=chain_sum", "dataset.size=0"], "dataset.size=0: must be greater than or equal to 1"),
        (
            ["dataset.tasks=chain_sum", "dataset.params.chain_sum.min_term=3"],
            "dataset.params.chain_sum.min_term: unknown, did you mean 'min_terms'?",
        ),
        (
            ["dataset.tasks=chain_sum", "dataset.params.chain_sum.min_terms=two"],
            "dataset.params.chain_sum.min_terms=two: must be a whole number",
        ),
        (
            ["dataset.tasks=chain_sum", "dataset.params.chain_sum={min_terms: 7, max_terms: 2}"],
            "dataset.params.chain_sum: refused by the task (min_terms=7, max_terms=2): max_terms must be >= min_terms",
        ),
        (
            ["dataset.tasks=chain_sum", "dataset.params.chain_sum.seed=3"],
            "dataset.params.chain_sum.seed: is set by seed",
        ),
        (["dataset.tasks=chain_sum", "dataset.params.ab.length=3"], "dataset.params.ab: is not among dataset.tasks"),
    ],
)
def test_what_cannot_be_made_is_refused_in_a_line(words: list[str], expected: str) -> None:
    [problem] = refused(*words)
    assert problem.startswith(expected)


def test_more_held_out_problems_than_there_are_and_none_to_learn_from_are_refused() -> None:
    [problem] = refused("dataset.tasks=chain_sum", ONE_DIGIT, problems=201)
    assert problem.startswith("eval.problems: chain_sum has only 200 different problems in 10050 draws, and 201 are")
    [problem] = refused("dataset.tasks=chain_sum", ONE_DIGIT, "dataset.size=50", problems=200)
    assert problem.startswith("dataset.tasks: chain_sum: all ") and "none is left to learn from" in problem


def test_parameters_that_leave_no_problem_end_in_time_and_not_never() -> None:
    """A task that draws until something fits, which nothing does, is ended by the clock of the generator."""
    generator = Path(sys.modules["sspo_cli.data.reasoning_gym"].GENERATOR)
    quick = (
        generator.read_text()
        .replace("TELL_EVERY_S = 10", "TELL_EVERY_S = 0.2")
        .replace("ONE_PROBLEM_S = 60", "ONE_PROBLEM_S = 1")
    )
    assert quick.count("= 0.2") == 1 and quick.count("= 1 ") == 1
    request = {
        "path": sys.path,
        "refused": REFUSED,
        "tasks": [
            {"task": "puzzle24", "params": {"min_value": 1, "max_value": 1},
             "streams": [{"name": "eval", "seed": 0, "count": 5, "tries": 5}]}
        ],
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-P", "-c", quick], input=json.dumps(request), capture_output=True, text=True
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[-1] == {
        "problems": ["dataset.params.puzzle24: no problem came in 1 s; choose parameters that leave more room"]
    }
    assert "dataset=reasoning_gym: puzzle24: 0 of 5 problems made" in done.stderr


def test_without_the_package_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    where = Path(gym.__file__).parents[1]
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if Path(folder) != where])
    monkeypatch.delitem(sys.modules, "reasoning_gym")
    assert refused("dataset.tasks=chain_sum") == [
        "dataset=reasoning_gym: needs the package reasoning-gym; install it: pip install 'sspo[reasoning-gym]'"
    ]


def test_a_scorer_reads_the_parameters_of_its_problem() -> None:
    """The bounds of puzzle24 are in its configuration, not in the problem."""
    small = load("dataset.tasks=puzzle24", "dataset.params.puzzle24.max_value=6", "dataset.size=2", problems=2)
    problem = small.evaluation[0]
    assert problem.fields["params"] == {"max_value": 6}
    assert WHOLE(problem, "6 * 4 * 1 * 1")["task"] == 1.0
    assert WHOLE(problem, "8 * 3 * 1 * 1")["task"] == 0.01
    usual = Problem(problem.id, problem.prompt, problem.answer, None, {**problem.fields, "params": {}})
    assert WHOLE(usual, "8 * 3 * 1 * 1")["task"] == 1.0


SUM = {
    "task": "chain_sum",
    "params": {},
    "question": "5 + 7 =",
    "answer": "12",
    "metadata": {"source_dataset": "chain_sum"},
}


def problem_of(entry: dict[str, Any]) -> Problem:
    """As a worker has it."""
    return Problem.from_json(json.loads(json.dumps(asdict(Problem("p", entry["question"], (), None, entry)))))


def scored(rewarder: Rewarder, responses: list[str]) -> list[tuple[float, bool | None]]:
    items = [(Key("train", 1, 0, k), problem_of(SUM), response) for k, response in enumerate(responses)]
    scores = sorted(rewarder.score(iter(items)), key=lambda score: score.key)
    rewarder.close()
    return [(score.parts["task"], score.correct) for score in scores]


@pytest.mark.parametrize("workers", [0, 1])
def test_scores_are_graded_and_correct_from_a_bound_upwards(workers: int) -> None:
    responses = [
        "12",
        "so <answer>12</answer>",
        "<answer>3</answer> no <answer> 12.0\n</answer>.",
        "<answer>=12</answer>",
        "<answer>12",
        "<answer>12</answer> or <answer>3",
    ]
    rewarder = build_rewarder(section(workers))
    assert scored(rewarder, responses) == [
        *((0.0, False), (1.0, True), (1.0, True), (2 / 3, False), (0.0, False), (1.0, True)),
    ]
    assert rewarder.rule(problem_of(SUM)) == "reward >= 1"
    lenient = replace(section(workers), answer_after=None, answer_before=None, correct=0.5)
    assert scored(build_rewarder(lenient), ["12", "=12", "it is 12"]) == [(1.0, True), (2 / 3, True), (0.25, False)]


def section(workers: int) -> TaskRewardSection:
    bounds = [] if workers else ["reward.timeout_s=null", "reward.memory_gib=null"]
    words = ["dataset=reasoning_gym", "dataset.tasks=chain_sum", f"reward.workers={workers}", *bounds]
    found = load_config(TrainConfig, words).reward
    assert isinstance(found, TaskRewardSection)
    return found


@pytest.fixture(scope="module")
def every_task() -> dict[str, list[dict[str, Any]]]:
    """Two problems of every task, as `Problem.fields` has them."""
    from reasoning_gym.factory import DATASETS

    tasks = [task for task in sorted(DATASETS) if task not in REFUSED]
    streams = [{"name": "eval", "seed": 3, "count": 2, "tries": 100}]
    orders = [{"task": task, "params": {}, "streams": streams} for task in tasks]
    found: dict[str, list[dict[str, Any]]] = {task: [] for task in tasks}
    for answer in answers({"path": sys.path, "refused": REFUSED, "tasks": orders}):
        if "entry" in answer:
            found[answer["task"]].append({"task": answer["task"], "params": {}, **answer["entry"]})
    assert len(found) > 100 and {len(entries) for entries in found.values()} == {2}
    return found


def test_the_scorer_of_every_task_knows_a_right_answer_from_an_entry_as_json(
    every_task: dict[str, list[dict[str, Any]]],
) -> None:
    reward = TaskReward("<answer>", "</answer>")
    silent = {task for task, entries in every_task.items() if entries[0]["answer"] is None}
    assert silent == {*ONE_OF_MANY, *UNKNOWN}
    wrong = []
    for task, entries in every_task.items():
        for entry in entries:
            right = entry["answer"]
            if task in ONE_OF_MANY:
                known = entry["metadata"][ONE_OF_MANY[task]]
                right = known if isinstance(known, str) else json.dumps(known)
            if right is not None and reward(problem_of(entry), f"<answer>{right}</answer>")["task"] != 1.0:
                wrong.append(task)
    assert not wrong


def test_no_answer_is_run_as_code_and_none_breaks_a_scorer(
    every_task: dict[str, list[dict[str, Any]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for entries in every_task.values():
        for answer in (*HOSTILE, *BROKEN):
            assert 0.0 <= WHOLE(problem_of(entries[0]), answer)["task"] <= 1.0
    assert not (tmp_path / "hit").exists()


def test_every_scorer_that_evaluates_text_is_known() -> None:
    """A version of the package with another one fails here: see rewards/task.py."""
    from sspo_cli.rewards.task import EVALUATING, PARSING

    words = ("eval(answer", "parse_expr(answer", "sympify(", "exec(")
    files = Path(gym.__file__).parent.rglob("*.py")
    found = {file.stem for file in files if any(word in file.read_text(encoding="utf-8") for word in words)}
    assert found - {"codeio"} == {*EVALUATING, *PARSING}


def test_problems_do_not_depend_on_the_order_of_sets_in_this_process() -> None:
    """Five tasks go through sets of texts: their generator has a hash seed of its own."""
    code = """
import sys, json
from sspo_cli.data.reasoning_gym import answers
tasks = "isomorphic_strings knight_swap polynomial_multiplication ransom_note word_ladder list_functions".split()
streams = [{"name": "eval", "seed": 0, "count": 2, "tries": 9}]
orders = [{"task": task, "params": {}, "streams": streams} for task in tasks]
print(json.dumps(list(answers({"path": sys.path, "refused": {}, "tasks": orders}))))
"""
    command = [sys.executable, "-c", code]
    texts = [
        subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True)
        for seed in ("1", "2")
    ]
    assert texts[0].stdout == texts[1].stdout and texts[0].stdout.count("question") >= 12
