"""Ids, conversations, answers and the held-out split of a user's own rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sspo_cli.config.compose import load_config
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import TrainConfig
from sspo_cli.data.asked import asked_dataset
from sspo_cli.data.listed import Listed
from sspo_cli.data.problem import Message, Problem
from tests.data.test_files import jsonl, load

HUMAN = {"from": "human", "value": "1+1="}
GPT = {"from": "gpt", "value": "so >2"}
USER = {"role": "user", "content": "1+1="}
ASSISTANT = {"role": "assistant", "content": ">2"}


def words(file: Path, *more: str) -> list[str]:
    return ["dataset=file", f"dataset.path={file}", f"dataset.eval_path={file}", *more]


def first(folder: Path, row: object, *more: str) -> Problem:
    return load(*words(jsonl(folder, [row]), *more)).evaluation[0]


def refused(folder: Path, rows: Sequence[object], *more: str) -> str:
    with pytest.raises(ConfigError) as raised:
        load(*words(jsonl(folder, rows), *more))
    assert len(raised.value.problems) == 1
    return str(raised.value.problems[0])


def stream(data: Listed) -> list[Problem]:
    return [data.train_problem(index) for index in range(30)]


def test_with_ids_the_order_of_the_file_changes_nothing(tmp_path: Path) -> None:
    rows = [{"id": i, "prompt": f"{i % 9}", "answer": i % 9} for i in range(20)]
    one, other = (
        load("dataset=file", f"dataset.path={jsonl(tmp_path, rows[::way], f'{way}.jsonl')}") for way in (1, -1)
    )
    assert stream(one) == stream(other) and one.evaluation == other.evaluation
    assert {problem.id for problem in [*one.problems(), *one.evaluation]} == {str(i) for i in range(20)}
    lines = [
        load("dataset=file", f"dataset.path={tmp_path}/{way}.jsonl", "dataset.id_field=null") for way in ("1", "-1")
    ]
    assert stream(lines[0])[0].id.startswith(f"{tmp_path}/1.jsonl:") and stream(lines[0]) != stream(lines[1])


def test_ids_that_name_no_row_are_refused(tmp_path: Path) -> None:
    row = {"prompt": "1", "answer": "1"}
    twice = refused(tmp_path, [{**row, "id": 1}, {**row, "id": "1"}, {**row, "id": 2}])
    assert "1 values of the field 'id' are there more than once, the first is 1; make them unique" in twice
    assert "mine.jsonl:2: no field 'id'" in refused(tmp_path, [{**row, "id": 1}, row])
    assert "no field 'key'" in refused(tmp_path, [{**row, "id": 1}], "dataset.id_field=key")
    assert "the field 'id' is null" in refused(tmp_path, [{**row, "id": None}])


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ([HUMAN], (Message("user", "1+1="),)),
        (
            [{"from": "system", "value": "Add."}, {**HUMAN, "weight": 0}, GPT, HUMAN],
            (
                Message("system", "Add."),
                Message("user", "1+1="),
                Message("assistant", "so >2"),
                Message("user", "1+1="),
            ),
        ),
        ([USER, ASSISTANT], (Message("user", "1+1="), Message("assistant", ">2"))),
        (
            [{"role": "user", "content": [{"type": "text", "text": "1+"}, {"type": "text", "text": "1="}]}],
            (Message("user", "1+1="),),
        ),
        ("1+1=", "1+1="),
    ],
)
def test_prompts_are_recognised_by_their_shape(tmp_path: Path, prompt: object, expected: object) -> None:
    assert first(tmp_path, {"prompt": prompt, "answer": "2"}).prompt == expected


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"prompt": [{"from": "tool", "value": "1"}]}, 'message 1 has the role "tool": must be one of system, human'),
        ({"prompt": [{"from": "human", "content": "1"}]}, "message 1 has the key 'content', which is not read"),
        ({"prompt": [{"from": "human", "value": None}]}, "message 1 has null as content"),
        ({"prompt": [USER, {**ASSISTANT, "content": " "}]}, "ends with an empty message"),
        ({"conversations": [HUMAN]}, "such as dataset.prompt_field=conversations, which holds a conversation"),
        ({"q": "1", "messages": [USER]}, "such as dataset.prompt_field=messages, which"),
        ({"q": "1", "list": [{"a": 1}]}, "name yours with dataset.prompt_field="),
        ({"prompt": [{"role": "user", "content": [{"type": "image_url"}]}]}, 'a part of the type "image_url"'),
    ],
)  # fmt: skip
def test_prompts_of_another_shape_are_refused(tmp_path: Path, row: dict[str, Any], expected: str) -> None:
    assert expected in refused(tmp_path, [{**row, "answer": "1"}])


def test_a_conversation_can_end_with_its_answer(tmp_path: Path) -> None:
    null = "dataset.answer_field=null"
    found = first(tmp_path, {"prompt": [HUMAN, GPT]}, null)
    assert (found.prompt, found.answer, found.solution) == ((Message("user", "1+1="),), "so >2", "so >2")
    found = first(tmp_path, {"prompt": [USER, ASSISTANT], "why": "1 and 1"}, null, "dataset.solution_field=why")
    assert (found.answer, found.solution) == (">2", "1 and 1")
    assert first(tmp_path, {"prompt": [USER]}, null).answer == ()
    assert first(tmp_path, {"prompt": "1+1="}, null).answer == ()
    assert "nothing is asked before it" in refused(tmp_path, [{"prompt": [GPT]}], null)
    assert "or set it to null: the last message of the assistant" in refused(tmp_path, [{"prompt": [HUMAN, GPT]}])


def test_an_answer_can_be_one_message_of_the_assistant(tmp_path: Path) -> None:
    """As TRL has prompts and completions."""
    row = {"prompt": [USER], "completion": [ASSISTANT]}
    both = ["dataset.answer_field=completion", "dataset.solution_field=completion"]
    found = first(tmp_path, row, *both)
    assert (found.prompt, found.answer, found.solution) == ((Message("user", "1+1="),), ">2", ">2")
    for talk in ([USER], [ASSISTANT, USER]):
        told = refused(tmp_path, [{**row, "completion": talk}], both[0])
        assert "'completion' is a conversation: an answer is a text, or one message of the assistant" in told


def test_every_field_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        load(*words(jsonl(tmp_path, [{"question": "1+1=", "result": 2}] * 2)))
    lines = raised.value.problems
    assert ["dataset.prompt_field=" in lines[0], "dataset.answer_field=" in lines[1], len(lines)] == [True, True, 2]
    assert all("(the first of 2 such rows)" in line for line in lines)


def test_a_table_called_txt_is_told_how_it_is_read(tmp_path: Path) -> None:
    """As Excel saves Unicode text."""
    file = tmp_path / "sums.txt"
    file.write_text("prompt\tanswer\n1+1=\t2\n", encoding="utf-16")
    with pytest.raises(ConfigError, match=r"sums.txt: a text: a table is read where its name ends with \.csv or \.tsv"):
        load(*words(file))
    file.write_text('{"prompt": "1+1=", "answer": 2}\n')
    assert load(*words(file)).evaluation[0].answer == "2"


def test_a_template_that_does_not_read_the_prompt_needs_none(tmp_path: Path) -> None:
    row = {"a": 1, "b": 2, "answer": "3"}
    assert first(tmp_path, row, "dataset.prompt_template='{{ a }}+{{ b }}='").prompt == "1+2="
    told = refused(tmp_path, [row], "dataset.prompt_template='{{ a }}+{{ c }}='")
    assert "mine.jsonl:1: does not fit dataset.prompt_template: 'c' is undefined; the row has: a, b, answer" in told


def test_the_held_out_split_goes_by_what_is_asked(tmp_path: Path) -> None:
    file = jsonl(tmp_path, [{"prompt": f"{i}+{i}=", "answer": i} for i in range(60)])
    plain, *framed = (
        {problem.answer for problem in load("dataset=file", f"dataset.path={file}", *more).evaluation}
        for more in ([], ["dataset.prompt_template='Q: {{ prompt }}'"], ["dataset.system_prompt=Add."])
    )
    assert framed == [plain, plain] and 1 < len(plain) < 20


def test_prompts_on_both_sides_are_counted(tmp_path: Path) -> None:
    rows = [{"prompt": f"{i}=", "answer": i} for i in range(6)]
    train, test = jsonl(tmp_path, rows[:4], "a.jsonl"), jsonl(tmp_path, rows[2:], "b.jsonl")
    data = load("dataset=file", f"dataset.path={train}", f"dataset.eval_path={test}", "dataset.system_prompt=Add.")
    assert list(data.notes) == ["dataset: 2 of the 4 held-out prompts are among those to learn from too"]


def test_fewer_problems_than_an_evaluation_takes(tmp_path: Path) -> None:
    """Told with the usual number, refused with one that the user set."""
    file = jsonl(tmp_path, [{"prompt": f"{i}=", "answer": i} for i in range(10)])
    for more in ([], ["preset=smoke"]):
        config = load_config(TrainConfig, ["dataset=file", f"dataset.path={file}", *more])
        data, notes = asked_dataset(config)
        number = len(data.evaluation)
        assert notes[0].startswith(f"eval.problems={config.eval.problems}: the dataset has {number} held-out problem")
        assert len(notes) == 1
    with pytest.raises(ConfigError, match=r"eval\.problems=7: the dataset has \d held-out .* takes what is there"):
        asked_dataset(load_config(TrainConfig, ["dataset=file", f"dataset.path={file}", "eval.problems=7"]))
    enough = load_config(TrainConfig, ["dataset=file", f"dataset.path={file}", f"eval.problems={number}"])
    assert asked_dataset(enough)[1] == []
    (tmp_path / "folder").mkdir()
    jsonl(tmp_path / "folder", [{"prompt": f"{i}=", "answer": i} for i in range(9)], "train.jsonl")
    places = {
        "": "; for more, raise dataset.eval_fraction=0.1 or set dataset.eval_path;",
        f"dataset.path={tmp_path / 'folder'}": "; for more, set dataset.eval_path;",
        f"dataset.eval_path={file}": "10 held-out problems; eval.problems=10 takes",
    }
    for place, way in places.items():
        words = ["dataset=file", f"dataset.path={file}", *filter(None, [place])]
        assert way in asked_dataset(load_config(TrainConfig, words))[1][-1]


@pytest.mark.parametrize("reward", ["exact", "math"])
def test_rewards_that_compare_need_answers(tmp_path: Path, reward: str) -> None:
    rows = [{"prompt": [USER, {**ASSISTANT, "content": f"{i}"}]} if i else {"prompt": "2"} for i in range(3)]
    some = words(jsonl(tmp_path, rows), "dataset.answer_field=null", f"reward={reward}")
    with pytest.raises(ConfigError) as raised:
        asked_dataset(load_config(TrainConfig, some))
    assert raised.value.problems[0].startswith(f"reward={reward}: 2 problems have no answer") or raised.value.problems[
        0
    ].startswith(f"reward={reward}: 1 problems have no answer")
    asked_dataset(load_config(TrainConfig, [*some, "reward=python", "reward.path=mine.py"]))


def test_numbers_with_a_decimal_point_are_told(tmp_path: Path) -> None:
    file = jsonl(tmp_path, [{"prompt": "1", "answer": 4.0}, {"prompt": "2", "answer": [5, 6.5]}])
    notes = json.dumps(list(load(*words(file)).notes))
    assert f"{file}: 2 answers hold numbers with a decimal point; they are read as text, 4.0 as 4" in notes


def test_a_blank_id_is_refused(tmp_path: Path) -> None:
    csv = tmp_path / "mine.csv"
    csv.write_text("prompt,answer,id\n1+1=,2,a\n1+2=,3,\n")
    with pytest.raises(ConfigError, match=r"mine\.csv:3: the field 'id' is empty"):
        load(*words(csv))


@pytest.mark.parametrize(
    "text", [json.dumps([USER]), str([USER, ASSISTANT]), json.dumps([HUMAN]), " [ {'content': '1', 'role': 'user'}]"]
)
def test_a_conversation_that_a_table_holds_as_text_is_refused(tmp_path: Path, text: str) -> None:
    assert "is a conversation written as text" in refused(tmp_path, [{"prompt": text, "answer": "2"}])
    asked = f"What does this say? {text}"
    assert first(tmp_path, {"prompt": asked, "answer": "2"}).prompt == asked


def test_numbers_of_32_bits_have_the_digits_that_were_written(tmp_path: Path) -> None:
    file = tmp_path / "mine.parquet"
    for kind, more in ((pa.float32(), "0.1"), (pa.float16(), "0.1"), (pa.float64(), "0.1")):
        answers = pa.array([[0.1, 2.0]], type=pa.list_(kind))
        parts = pa.array([{"a": 0.1}], type=pa.struct([("a", kind)]))
        table = {"prompt": ["1"], "answer": answers, "more": pa.array([0.1], type=kind), "parts": parts}
        pq.write_table(pa.table({**table, "map": pa.array([[("k", 0.1)]], type=pa.map_(pa.string(), kind))}), file)
        found = load(*words(file)).evaluation[0]
        assert found.answer == (more, "2")
        assert found.fields["more"] == found.fields["parts"]["a"] == found.fields["map"][0][1] == 0.1


def test_a_file_of_another_kind_is_named(tmp_path: Path) -> None:
    for begin, what in ((b"%PDF-1.7\n", "a PDF document"), (b"SQLite format 3\0\x10", "an SQLite database"),
                        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"), (b"BZh91AY", "bzip2"),
                        (b"<!DOCTYPE html>", "a page of HTML"), (b"\x80\x04\x95", "a pickle")):  # fmt: skip
        (tmp_path / "mine.csv").write_bytes(begin)
        with pytest.raises(ConfigError, match=what):
            load(*words(tmp_path / "mine.csv"))
