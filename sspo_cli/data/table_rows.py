"""Tables as text, such as those that Excel writes: csv and tsv. Every value stays the text that it is in the file."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator

from sspo_cli.data.rows import Row, Rows, Unreadable

DELIMITERS = (",", ";", "\t")
NAMES = {",": "a comma", ";": "a semicolon", "\t": "a tab"}
LONGEST_CELL = 2**31 - 1
Record = tuple[int, list[str]]  # the line that it begins on, and its cells


def table_rows(name: str, text: str) -> Rows:
    """The rows below a header, each named by the line that it begins on; empty ones are left out.

    Raises:
        Unreadable: for a header without names or with one twice.
    """
    begin = 1
    given, _, rest = text.partition("\n")
    if re.fullmatch(r"sep=[,;\t]\r?", given, flags=re.IGNORECASE):  # Excel's own line
        text, begin, delimiter = rest, 2, given[4]
    else:
        delimiter = delimiter_of(text)
    records = list(records_of(text, delimiter, begin))
    filled = [record for record in records if isinstance(record, str) or any(cell.strip() for cell in record[1])]
    if not filled:
        return Rows()
    header = filled[0]
    if isinstance(header, str):
        raise Unreadable(header)
    names = names_of(header[1])
    found = Rows()
    for record in filled[1:]:
        found.rows.append(as_row(name, record, names, delimiter))
    return found


def as_row(name: str, record: Record | str, names: list[str], delimiter: str) -> Row:
    if isinstance(record, str):
        return Row(name, None, record)
    line, cells = record
    while len(cells) > len(names) and not cells[-1].strip():
        cells.pop()
    if len(cells) != len(names):
        hint = f"; a text that holds {NAMES[delimiter]} or a line break stands in double quotes"
        return Row(
            f"{name}:{line}", None, f"has {len(cells)} cells where the header has {len(names)} ({shown(names)}){hint}"
        )
    return Row(f"{name}:{line}", {key: cell for key, cell in zip(names, cells, strict=True) if key})


def names_of(header: list[str]) -> list[str]:
    """The names of the columns; an empty one, of a column that is not read, only behind all others.

    Raises:
        Unreadable: for an empty name before another one, or a name twice.
    """
    names = [cell.strip() for cell in header]
    while names and not names[-1]:
        names.pop()
    if "" in names:
        raise Unreadable(f"column {names.index('') + 1} has no name in the header ({shown(names)})")
    repeated = [name for name, times in Counter(names).items() if times > 1]
    if repeated:
        raise Unreadable(f"the header has the column '{repeated[0]}' more than once")
    return names


def shown(names: list[str]) -> str:
    return ", ".join(names)


def delimiter_of(text: str) -> str:
    """The one that gives every row as many cells as the header, most of all; else the most cells in the header."""
    counts = {delimiter: cell_counts(text, delimiter) for delimiter in DELIMITERS}
    return max(
        DELIMITERS, key=lambda delimiter: (widths_agree(counts[delimiter]), counts[delimiter][0], delimiter == ",")
    )


def widths_agree(counts: list[int]) -> bool:
    return counts[0] > 1 and len(set(counts)) == 1


def cell_counts(text: str, delimiter: str) -> list[int]:
    """Of the header and every row, empty ones left out."""
    counts = [
        len(record[1])
        for record in records_of(text, delimiter, 1)
        if not isinstance(record, str) and any(cell.strip() for cell in record[1])
    ]
    return counts or [0]


def records_of(text: str, delimiter: str, begin: int) -> Iterator[Record | str]:
    """Every record; a text instead says what is wrong with the rest of the file."""
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = begin
    try:
        for cells in reader:
            yield line, cells
            line = begin + reader.line_num
    except csv.Error as error:
        yield f"the row that begins on line {line} cannot be read: {error}"
