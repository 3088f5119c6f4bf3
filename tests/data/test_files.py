"""Problems from a user's JSONL file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from sspo_cli.config.compose import load_config
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import TrainConfig
from sspo_cli.data.listed import Listed
from sspo_cli.data.load import load_dataset


def load(*overrides: str, seed: int = 0, problems: int = 1000) -> Listed:
    data = load_dataset(load_config(TrainConfig, list(overrides)).dataset, seed, problems)
    assert isinstance(data, Listed)
    return data


def jsonl(folder: Path, rows: Sequence[object], name: str = "mine.jsonl") -> Path:
    file = folder / name
    file.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return file


def test_a_split_by_content_is_disjoint_and_does_not_move_when_lines_are_added(tmp_path: Path) -> None:
    rows = [{"prompt": f"{i}+{i}=", "answer": 2 * i} for i in range(200)]
    file = jsonl(tmp_path, [*rows, *rows[:20]])
    data = load("dataset=jsonl", f"dataset.path={file}")
    held_out = {problem.prompt for problem in data.evaluation}
    trained = {data.train_problem(index).prompt for index in range(300)}
    assert held_out | trained == {row["prompt"] for row in rows} and not held_out & trained
    assert 5 < len(held_out) < 40
    fewer = load("dataset=jsonl", f"dataset.path={jsonl(tmp_path, rows[:100], 'fewer.jsonl')}")
    assert {problem.prompt for problem in fewer.evaluation} <= held_out


def test_every_problem_comes_once_an_epoch_in_an_order_of_its_own(tmp_path: Path) -> None:
    file = jsonl(tmp_path, [{"prompt": str(i), "answer": str(i)} for i in range(50)])
    data = load("dataset=jsonl", f"dataset.path={file}")
    size = len(data.train)
    first, second = ([data.train_problem(e * size + i).prompt for i in range(size)] for e in (0, 1))
    assert sorted(first) == sorted(second) and first != second
    assert data.train_problem(0).prompt == first[0]


def test_fields_template_and_solutions_are_taken_as_configured(tmp_path: Path) -> None:
    file = jsonl(tmp_path, [{"q": f"{i}?", "a": i, "why": f"it is {i}"} for i in range(20)])
    data = load(
        "dataset=jsonl", f"dataset.path={file}", "dataset.prompt_field=q", "dataset.answer_field=a",
        "dataset.solution_field=why", "dataset.prompt_template='Q: {{ prompt }} {x}'",
    )  # fmt: skip
    problem = data.train_problem(0)
    number = problem.answer
    assert (problem.prompt, problem.solution) == (f"Q: {number}? {{x}}", f"it is {number}")


def answers(folder: Path, *values: object) -> list[object]:
    file = jsonl(folder, [{"prompt": f"{i}", "answer": value} for i, value in enumerate(values)])
    data = load("dataset=jsonl", f"dataset.path={file}", f"dataset.eval_path={file}")
    return [problem.answer for problem in data.evaluation]


def test_numbers_are_answers_as_people_write_them(tmp_path: Path) -> None:
    assert answers(tmp_path, 11.0, -3, 0.1, 1e-7, 2.5e20, 10**25, "11.0", 1e3) == [
        "11", "-3", "0.1", "0.0000001", "250000000000000000000", "1" + 25 * "0", "11.0", "1000",
    ]  # fmt: skip


def test_a_list_of_answers_stays_a_list(tmp_path: Path) -> None:
    assert answers(tmp_path, ["4", "4.0"], [4], "4") == [("4", "4.0"), ("4",), "4"]


MESSAGE = {"role": "user", "content": "1"}


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("answer", True, "is true: must be a text or a number"),
        ("answer", None, "is null"),
        ("answer", {"value": 4}, "is an object"),
        ("answer", [], "is an empty list"),
        ("answer", ["4", None], "is a list with an item that is null"),
        ("answer", [["4"]], "is a list with an item that is a list"),
        ("answer", float("nan"), "is the number nan"),
        ("prompt", 5, "is the number 5"),
        ("prompt", None, "is null"),
        ("prompt", {"role": "user", "content": "1"}, "is an object"),
        ("prompt", [], "is an empty list"),
        ("prompt", ["1"], "message 1 is a text"),
        ("prompt", [{"content": "1"}], "message 1 has the role null: must be one of system, user, assistant"),
        ("prompt", [{"role": "human", "content": "1"}], 'message 1 has the role "human"'),
        ("prompt", [{"role": "user", "content": [{"type": "image"}]}], 'message 1 has a part of the type "image"'),
        ("prompt", [{"role": "user", "content": [{"type": "text"}]}], 'message 1 has a part of the type "text"'),
        ("prompt", [{**MESSAGE, "tool_calls": [1]}], "message 1 has the key 'tool_calls', which is not read"),
        ("prompt", [MESSAGE, {"role": "system", "content": "2"}], "ends with a message of the system"),
        ("prompt", [{"role": "user", "content": " "}], "ends with an empty message"),
    ],
)
def test_a_field_of_another_type_is_refused_with_its_line(
    tmp_path: Path, field: str, value: object, expected: str
) -> None:
    good = {"prompt": [MESSAGE], "answer": ["4", 4]}
    file = jsonl(tmp_path, [good, {**good, field: value}])
    with pytest.raises(ConfigError) as raised:
        load("dataset=jsonl", f"dataset.path={file}")
    assert len(raised.value.problems) == 1
    assert raised.value.problems[0].startswith(f"{file}:2: the field '{field}' {expected}")


def test_a_prompt_template_around_messages_is_refused(tmp_path: Path) -> None:
    file = jsonl(tmp_path, [{"prompt": [MESSAGE], "answer": "4"}])
    with pytest.raises(ConfigError, match=r"dataset\.prompt_template frames texts alone"):
        load("dataset=jsonl", f"dataset.path={file}", "dataset.prompt_template='Q: {{ prompt }}'")


def test_lines_end_at_newlines_alone(tmp_path: Path) -> None:
    """JSON allows U+2028 and others inside a text, at which str.splitlines would break the line."""
    texts = ["a\u2028b", "a\u2029b", "a\x85b", "a\x1cb"]
    file = tmp_path / "mine.jsonl"
    rows = (json.dumps({"prompt": text, "answer": text}, ensure_ascii=False) for text in texts)
    file.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(rows).encode())
    data = load("dataset=jsonl", f"dataset.path={file}", f"dataset.eval_path={file}")
    assert [problem.prompt for problem in data.evaluation] == texts


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([{"prompt": "1", "answer": "1"}, "not json"], r"mine\.jsonl:2: not JSON: .* at column 1"),
        ([{"prompt": "1", "answr": "1"}], r"mine\.jsonl:1: no field 'answer' \(it has: prompt, answr\).*answer_field="),
        ([], r"dataset.path=.*holds no problems"),
        (["", "  "], r"dataset.path=.*holds no problems"),
        ([{"prompt": " ", "answer": "1"}], r"mine\.jsonl:1: the field 'prompt' is empty"),
        (["[1, 2]"], r"mine\.jsonl:1: is the number 1: must be an object"),
    ],
)
def test_a_bad_file_is_told_by_line(tmp_path: Path, rows: list[object], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        load("dataset=jsonl", f"dataset.path={jsonl(tmp_path, rows)}")


def test_many_bad_lines_are_told_in_few(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        load("dataset=jsonl", f"dataset.path={jsonl(tmp_path, ['x'] * 30 + [i * ' ' + 'y' for i in range(1, 9)])}")
    first, *_, last = raised.value.problems
    assert first == f"{tmp_path}/mine.jsonl:1: not JSON: Expecting value at column 1 (the first of 30 such rows)"
    assert len(raised.value.problems) == 6 and last.endswith("mine.jsonl: 4 more faults")
