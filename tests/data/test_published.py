"""Published data sets from files of their true schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest

from sspo_cli.config.compose import load_config
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.fitting import section_of
from sspo_cli.config.schema import EvalConfig, HeldOut, PublishedTest, TrainConfig
from sspo_cli.data.facts import FACTS
from sspo_cli.data.listed import Listed
from sspo_cli.data.load import load_dataset
from tests.data.published_files import DAPO, GSM8K, MATH, TRUE, dapo, write_published, write_rows

TESTS = [kind for kind in TRUE if "train" not in TRUE[kind] or kind == "aime24"]
# What the rows of TRUE come to: answers of the problems to learn from, and of those to evaluate on.
ANSWERS = {
    "gsm8k": (["2000"], ["72"]),
    "math": (["2", "\\frac{1}{6}"], ["\\left( 3, \\frac{\\pi}{2} \\right)"]),
    "math500": ([], ["\\left( 3, \\frac{\\pi}{2} \\right)"]),
    "aime24": ([], ["204", "33"]),
    "aime25": ([], ["70"]),
    "amc23": ([], ["27"]),
    "deepmath": (["0", "Yes"], ["\\left( 3, \\frac{\\pi}{2} \\right)"]),
    "dapo_math_17k": (["113", "34"], ["204", "33"]),
}


def load(*overrides: str, problems: int = 1000, schema: Any = TrainConfig) -> Listed:
    data = load_dataset(load_config(schema, list(overrides)).dataset, 0, problems)
    assert isinstance(data, Listed)
    return data


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@pytest.mark.parametrize("kind", FACTS)
def test_every_one_reads_files_of_its_true_schema(tmp_path: Path, kind: str, suffix: str) -> None:
    words = [f"dataset={kind}", f"dataset.path={write_published(tmp_path, kind, suffix)}"]
    held_out = section_of("dataset", kind).get("eval")
    words += [f"dataset.eval_path={write_published(tmp_path, held_out, suffix)}"] if held_out else []
    data = load(*words, schema=EvalConfig if kind in TESTS else TrainConfig)
    expected_train, expected_eval = ANSWERS[kind]
    assert sorted(str(problem.answer) for problem in data.train) == expected_train
    assert [problem.answer for problem in data.evaluation] == expected_eval
    for problem in (*data.train, *data.evaluation):
        assert isinstance(problem.prompt, str)
        assert problem.prompt == f"{problem.question}\nThink step by step and put the final answer in \\boxed{{}}."
    assert {config.kind for config in [load_config(EvalConfig, words).reward]} == {"math"}


def test_the_words_around_a_question_of_dapo_are_left_out_and_repeats_too(tmp_path: Path) -> None:
    write_rows(tmp_path / "train.jsonl", DAPO)
    held_out = write_published(tmp_path, "aime24")
    words = ["dataset=dapo_math_17k", f"dataset.path={tmp_path}", f"dataset.eval_path={held_out}"]
    data = load(*words)
    assert [problem.question for problem in data.train] == [
        "In triangle $ABC$, find $m+n$.", "Let $a$ be\n\nan integer.",
    ]  # fmt: skip
    assert [problem.id for problem in data.train] == ["train/0", "train/1"]
    bare = {**DAPO[0], "prompt": [{"content": " In triangle $ABC$, find $m+n$.", "role": "user"}]}
    write_rows(tmp_path / "train.jsonl", [*DAPO, bare])
    assert [problem.id for problem in load(*words).train] == ["train/0", "train/1"]
    plain = [{**row, "prompt": question} for row in DAPO[:2] for question in ("a?", "b?")]
    write_rows(tmp_path / "train.jsonl", plain)
    assert [problem.id for problem in load(*words).train] == ["train/0", "train/1"]


def test_a_published_set_as_the_hub_keeps_it_is_read_from_a_copy_of_its_folder(tmp_path: Path) -> None:
    """One folder a config, as README.md says; of MATH one subject can be had alone."""
    subjects = FACTS["math"].configs
    card = ["---", "configs:"]
    for subject in subjects:
        card += [f"- config_name: {subject}", "  data_files:"]
        for split in ("train", "test"):
            row = {**MATH[0], "problem": f"{subject} {split}"}
            write_rows(tmp_path / subject / f"{split}-00000-of-00001.parquet", [row])
            card += [f"  - split: {split}", f"    path: {subject}/{split}-*"]
    (tmp_path / "README.md").write_text("\n".join([*card, "---", ""]))
    words = ["dataset=math", f"dataset.path={tmp_path}", "dataset.eval=null"]
    data = load(*words)
    assert {problem.id for problem in data.train} == {f"{subject}/train/0" for subject in subjects}
    assert [problem.question.split()[1] for problem in data.evaluation] == ["test"] * len(subjects)
    assert [problem.id for problem in data.evaluation] != sorted(problem.id for problem in data.evaluation)
    assert [problem.id for problem in load(*words, "dataset.config=algebra").train] == ["train/0"]


def test_a_held_out_question_is_not_learned_from_whatever_the_case_and_it_is_told(tmp_path: Path) -> None:
    write_rows(tmp_path / "train.jsonl", GSM8K)
    write_rows(tmp_path / "test.jsonl", [{**GSM8K[0], "question": f"  {str(GSM8K[0]['question']).upper()} "}])
    data = load("dataset=gsm8k", f"dataset.path={tmp_path}")
    assert [problem.answer for problem in data.train] == ["2000"]
    assert "dataset=gsm8k: 1 problem is left out of training, for the same is asked in evaluation" in data.notes
    write_rows(tmp_path / "test.jsonl", GSM8K)
    with pytest.raises(ConfigError, match="all of its 2 problems are held out"):
        load("dataset=gsm8k", f"dataset.path={tmp_path}")


def test_fewer_problems_than_asked_for_are_all_taken_and_told(tmp_path: Path) -> None:
    data = load("dataset=amc23", f"dataset.path={write_published(tmp_path, 'amc23')}", schema=EvalConfig, problems=40)
    assert data.notes == ["dataset=amc23: has 1 of the eval.problems=40 asked for; all of it is evaluated"]


@pytest.mark.parametrize("kind", TESTS)
def test_a_test_is_not_trained_on(kind: str) -> None:
    with pytest.raises(ConfigError, match=rf"such as dataset=math dataset\.eval={kind}"):
        load_config(TrainConfig, [f"dataset={kind}"])
    config = load_config(TrainConfig, ["dataset=math", f"dataset.eval={kind}"]).dataset
    assert not isinstance(config, PublishedTest) and kind in get_args(HeldOut)


OTHER_FORMS: list[tuple[str, Any, str]] = [
    (
        "gsm8k",
        [{"problem": "1", "answer": "#### 1"}],
        r"the train split has no field 'question' \(it has: problem, answer\)",
    ),
    (
        "gsm8k",
        [*GSM8K, {"question": "1?", "answer": "it is 1"}],
        r"1 rows of the train split cannot be read, the first is train/2: the field 'answer' has no final answer after"
        r" '####'",
    ),
    ("math", [{"problem": "1?", "solution": "it is 1"}], r"the field 'solution' has no final answer in \\boxed"),
    ("math", [{"problem": " ", "solution": "\\boxed{1}"}], r"train/0: the field 'problem' is empty"),
    ("deepmath", [{"question": "1?", "final_answer": None}], r"the field 'final_answer' is null"),
    (
        "dapo_math_17k",
        [{**dapo("1?", "1", ""), "reward_model": {"style": "rule"}}],
        r"must be an object with ground_truth",
    ),
    (
        "dapo_math_17k",
        [{**dapo("1?", "1", ""), "prompt": [{"role": "system", "content": "a"}]}],
        r"must be one message of the user",
    ),
    ("gsm8k", [], r"dataset\.path=.*: "),
]


@pytest.mark.parametrize(("kind", "rows", "expected"), OTHER_FORMS)
def test_rows_of_another_form_are_refused_in_a_line(tmp_path: Path, kind: str, rows: Any, expected: str) -> None:
    write_rows(tmp_path / "train.jsonl", rows)
    write_rows(tmp_path / "test.jsonl", GSM8K)
    eval_words = (
        [] if kind == "gsm8k" else [f"dataset.eval_path={write_published(tmp_path, 'aime24')}", "dataset.eval=aime24"]
    )
    with pytest.raises(ConfigError, match=expected) as raised:
        load(f"dataset={kind}", f"dataset.path={tmp_path}", *eval_words)
    assert len(raised.value.problems) == 1 and "\n" not in raised.value.problems[0]


def test_a_folder_or_file_of_another_kind_is_refused_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the folder has no train\.jsonl or train\.parquet \(question, answer\)"):
        load("dataset=gsm8k", f"dataset.path={tmp_path}")
    sheet = tmp_path / "train.xlsx"
    sheet.write_bytes(b"PK\x03\x04")
    with pytest.raises(ConfigError, match=r"must end with one of \.jsonl, \.json, \.parquet, \.csv"):
        load("dataset=gsm8k", f"dataset.path={sheet}", "dataset.eval=aime24")
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 no parquet")
    with pytest.raises(ConfigError, match=r"dataset\.path=.*broken\.parquet: cannot be read: ") as raised:
        load("dataset=gsm8k", f"dataset.path={broken}", "dataset.eval=aime24")
    assert "\n" not in raised.value.problems[0]


def test_training_problems_alone_need_others_to_evaluate_on() -> None:
    with pytest.raises(ConfigError, match=r"dataset\.eval_path=x: is the place of dataset\.eval, which is null"):
        load_config(TrainConfig, ["dataset=gsm8k", "dataset.eval_path=x"])
