"""Tables of Arrow as JSON values: parquet files, folders of `datasets`, and data sets of the hub."""

from __future__ import annotations

import datetime
import math
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from sspo_cli.data.rows import Row, Rows, Unreadable


class NoJson(ValueError):
    """What a value is that JSON has no form of."""


def parquet_rows(name: str, file: Path) -> Rows:
    """The rows of a parquet file, named by their number from 1.

    Raises:
        Unreadable: for a file that is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(file).read()
    except (pa.ArrowException, OSError) as error:
        raise Unreadable(f"not a parquet file that can be read: {first_line(error)}") from error
    return arrow_rows(name, table, first=1)


def saved_splits(folder: Path) -> dict[str, Any]:
    """The tables that `save_to_disk` of datasets wrote, by split; of a data set without splits, the one of `train`.

    Raises:
        Unreadable: for a folder that is damaged.
    """
    import datasets

    try:
        found = datasets.load_from_disk(str(folder))
    except Exception as error:  # whatever a damaged folder makes the library raise
        raise Unreadable(f"not a folder that datasets can load: {first_line(error)}") from error
    splits = found if isinstance(found, Mapping) else {"train": found}
    return {str(name): rows.with_format("arrow")[:] for name, rows in splits.items()}


def arrow_rows(name: str, table: Any, first: int) -> Rows:
    """The rows of a table; a column without JSON values is left out, which a note tells.

    first: the number of the first row.

    Raises:
        Unreadable: for two columns of one name.
    """
    repeated = [column for column, times in Counter(table.column_names).items() if times > 1]
    if repeated:
        raise Unreadable(f"has the column '{repeated[0]}' more than once")
    columns: dict[str, list[Any]] = {}
    notes = []
    for column in table.column_names:
        try:
            kind = table.schema.field(column).type
            columns[column] = [as_json(value, kind) for value in python_values(table.column(column))]
        except NoJson as error:
            notes.append(f"{name}: the column '{column}' holds {error}, which JSON has no form of; it is left out")
    rows = [{column: values[place] for column, values in columns.items()} for place in range(table.num_rows)]
    return Rows([Row(f"{name}:{number}", row) for number, row in enumerate(rows, start=first)], notes)


def python_values(column: Any) -> list[Any]:
    """The values of a column; dates and times as text, with every digit that they have."""
    import pyarrow as pa

    kind = column.type
    try:
        if pa.types.is_timestamp(kind) or pa.types.is_time(kind) or pa.types.is_date(kind):
            column = column.cast(pa.string())
        return list(column.to_pylist())
    except (pa.ArrowException, ValueError, OverflowError) as error:
        raise NoJson(f"values of type {kind}") from error


def as_json(value: Any, kind: Any) -> Any:
    """A Python value of the Arrow type `kind` as a JSON value; what is not a number is null, dates are texts, decimals
    are exact texts, and 0.1 in 32 bits is 0.1.

    Raises:
        NoJson: for bytes, images and other things.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return shortest(value, kind) if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [as_json(item, inner(kind, place)) for place, item in enumerate(value)]
    if isinstance(value, dict):
        return {str(key): as_json(item, inner(kind, key)) for key, item in value.items()}
    raise NoJson(type(value).__name__)


def inner(kind: Any, key: int | str) -> Any:
    """The type of what a value of type `kind` holds at `key`, as far as types tell."""
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return kind.field(key).type
    return kind.item_type if pa.types.is_map(kind) else getattr(kind, "value_type", kind)


def shortest(value: float, kind: Any) -> float:
    """`value`, of few bits, as the shortest decimal that rounds to it there; as more bits it would have more digits."""
    import pyarrow as pa

    small = {pa.float32(): np.float32, pa.float16(): np.float16}.get(getattr(kind, "value_type", kind))
    return value if small is None else float(str(small(value)))


def first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
