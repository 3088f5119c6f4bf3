"""The same rows in every form of file give the same problems; what no form can hold is told in one line."""

from __future__ import annotations

import datetime
import json
import os
import zipfile
from decimal import Decimal
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sspo_cli.config.errors import ConfigError
from sspo_cli.data.problem import Message
from tests.data.test_files import jsonl, load
from tests.data.user_files import FORMS, as_lines, excel_csv, write_form

ROWS = [
    {"id": f"q{i}", "prompt": f"{i}, {i};\nund \u00fc\u2028=", "answer": f"00{i}", "note": f"\u201c{i}\u201d"}
    for i in range(20)
]


@pytest.mark.parametrize("form", FORMS)
def test_rows_are_the_same_problems_in_every_form(tmp_path: Path, form: str) -> None:
    data = load("dataset=file", f"dataset.path={write_form(form, tmp_path, ROWS)}")
    found = sorted([*data.problems(), *data.evaluation], key=lambda problem: int(problem.id[1:]))
    assert [dict(problem.fields) for problem in found] == ROWS
    assert [(one.id, one.prompt, one.answer) for one in found] == [(r["id"], r["prompt"], r["answer"]) for r in ROWS]
    assert list(data.notes) == []


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8", "utf-16"])
def test_cells_of_a_table_stay_as_they_are_written(tmp_path: Path, delimiter: str, encoding: str) -> None:
    values = ["007", "1.0", "NA", "1e3", "true", "null", " 4", "-", "3,5", "a;b", "c\td", '"']
    rows = [{"prompt": f"{i}?", "answer": value} for i, value in enumerate(values)]
    file = excel_csv(tmp_path / "mine.csv", rows, delimiter, encoding)
    data = load("dataset=file", f"dataset.path={file}", f"dataset.eval_path={file}")
    assert [problem.answer for problem in data.evaluation] == values
    lines = [3 + i for i in range(len(values) - 1)]
    assert [problem.id for problem in data.evaluation] == [f"{file}:{number}" for number in [2, *lines]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sep=;\r\nprompt;answer\r\n1,1;2\r\n", [("1,1", "2")]),
        ("prompt;answer;;\r\n1;2;;\r\n;;;\r\n3;4;;\r\n\r\n", [("1", "2"), ("3", "4")]),
        ("prompt,answer\r1,2\r3,4\r", [("1", "2"), ("3", "4")]),
        ('"prompt";"answer"\n"a, b, c";"1"\n"d, e, f";"2"\n', [("a, b, c", "1"), ("d, e, f", "2")]),
        ("prompt;answer;size, mm, net\n1;2;3\n", [("1", "2")]),
        ('prompt,answer\n"say ""hi""\n\nagain",2\n', [('say "hi"\n\nagain', "2")]),
    ],
)
def test_tables_as_programs_write_them(tmp_path: Path, text: str, expected: list[tuple[str, str]]) -> None:
    file = tmp_path / "mine.csv"
    file.write_bytes(text.encode())
    data = load("dataset=file", f"dataset.path={file}", f"dataset.eval_path={file}")
    assert [(problem.prompt, problem.answer) for problem in data.evaluation] == expected


def test_a_row_is_named_by_the_line_that_it_begins_on(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text('sep=,\nprompt,answer\n"a\nb\nc",1\nd,2\n')
    data = load("dataset=file", f"dataset.path={file}", f"dataset.eval_path={file}")
    assert [problem.id for problem in data.evaluation] == [f"{file}:3", f"{file}:6"]


def test_parquet_with_nested_columns_and_values_that_json_has_no_form_of(tmp_path: Path) -> None:
    talk = [{"role": "user", "content": "1+1=", "name": None}]
    rows = {
        "id": [7, 5],
        "prompt": [talk, talk],
        "answer": [["2", "2.0"], ["3"]],
        "day": [datetime.date(2026, 1, 31)] * 2,
        "moment": pa.array([datetime.datetime(2026, 1, 31, 12)] * 2, pa.timestamp("ns")),
        "price": [Decimal("1.50")] * 2,
        "image": [{"bytes": b"\x89PNG", "path": None}] * 2,
        "deep": [{"values": [1.5, float("nan")], "more": {"a": None}}] * 2,
    }
    file = tmp_path / "mine.parquet"
    pq.write_table(pa.table(rows), file)
    data = load("dataset=file", f"dataset.path={file}", f"dataset.eval_path={file}")
    first, second = data.evaluation
    assert (first.id, first.answer, second.id, second.answer) == ("5", ("3",), "7", ("2", "2.0"))
    assert first.prompt == (Message("user", "1+1="),)
    fields = json.loads(json.dumps(dict(first.fields), allow_nan=False))
    assert fields == {
        **{"id": 5, "prompt": talk, "answer": ["3"], "day": "2026-01-31", "price": "1.50"},
        **{"moment": "2026-01-31 12:00:00.000000000", "deep": {"values": [1.5, None], "more": {"a": None}}},
    }
    told = f"{file}: the column 'image' holds bytes, which JSON has no form of; it is left out"
    assert told in data.notes


def test_a_prompt_that_is_left_out_is_told_with_the_reason(tmp_path: Path) -> None:
    file = tmp_path / "mine.parquet"
    pq.write_table(pa.table({"prompt": [b"1", b"2"], "answer": ["1", "2"]}), file)
    with pytest.raises(ConfigError) as raised:
        load("dataset=file", f"dataset.path={file}")
    missing, why = raised.value.problems
    assert missing.startswith(f"{file}:1: no field 'prompt' (it has: answer)")
    assert why == f"{file}: the column 'prompt' holds bytes, which JSON has no form of; it is left out"


def test_a_folder_is_split_by_the_names_of_its_files(tmp_path: Path) -> None:
    for name, begin, rows in [("train-00000-of-00002", 0, 3), ("train-00001-of-00002", 3, 3), ("test", 90, 2)]:
        jsonl(tmp_path, [{"prompt": str(begin + i), "answer": "1"} for i in range(rows)], f"{name}.jsonl")
    jsonl(tmp_path, [{"prompt": "x", "answer": "1"}], "validation.jsonl")
    (tmp_path / "README.md").write_text("not data")
    data = load("dataset=file", f"dataset.path={tmp_path}")
    assert [problem.prompt for problem in data.problems()] == [str(i) for i in range(6)]
    assert [problem.prompt for problem in data.evaluation] == ["90", "91"]
    assert any("not read: validation.jsonl" in note for note in data.notes)


def test_a_saved_folder_keeps_its_splits(tmp_path: Path) -> None:
    parts = {name: [{"prompt": f"{name}{i}", "answer": "1"} for i in range(3)] for name in ("train", "test")}
    datasets.DatasetDict({name: datasets.Dataset.from_list(rows) for name, rows in parts.items()}).save_to_disk(
        tmp_path / "saved"
    )
    data = load("dataset=file", f"dataset.path={tmp_path / 'saved'}")
    assert [problem.prompt for problem in data.evaluation] == ["test0", "test1", "test2"]
    assert {problem.prompt for problem in data.problems()} == {"train0", "train1", "train2"}


def zipped(file: Path, member: str) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(member, "x")


def make_bad(kind: str, home: Path) -> Path:
    file = home / "mine.csv"
    contents = {
        "ragged": b"prompt,answer\n1,2\n3,4,5\n",
        "short": b"prompt,answer\n1,2\n3\n",
        "open quote": b'prompt,answer\n1,2\n"3,4\n',
        "twice": b"prompt,prompt\n1,2\n",
        "unnamed": b"prompt,,answer\n1,2,3\n",
        "header alone": b"prompt,answer\n",
        "empty": b"",
        "binary": bytes(range(256)),
        "latin": "prompt,answer\nü,2\n".encode("latin-1"),
        "old excel": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99),
        "gzip": b"\x1f\x8b" + b"x" * 30,
        "damaged parquet": b"PAR1" + b"x" * 30,
    }
    if kind in contents:
        file.write_bytes(contents[kind])
    elif kind in ("xlsx", "hidden xlsx"):
        file = home / ("mine.xlsx" if kind == "xlsx" else "mine.csv")
        zipped(file, "xl/workbook.xml")
    elif kind == "zip":
        zipped(file, "a.csv")
    elif kind == "no data":
        (home / "folder").mkdir()
        (home / "folder" / "notes.md").write_text("x")
        return home / "folder"
    elif kind == "named parquet":
        (file := home / "mine.parquet").write_text("x")
    elif kind == "object":
        (file := home / "mine.json").write_text(json.dumps({"rows": []}, indent=1))
    elif kind == "array of texts":
        (file := home / "mine.json").write_text('["a", "b"]')
    elif kind == "broken array":
        (file := home / "mine.json").write_text('[{"prompt": "1"},\n x]')
    elif kind == "pipe":
        os.mkfifo(file)
    elif kind == "damaged folder":
        (home / "folder").mkdir()
        (home / "folder" / "state.json").write_text("{}")
        return home / "folder"
    elif kind == "only tests":
        (home / "folder").mkdir()
        (home / "folder" / "test.jsonl").write_text(as_lines([{"prompt": "1", "answer": "1"}]))
        return home / "folder"
    return file


BAD = {
    "ragged": "mine.csv:3: has 3 cells where the header has 2 (prompt, answer); a text that holds a comma",
    "short": "mine.csv:3: has 1 cells where the header has 2",
    "open quote": "the row that begins on line 3 cannot be read: unexpected end of data",
    "twice": "mine.csv: the header has the column 'prompt' more than once",
    "unnamed": "mine.csv: column 2 has no name in the header",
    "header alone": "mine.csv: holds no problems",
    "empty": "mine.csv: holds no problems",
    "binary": "mine.csv: binary: ",
    "latin": "mine.csv: not UTF-8 text: ",
    "old excel": "mine.csv: a spreadsheet: save it as csv",
    "gzip": "mine.csv: not a gzip file that can be read",
    "damaged parquet": "mine.csv: not a parquet file that can be read",
    "xlsx": "mine.xlsx: a spreadsheet: save it as csv",
    "hidden xlsx": "mine.csv: a spreadsheet: save it as csv",
    "zip": "mine.csv: a zip archive: unpack it",
    "no data": "folder: the folder has no file of .jsonl",
    "named parquet": "mine.parquet: not a parquet file, though its name ends so",
    "object": "mine.json: one JSON object: must be one object a line, or an array of objects",
    "array of texts": "mine.json:1: is a text: must be an object with fields (the first of 2 such rows)",
    "broken array": "mine.json: not a JSON array: Expecting value at line 2, column 2",
    "pipe": "mine.csv: neither a file nor a folder",
    "damaged folder": "folder: not a folder that datasets can load",
    "only tests": "folder: nothing in the folder is named as something to learn from",
    "missing": "mine.csv: no such file (looked in ",
}


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_read_is_told_in_one_line(tmp_path: Path, kind: str) -> None:
    path = make_bad(kind, tmp_path)
    with pytest.raises(ConfigError) as raised:
        load("dataset=file", f"dataset.path='{path}'")
    assert len(raised.value.problems) == 1 and "\n" not in raised.value.problems[0]
    assert BAD[kind] in raised.value.problems[0]
