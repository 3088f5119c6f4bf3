"""Several datasets as one: drawn by weight, evaluated part by part, and apart by content."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from sspo_cli.build import build_rewarder
from sspo_cli.config.compose import load_config, to_yaml
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import EvalConfig, MathReward, MixtureData, PythonReward, TrainConfig
from sspo_cli.config.words import quoted
from sspo_cli.data.apart import asked
from sspo_cli.data.load import load_dataset
from sspo_cli.data.mixture import BLOCK, Mixture
from sspo_cli.types import Key
from tests.data.published_files import GSM8K, write_rows


def rows(count: int, of: str) -> list[dict[str, str]]:
    return [{"prompt": f"{of} {i}?", "answer": str(i)} for i in range(count)]


def mixed(*words: str, problems: int = 20, seed: int = 0) -> Mixture:
    config = load_config(TrainConfig, ["dataset=mixture", f"eval.problems={problems}", f"seed={seed}", *words])
    data = load_dataset(config.dataset, config.seed, config.eval.problems)
    assert isinstance(data, Mixture)
    return data


def refused(*words: str, problems: int = 20) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        mixed(*words, problems=problems)
    assert all("\n" not in line for line in raised.value.problems)
    return raised.value.problems


@pytest.fixture
def files(tmp_path: Path) -> str:
    """dataset.parts of two files with an uneven split of their own, b three times as often."""
    parts = []
    for name, count in (("a", 30), ("b", 50)):
        write_rows(tmp_path / f"{name}.jsonl", rows(count, name))
        write_rows(tmp_path / f"{name}_eval.jsonl", rows(40, f"held out {name}"))
        paths = f"path: {tmp_path}/{name}.jsonl, eval_path: {tmp_path}/{name}_eval.jsonl"
        parts.append(f"{name}: {{dataset: jsonl, {paths}, weight: {1 if name == 'a' else 3}}}")
    return f"dataset.parts={{{', '.join(parts)}}}"


def test_a_draw_depends_on_seed_and_index_alone_and_follows_the_weights(files: str) -> None:
    data = mixed(files)
    order = [data.train_problem(index).id for index in range(3 * BLOCK)]
    again = mixed(files)
    assert [again.train_problem(index).id for index in (2 * BLOCK + 5, 3, BLOCK)] == [
        order[2 * BLOCK + 5], order[3], order[BLOCK],
    ]  # fmt: skip
    assert 0.22 < sum(name.startswith("a/") for name in order) / len(order) < 0.28
    assert [mixed(files, seed=1).train_problem(index).id for index in range(50)] != order[:50]
    assert data.train_size == 80 and len(list(data.problems())) == 80


def test_a_part_goes_through_all_of_its_problems_before_any_comes_again(files: str) -> None:
    data = mixed(files)
    of_a = [found.id for index in range(3 * BLOCK) if (found := data.train_problem(index)).source == "a"]
    assert set(Counter(of_a[:30]).values()) == {1} and set(Counter(of_a[30:60]).values()) == {1}
    assert of_a[:30] != of_a[30:60]
    epochs = [of_a[start : start + 30] for start in range(0, len(of_a) - 30, 30)]
    assert len(of_a) > 600 and all(len(set(epoch)) == 30 for epoch in epochs)


def test_every_part_is_evaluated_with_an_equal_share(files: str) -> None:
    data = mixed(files, problems=21)
    assert Counter(problem.source for problem in data.evaluation) == {"a": 11, "b": 10}
    assert len({problem.id for problem in data.evaluation}) == 21
    assert refused(files, problems=1) == ["eval.problems=1: must be at least 2, one of each of dataset.parts"]


def test_what_one_part_holds_out_no_part_learns_from_whatever_frames_it(tmp_path: Path) -> None:
    """Held out beyond the problems that are evaluated, too: a later evaluation may take more."""
    write_rows(tmp_path / "gsm8k" / "train.jsonl", GSM8K[1:])
    write_rows(tmp_path / "gsm8k" / "test.jsonl", [{"question": f"held {i}", "answer": f"#### {i}"} for i in range(30)])
    own = [{"prompt": f"HELD  {i}", "answer": str(i)} for i in range(30)] + rows(10, "own")
    write_rows(tmp_path / "own.jsonl", own)
    write_rows(tmp_path / "eval.jsonl", [{"prompt": GSM8K[1]["question"], "answer": "2000"}, *rows(3, "other")])
    gsm8k, paths = f"gsm8k: {{path: {tmp_path}/gsm8k}}", f"path: {tmp_path}/own.jsonl, eval_path: {tmp_path}/eval.jsonl"
    assert refused(f"dataset.parts={{{gsm8k}, own: {{dataset: jsonl, {paths}}}}}", problems=8) == [
        "dataset.parts.gsm8k: all of its problems are held out, and none is left to learn from"
    ]
    write_rows(tmp_path / "gsm8k" / "train.jsonl", [*GSM8K[1:], {"question": "new?", "answer": "#### 1"}])
    data = mixed(f"dataset.parts={{{gsm8k}, own: {{dataset: jsonl, {paths}}}}}", problems=8)
    trained = {asked(data.train_problem(index)) for index in range(500)}
    assert trained == {"new?", *(f"own {i}?" for i in range(10))}
    assert data.notes[-2:] == [
        "dataset.parts.gsm8k: 1 problem is left out of training, for the same is asked in evaluation",
        "dataset.parts.own: 30 problems are left out of training, for the same is asked in evaluation",
    ]


def test_an_endless_part_draws_others_in_the_place_of_what_is_held_out_elsewhere(tmp_path: Path) -> None:
    small = "small: {dataset: addition, operand_max: 3, terms_max: 2, weight: 1}"
    usual = mixed(f"dataset.parts={{{small}}}", problems=1)
    taken = usual.train_problem(0).prompt
    write_rows(tmp_path / "own.jsonl", rows(5, "own"))
    write_rows(tmp_path / "eval.jsonl", [{"prompt": taken, "answer": "0"}])
    own = f"own: {{dataset: jsonl, path: {tmp_path}/own.jsonl, eval_path: {tmp_path}/eval.jsonl}}"
    data = mixed(f"dataset.parts={{{small}, {own}}}", problems=2)
    trained = [data.train_problem(index).prompt for index in range(400)]
    assert taken not in trained and taken in [usual.train_problem(index).prompt for index in range(400)]
    assert trained == [data.train_problem(index).prompt for index in range(400)]
    assert data.train_size is None


def test_a_part_takes_the_keys_of_its_dataset_and_the_reward_that_fits_it(tmp_path: Path) -> None:
    words = [
        "dataset=mixture",
        "dataset.parts={gsm8k: {weight: 2}, mine: {dataset: jsonl, path: a.jsonl}, hard: {dataset: addition_hard}}",
        "reward.parts.mine={kind: python, path: score.py}",
        "dataset.parts.hard.terms_max=9",
    ]
    config = load_config(TrainConfig, words)
    assert config.choices["reward"] == "mixture" and isinstance(config.dataset, MixtureData)
    assert config.sources == ("gsm8k", "mine", "hard")
    rewards = config.reward.parts  # type: ignore[union-attr]
    assert rewards["gsm8k"] == MathReward(kind="math") and rewards["hard"].kind == "exact"
    assert rewards["mine"] == PythonReward(kind="python", path="score.py", function="score", correct=None)
    assert [part.weight for part in config.dataset.parts.values()] == [2.0, 1.0, 1.0]
    hard = config.dataset.parts["hard"]
    assert (hard.kind, hard.terms_min, hard.terms_max) == ("addition", 4, 9)  # type: ignore[union-attr]
    base = tmp_path / "config.yaml"
    base.write_text(to_yaml(config))
    assert load_config(TrainConfig, [], base=base) == config
    changed = load_config(EvalConfig, ["dataset.parts.gsm8k.path=there"], base=base).dataset
    assert isinstance(changed, MixtureData) and changed.parts["gsm8k"].path == "there"  # type: ignore[union-attr]


def test_parts_given_as_a_whole_take_the_place_of_those_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conf" / "dataset").mkdir(parents=True)
    (tmp_path / "conf" / "dataset" / "mine.yaml").write_text(
        "defaults: [mixture]\nparts:\n  gsm8k: {weight: 2}\n  own: {dataset: jsonl, path: x, reward: math}\n"
    )
    monkeypatch.chdir(tmp_path)
    config = load_config(TrainConfig, ["dataset=mine", "dataset.parts.gsm8k.weight=5"])
    assert config.sources == ("gsm8k", "own") and config.reward.parts["own"].kind == "math"  # type: ignore[union-attr]
    assert config.dataset.parts["gsm8k"].weight == 5  # type: ignore[union-attr]
    assert load_config(TrainConfig, ["dataset=mine", "dataset.parts={addition: {}}"]).sources == ("addition",)
    chosen = load_config(TrainConfig, ["dataset=mixture", "dataset.parts={gsm8k: {}}", "reward=exact"])
    assert chosen.reward.kind == "exact"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "missing key 'dataset.parts': set it with dataset.parts=..."),
        (["dataset.parts={}"], "dataset.parts={}: must be parts by name: {gsm8k: {weight: 2}, addition: {}}"),
        (["dataset.parts=[gsm8k]"], "dataset.parts=['gsm8k']: must be parts by name"),
        (["dataset.parts={gsm8k: 2}"], "dataset.parts.gsm8k=2: must be keys of this part, such as {weight: 2}, or {}"),
        (["dataset.parts={gsm9k: {}}"], "dataset.parts.gsm9k: unknown choice, did you mean 'gsm8k'?"),
        (["dataset.parts={a: {dataset: jsnl}}"], "dataset.parts.a.dataset=jsnl: unknown choice, did you mean 'jsonl'?"),
        (["dataset.parts={a: {dataset: mixture}}"], "dataset.parts.a.dataset=mixture: unknown choice"),
        (["dataset.parts={gsm8k: {weight: -1}}"], "dataset.parts.gsm8k.weight=-1: must be greater than 0"),
        (["dataset.parts={gsm8k: {weight: 0}}"], "dataset.parts.gsm8k.weight=0: must be greater than 0"),
        (["dataset.parts={gsm8k: {weight: x}}"], "dataset.parts.gsm8k.weight=x: must be a valid number"),
        (["dataset.parts={gsm8k: {pth: x}}"], "unknown key 'dataset.parts.gsm8k.pth'"),
        (["dataset.parts={jsonl: {}}"], "missing key 'dataset.parts.jsonl.path'"),
        (["dataset.parts={math500: {}}"], "dataset.parts.math500: holds problems to evaluate on alone"),
        (["dataset.parts={gsm8k: {reward: mth}}"], "reward.parts.gsm8k=mth: unknown choice, did you mean 'math'?"),
        (
            ["dataset.parts={gsm8k: {reward: task}}"],
            "reward.parts.gsm8k=task: grades problems of dataset=reasoning_gym",
        ),
        (["dataset.parts={gsm8k: {}}", "reward.parts.x=math"], "reward.parts.x: no such part (there are: gsm8k)"),
        (
            ["dataset.parts={gsm8k: {}}", "reward.parts.gsm8k={kind: math, workers: 3}"],
            "unknown key 'reward.parts.gsm8k.workers'",
        ),
        (["dataset.parts={a/b: {dataset: gsm8k}}"], "dataset.parts.a/b: stands in names of metrics"),
        (["dataset.parts={a_low: {dataset: gsm8k}}"], "dataset.parts.a_low: stands in names of metrics"),
        (["dataset.parts={a: {dataset: jsonl, path: nowhere}}"], "dataset.parts.a.path=nowhere: no such file"),
        (["dataset.parts={gsm8k: {}}", "reward=task"], "reward=task: grades problems of dataset=reasoning_gym alone"),
        (["dataset=addition", "reward=mixture"], "reward=mixture: is of dataset=mixture alone"),
    ],
)
def test_a_part_that_cannot_be_is_refused_in_a_line(words: Sequence[str], expected: str) -> None:
    [problem] = refused(*words)
    assert problem.startswith(expected)


def test_each_problem_is_graded_by_the_reward_of_its_part(tmp_path: Path) -> None:
    """In one pool: a function of the user's, mathematics and exact text, each with its own rule."""
    write_rows(tmp_path / "gsm8k" / "train.jsonl", GSM8K[1:])
    write_rows(tmp_path / "gsm8k" / "test.jsonl", GSM8K[:1])
    write_rows(tmp_path / "own.jsonl", rows(30, "own"))
    (tmp_path / "score.py").write_text(
        "def score(prompt, response, answer):\n    return {'right': float(answer in response), 'short': 0.25}\n"
    )
    own = f"own: {{dataset: jsonl, path: {tmp_path}/own.jsonl}}"
    words = [
        f"dataset.parts={{gsm8k: {{path: {tmp_path}/gsm8k}}, {own}, addition: {{}}}}",
        f"reward.parts.own={{kind: python, path: {quoted(str(tmp_path / 'score.py'))}, correct: right}}",
    ]
    config = load_config(TrainConfig, ["dataset=mixture", "eval.problems=6", *words])
    found = {problem.source: problem for problem in mixed(*words, problems=6).evaluation}
    responses = {
        "gsm8k": "\\boxed{144/2}",
        "own": f"{found['own'].answer}!",
        "addition": f"so >{found['addition'].answer}",
    }
    rewarder = build_rewarder(config.reward)
    items = [(Key("eval", 0, i, 0), found[name], text) for i, (name, text) in enumerate(responses.items())]
    scores = sorted(rewarder.score(iter(items)), key=lambda score: score.key)
    rewarder.close()
    assert [(dict(score.parts), score.correct) for score in scores] == [
        ({"math": 1.0}, True), ({"right": 1.0, "short": 0.25}, True), ({"exact": 1.0}, True),
    ]  # fmt: skip
    assert [rewarder.rule(found[name]) for name in responses] == ["math >= 1", "right >= 1", "exact >= 1"]
    assert json.loads(json.dumps(rewarder.notes)) == {}
