from __future__ import annotations

from pathlib import Path

import pytest

from sspo_cli.runs import jsonl


def test_rows_come_back_as_written_and_what_json_lacks_becomes_null(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    jsonl.append(file, [{"step": 1, "text": "é\n"}])
    jsonl.append(file, [{"step": 2, "loss": float("nan"), "parts": {"a": float("inf"), "b": 0.1}}])
    expected = [{"step": 1, "text": "é\n"}, {"step": 2, "loss": None, "parts": {"a": None, "b": 0.1}}]
    assert jsonl.read(file) == expected


def test_every_character_comes_back_on_one_line(tmp_path: Path) -> None:
    """All of Unicode, lone surrogates included, a thousand characters a row, each row between two others."""
    file = tmp_path / "rows.jsonl"
    rows = [{"text": "".join(map(chr, range(first, first + 1024)))} for first in range(0, 0x110000, 1024)]
    jsonl.append(file, rows)
    assert jsonl.read(file) == rows
    written = file.read_text(encoding="utf-8")
    assert len(written.splitlines()) == len(rows), "also for readers that split at U+2028, U+0085 and others"
    assert "\u00e9" in written and "\u6f22" in written, "letters of every language stay readable"


def test_a_torn_last_line_is_dropped_and_any_other_is_named(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"step": 0}\n{"step": 1, "rew')
    assert jsonl.read(file) == [{"step": 0}]
    file.write_text('{"step": 0}\n{"step"\n{"step": 2}\n')
    with pytest.raises(ValueError, match=r"rows\.jsonl:2: not JSON"):
        jsonl.read(file)


def test_late_rows_move_to_a_file_of_their_own(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    jsonl.append(file, [{"step": step} for step in range(5)])
    jsonl.split_off(file, after_step=2)
    assert [row["step"] for row in jsonl.read(file)] == [0, 1, 2]
    assert [row["step"] for row in jsonl.read(tmp_path / "metrics.orphaned.jsonl")] == [3, 4]


def test_a_missing_file_has_no_rows(tmp_path: Path) -> None:
    assert jsonl.read(tmp_path / "none.jsonl") == []
    jsonl.split_off(tmp_path / "none.jsonl", after_step=0)
    assert not list(tmp_path.iterdir())
