"""Rows of a user as files of every form."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq

Rows = Sequence[dict[str, Any]]


def excel_csv(file: Path, rows: Rows, delimiter: str = ";", encoding: str = "utf-8-sig") -> Path:
    """As Excel writes it: a byte-order mark, CRLF, quotes where a cell needs them."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    file.write_bytes(text.getvalue().encode(encoding))
    return file


def as_lines(rows: Rows) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def write_form(form: str, home: Path, rows: Rows) -> Path:
    """`rows` in `home` as one of FORMS; the path that a user gives."""
    if form == "saved":
        datasets.Dataset.from_list(list(rows)).save_to_disk(home / "saved")
        return home / "saved"
    if form == "folder":
        (home / "folder" / "part").mkdir(parents=True)
        half = len(rows) // 2
        (home / "folder" / "part" / "a.jsonl").write_text(as_lines(rows[:half]))
        (home / "folder" / "b.csv").write_bytes(excel_csv(home / "b.csv", rows[half:]).read_bytes())
        return home / "folder"
    file = home / f"rows.{form}"
    if form in ("csv", "tsv"):
        return excel_csv(file, rows, "\t" if form == "tsv" else ";")
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist(list(rows)), file)
    elif form == "json":
        file.write_text(json.dumps(list(rows), indent=1))
    elif form == "jsonl.gz":
        file.write_bytes(gzip.compress(as_lines(rows).encode()))
    else:
        file.write_text(as_lines(rows))
    return file


FORMS = ("jsonl", "json", "csv", "tsv", "parquet", "jsonl.gz", "saved", "folder")
